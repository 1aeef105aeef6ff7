// Package notifier sends mail by reconciliation. The ledger holds what every recipient was told and every event's
// current content revision; who was told less than there is to tell is owed a mail. Couriers claim what is owed, look
// at the log once more, send, and record the outcome as a fact, from which the ledger learns that it is settled.
//
// So an update for a hundred thousand people changes one row; an invite overtaken by an update is sent once, with the
// new content; the mails of one attendee cannot overtake each other; and a ledger rebuilt from the log owes nothing
// that the log says was sent.
//
// Start reading at ledger.go, then courier.go, policy.go (what is owed to whom) and compose.go (what it looks like).
package notifier
