package mail

import "github.com/calendar-invite-server/cis/domain/fault"

// ErrNotHeld says that there is nothing to decide about a message.
var ErrNotHeld = &fault.Error{Kind: fault.Conflict, Code: "mail-not-held", Title: "that mail is not held"}
