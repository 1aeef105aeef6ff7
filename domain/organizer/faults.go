package organizer

import "github.com/calendar-invite-server/cis/domain/fault"

// How commands about and of organizers are refused.
var (
	ErrUnknown   = &fault.Error{Kind: fault.NotFound, Code: "organizer-unknown", Title: "there is no such organizer"}
	ErrSuspended = &fault.Error{Kind: fault.Forbidden, Code: "organizer-suspended", Title: "the organizer's account is suspended"}
	ErrLimit     = &fault.Error{Kind: fault.Conflict, Code: "event-limit-reached", Title: "the organizer has as many events as the account allows"}
	ErrBulk      = &fault.Error{Kind: fault.Forbidden, Code: "bulk-not-allowed", Title: "the account may not send in bulk"}
	ErrAddress   = &fault.Error{Kind: fault.Invalid, Code: "address-invalid", Title: "that is not a mail address"}
	ErrLinked    = &fault.Error{Kind: fault.Conflict, Code: "address-linked", Title: "the address speaks for another organizer already"}
	ErrLanguage  = &fault.Error{Kind: fault.Invalid, Code: "language-invalid", Title: "a language is two or three letters, like de"}
)
