// Package invitation is one attendee's relation to one event: asked for, sent, answered, updated, cancelled. Every
// attendee has a stream of their own, so that the answers of 100,000 people to one event never contend.
package invitation

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened between an attendee and an event.
type Fact interface {
	schema.Fact
	invitationFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(InviteRequested{}, InviteDenied{}, InviteSent{}, UpdateSent{}, CancellationSent{}, DeliveryFailed{}, RsvpReceived{},
	InviteDelegated{}, InviteWithdrawn{}, CounterReceived{}, CounterDeclined{}, ResendRequested{}, Bounced{}, CrasherTurnedAway{}, ReminderSent{})

// Ref names the invitation a fact belongs to.
type Ref struct {
	Tenant     string `json:"tenant"`
	EventUID   string `json:"event_uid"`
	AttendeeID string `json:"attendee_id"`
}

// InviteRequested: somebody asked that this person be invited, and it was allowed.
type InviteRequested struct {
	Ref
	OrganizerID string `json:"organizer_id"`
	Address     string `json:"address" pii:"AttendeeID"`
	Name        string `json:"name,omitempty" pii:"AttendeeID"`
	Origin      Origin `json:"origin"`
	Bulk        string `json:"bulk,omitempty"` // the bulk mail that asked,
	Line        int    `json:"line,omitempty"` // and where in its table
}

// InviteDenied: somebody asked and it was refused; Reason is the refusal's code.
type InviteDenied struct {
	Ref
	OrganizerID string `json:"organizer_id,omitempty"`
	Origin      Origin `json:"origin"`
	Reason      string `json:"reason"`
	Bulk        string `json:"bulk,omitempty"`
	Line        int    `json:"line,omitempty"`
}

// ReminderSent: the attendee was reminded of the event, or the next mail server refused that for good.
type ReminderSent struct {
	Ref
	Number    int    `json:"number"` // of the event's reminders
	MessageID string `json:"message_id"`
	Answer    string `json:"answer,omitempty" pii:"AttendeeID"`
	Refused   int    `json:"refused,omitempty"` // the SMTP reply
}

// Handover is a mail that was handed to the next mail server, or into the outbox.
type Handover struct {
	Revision  int    `json:"revision"` // the content told
	Sequence  int    `json:"sequence"` // the SEQUENCE told
	MessageID string `json:"message_id"`
	Answer    string `json:"answer,omitempty" pii:"AttendeeID"` // the server's reply, which may quote an address
	Repeat    bool   `json:"repeat,omitempty"`                  // this revision had been handed over before

	DTStamp  time.Time        `json:"dtstamp,omitzero"`   // of the calendar in it; every mail's is later than the one before
	Instance event.InstanceID `json:"instance,omitempty"` // of a series that this mail was about; empty: the event itself
	Pending  bool             `json:"pending,omitempty"`  // further mails about this revision follow: other instances
}

// InviteSent: the attendee's first REQUEST was handed over.
type InviteSent struct {
	Ref
	Handover
}

// UpdateSent: a later REQUEST was handed over.
type UpdateSent struct {
	Ref
	Handover
}

// CancellationSent: a CANCEL was handed over.
type CancellationSent struct {
	Ref
	Handover
}

// DeliveryFailed: the next mail server refused a mail for good. The attendee's next revision is tried again.
type DeliveryFailed struct {
	Ref
	Revision int    `json:"revision"`
	Method   string `json:"method"`         // REQUEST or CANCEL
	Code     int    `json:"code,omitempty"` // the SMTP reply, 0 if there was none
	Answer   string `json:"answer,omitempty" pii:"AttendeeID"`
}

// RsvpReceived: the attendee's calendar answered. It carries what the answer replaces, so that counters can move
// without looking anything up.
type RsvpReceived struct {
	Ref
	OrganizerID    string         `json:"organizer_id"`
	Address        string         `json:"address" pii:"AttendeeID"`
	Name           string         `json:"name,omitempty" pii:"AttendeeID"`
	Status         Status         `json:"status"`
	Previous       Status         `json:"previous,omitempty"` // empty: not an attendee before (Origin is then "shared")
	ProdID         string         `json:"prodid,omitempty"`
	PreviousProdID string         `json:"previous_prodid,omitempty"`
	Origin         Origin         `json:"origin,omitempty"` // set when this answer made them an attendee
	Reply          event.Revision `json:"reply"`
	Told           int            `json:"told,omitempty"` // the content revision they had when they became an attendee by answering
	Comment        string         `json:"comment,omitempty" pii:"AttendeeID"`

	Instance event.InstanceID   `json:"instance,omitempty"` // the one instance of a series this answers; empty: all of it
	Apart    []event.InstanceID `json:"apart,omitempty"`    // of an answer to the series: instances with answers of their own
	Stale    bool               `json:"stale,omitempty"`    // it answers a version of the event that is no longer current
	SentBy   string             `json:"sent_by,omitempty" pii:"AttendeeID"`
	Proof    string             `json:"proof,omitempty"` // how the sender is known; empty: it was not checked
}

// InviteDelegated: the attendee sends somebody else (RFC 5546 §3.2.2.3).
type InviteDelegated struct {
	Ref
	OrganizerID string         `json:"organizer_id"`
	DelegateID  string         `json:"delegate_id"`
	Delegate    string         `json:"delegate" pii:"DelegateID"`
	Reply       event.Revision `json:"reply"`
	Proof       string         `json:"proof,omitempty"`
}

// InviteWithdrawn: somebody is no longer invited. It carries what is taken out of the counters.
type InviteWithdrawn struct {
	Ref
	OrganizerID string             `json:"organizer_id"`
	Origin      Origin             `json:"origin"`
	Status      Status             `json:"status"`
	ProdID      string             `json:"prodid,omitempty"`
	Apart       []event.InstanceID `json:"apart,omitempty"`   // instances of a series with answers of their own,
	Answers     []Status           `json:"answers,omitempty"` // and these
	By          string             `json:"by"`
}

// CounterReceived: the attendee proposes other content; nothing changes by it (RFC 5546 §3.2.7).
type CounterReceived struct {
	Ref
	OrganizerID string           `json:"organizer_id"`
	Number      int              `json:"number"` // of the attendee's proposals, from 1
	Instance    event.InstanceID `json:"instance,omitempty"`
	Reply       event.Revision   `json:"reply"`
	Start       event.Moment     `json:"start"`
	End         event.Moment     `json:"end"`
	Location    string           `json:"location,omitempty" pii:"AttendeeID"`
	Comment     string           `json:"comment,omitempty" pii:"AttendeeID"`
	Proof       string           `json:"proof,omitempty"`
}

// CounterDeclined: the organizer does not take up the proposal; the attendee is told (RFC 5546 §3.2.8).
type CounterDeclined struct {
	Ref
	Number   int              `json:"number"`
	Instance event.InstanceID `json:"instance,omitempty"`
}

// ResendRequested: the attendee's calendar asked for the current version (RFC 5546 §3.2.6), or somebody for them.
type ResendRequested struct {
	Ref
	Number int       `json:"number"` // from 1
	At     time.Time `json:"at"`
}

// Bounced: a mail to the attendee came back for good (RFC 3464). They do not know what it said.
type Bounced struct {
	Ref
	Status     string `json:"status"` // RFC 3463, like 5.1.1
	Diagnostic string `json:"diagnostic,omitempty" pii:"AttendeeID"`
	Hard       bool   `json:"hard"` // the address does not work; nothing more is sent to it
}

// CrasherTurnedAway: somebody who was never invited answered, and the event's policy is to take it out of their
// calendar again.
type CrasherTurnedAway struct {
	Ref
	OrganizerID string `json:"organizer_id"`
	Address     string `json:"address" pii:"AttendeeID"`
	Name        string `json:"name,omitempty" pii:"AttendeeID"`
}

// FactName is the stored name.
func (InviteDelegated) FactName() string { return "InviteDelegated" }

// FactName is the stored name.
func (InviteWithdrawn) FactName() string { return "InviteWithdrawn" }

func (InviteWithdrawn) invitationFact() {}

// FactName is the stored name.
func (ReminderSent) FactName() string { return "ReminderSent" }

func (ReminderSent) invitationFact() {}

// FactName is the stored name.
func (CounterReceived) FactName() string { return "CounterReceived" }

// FactName is the stored name.
func (CounterDeclined) FactName() string { return "CounterDeclined" }

// FactName is the stored name.
func (ResendRequested) FactName() string { return "ResendRequested" }

// FactName is the stored name.
func (Bounced) FactName() string { return "Bounced" }

// FactName is the stored name.
func (CrasherTurnedAway) FactName() string { return "CrasherTurnedAway" }

func (InviteDelegated) invitationFact()   {}
func (CounterReceived) invitationFact()   {}
func (CounterDeclined) invitationFact()   {}
func (ResendRequested) invitationFact()   {}
func (Bounced) invitationFact()           {}
func (CrasherTurnedAway) invitationFact() {}

// FactName is the stored name.
func (InviteRequested) FactName() string { return "InviteRequested" }

// FactName is the stored name.
func (InviteDenied) FactName() string { return "InviteDenied" }

// FactName is the stored name.
func (InviteSent) FactName() string { return "InviteSent" }

// FactName is the stored name.
func (UpdateSent) FactName() string { return "UpdateSent" }

// FactName is the stored name.
func (CancellationSent) FactName() string { return "CancellationSent" }

// FactName is the stored name.
func (DeliveryFailed) FactName() string { return "DeliveryFailed" }

// FactName is the stored name.
func (RsvpReceived) FactName() string { return "RsvpReceived" }

func (InviteRequested) invitationFact()  {}
func (InviteDenied) invitationFact()     {}
func (InviteSent) invitationFact()       {}
func (UpdateSent) invitationFact()       {}
func (CancellationSent) invitationFact() {}
func (DeliveryFailed) invitationFact()   {}
func (RsvpReceived) invitationFact()     {}
