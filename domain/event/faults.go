package event

import "github.com/calendar-invite-server/cis/domain/fault"

// How commands about events are refused.
var (
	ErrUnknown     = &fault.Error{Kind: fault.NotFound, Code: "event-unknown", Title: "there is no such event"}
	ErrNotYours    = &fault.Error{Kind: fault.Forbidden, Code: "event-not-yours", Title: "only the organizer can change an event"}
	ErrInvalid     = &fault.Error{Kind: fault.Invalid, Code: "event-invalid", Title: "the event cannot be used as it is"}
	ErrIsCancelled = &fault.Error{Kind: fault.Conflict, Code: "event-cancelled", Title: "the event is cancelled"}
	ErrOver        = &fault.Error{Kind: fault.Conflict, Code: "event-over", Title: "the event is over"}
	ErrInstance    = &fault.Error{Kind: fault.NotFound, Code: "instance-unknown", Title: "the series has no such instance"}
	ErrNoSeries    = &fault.Error{Kind: fault.NotFound, Code: "series-unknown", Title: "the series this instance belongs to was never sent here"}
	ErrCrasher     = &fault.Error{Kind: fault.Forbidden, Code: "party-crasher", Title: "somebody who was never invited has answered"}
	ErrLimit       = &fault.Error{Kind: fault.Conflict, Code: "invite-limit-reached", Title: "as many people were invited in bulk as the event allows"}
	ErrNoUndo      = &fault.Error{Kind: fault.Conflict, Code: "nothing-to-undo", Title: "there is no change to take back"}
	ErrReminder    = &fault.Error{Kind: fault.Invalid, Code: "reminder-invalid", Title: "a reminder is a time before the start, like 24h or 30m, or daily@12:00"}
	ErrPolicy      = &fault.Error{Kind: fault.Invalid, Code: "policy-invalid", Title: "that is none of add, hold, cancel"}
)
