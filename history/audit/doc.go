// Package audit tells what happened, from the log: the whole chain from a received mail, with what was found out about its
// sender, through commands and facts to the mails that were sent and what mail servers answered. It also records who was
// shown what is personal.
//
// Start reading at [Teller.Tell] and [Reads.Note].
package audit
