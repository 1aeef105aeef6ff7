// Package notice is a mail of ours that is neither an invitation nor about changing one: that an event was created, that
// a mail could not be used, a text answer passed on.
package notice

import "github.com/calendar-invite-server/cis/domain/schema"

// Fact is something that happened to a notice.
type Fact interface {
	schema.Fact
	noticeFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(NoticeRequested{}, NoticeSent{}, NoticeFailed{})

// Kind says what a notice tells.
type Kind string

const (
	// EventCreated confirms a new event to its organizer.
	EventCreated Kind = "event-created"
	// Counter tells the organizer what an attendee proposes.
	Counter Kind = "counter"
	// DeclineCounter tells an attendee that their proposal is not taken up (METHOD:DECLINECOUNTER).
	DeclineCounter Kind = "decline-counter"
	// Crasher takes an event out of the calendar of somebody who was never invited (METHOD:CANCEL).
	Crasher Kind = "crasher"
	// Forward passes a mail without a calendar on to the organizer it was meant for.
	Forward Kind = "forward"
	// Refused tells a proven sender why their mail led to nothing.
	Refused Kind = "refused"
	// EventLimit tells an organizer that the account allows no further event.
	EventLimit Kind = "event-limit"
	// Enrolled confirms a subscription.
	Enrolled Kind = "enrolled"
	// SubscriptionEnded tells that one was cancelled or refunded.
	SubscriptionEnded Kind = "subscription-ended"
	// Status, Report, Undone and Help answer an organizer who wrote back.
	Status Kind = "status"
	Report Kind = "report"
	Undone Kind = "undone"
	Help   Kind = "help"
	// Operator passes a mail to postmaster@ or abuse@ on to who runs the server.
	Operator Kind = "operator"
	// SignIn is a link to sign in with.
	SignIn Kind = "sign-in"
	// BulkSummary tells what became of a table of people.
	BulkSummary Kind = "bulk-summary"
)

// Ref names a notice.
type Ref struct {
	Tenant      string `json:"tenant"`
	NoticeID    string `json:"notice_id"`
	Kind        Kind   `json:"kind"`
	EventUID    string `json:"event_uid"`    // or what else it is about: a mail's id, an invitation's and a number
	OrganizerID string `json:"organizer_id"` // whom it is to
}

// NoticeRequested: somebody is to be told something that no other fact says they are.
type NoticeRequested struct {
	Ref
	Code   string `json:"code,omitempty"`                     // of a refusal
	Reason string `json:"reason,omitempty"`                   // in words, for whom it is to
	Detail string `json:"detail,omitempty" pii:"OrganizerID"` // what of theirs it is about
}

// NoticeSent: the notice was handed to the next mail server, or into the outbox.
type NoticeSent struct {
	Ref
	MessageID string `json:"message_id"`
	Answer    string `json:"answer,omitempty" pii:"OrganizerID"`
}

// NoticeFailed: the next mail server refused the notice for good.
type NoticeFailed struct {
	Ref
	Code   int    `json:"code,omitempty"`
	Answer string `json:"answer,omitempty" pii:"OrganizerID"`
}

// FactName is the stored name.
func (NoticeRequested) FactName() string { return "NoticeRequested" }

func (NoticeRequested) noticeFact() {}

// FactName is the stored name.
func (NoticeSent) FactName() string { return "NoticeSent" }

// FactName is the stored name.
func (NoticeFailed) FactName() string { return "NoticeFailed" }

func (NoticeSent) noticeFact()   {}
func (NoticeFailed) noticeFact() {}

// State is what a notice's facts add up to.
type State struct {
	Requested bool
	Code      string
	Reason    string
	Detail    string
	Settled   bool // sent, or refused for good
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	if f, ok := fact.(NoticeRequested); ok {
		s.Requested, s.Code, s.Reason, s.Detail = true, f.Code, f.Reason, f.Detail
		return s
	}
	s.Settled = true
	return s
}

// StreamPrefix starts the names of streams of notices.
const StreamPrefix = "notice-"

// Stream is the name of the notice's stream.
func (r Ref) Stream() string { return StreamPrefix + r.NoticeID }
