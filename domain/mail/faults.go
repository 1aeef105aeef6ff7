package mail

import "github.com/calendar-invite-server/cis/domain/fault"

// How decisions about messages are refused.
var (
	ErrNotHeld = &fault.Error{Kind: fault.Conflict, Code: "mail-not-held", Title: "that mail is not held"}
	ErrUnknown = &fault.Error{Kind: fault.NotFound, Code: "mail-unknown", Title: "there is no such mail"}
)
