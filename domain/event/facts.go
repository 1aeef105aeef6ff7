// Package event is the life of an event: created, changed, cancelled, brought back. Its streams are named by the
// server's own UID; the organizer's UID is kept beside it.
package event

import "github.com/calendar-invite-server/cis/domain/schema"

// Fact is something that happened to an event.
type Fact interface {
	schema.Fact
	eventFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(EventCreated{}, EventUpdated{}, EventCancelled{}, EventReinstated{}, InstanceUpdated{}, InstanceCancelled{}, EventPolicyChanged{})

// EventCreated: an organizer asked for an event for the first time.
type EventCreated struct {
	Tenant              string  `json:"tenant"`
	UID                 string  `json:"uid"`
	OrganizerID         string  `json:"organizer_id"`
	OrganizerAddress    string  `json:"organizer_address" pii:"OrganizerID"`
	OrganizerName       string  `json:"organizer_name,omitempty" pii:"OrganizerID"`
	OriginalOrganizerID string  `json:"original_organizer_id,omitempty"` // whom the source's ORGANIZER names
	OriginalOrganizer   string  `json:"original_organizer,omitempty" pii:"OriginalOrganizerID"`
	ReplyTo             string  `json:"reply_to"` // ORGANIZER, From and Reply-To of every mail, for the event's whole life
	Source              Source  `json:"source"`
	Content             Content `json:"content"`
}

// EventUpdated: the organizer changed something that attendees see.
type EventUpdated struct {
	Tenant   string       `json:"tenant"`
	UID      string       `json:"uid"`
	Revision int          `json:"revision"` // of the content, from 1 at creation
	Sequence int          `json:"sequence"` // the SEQUENCE attendees get
	Source   Source       `json:"source"`
	Content  Content      `json:"content"`
	Dropped  []InstanceID `json:"dropped,omitempty"` // exceptions that are no instances of the series any more
}

// EventCancelled: the organizer called the event off. For an event never heard of it is remembered all the same, so
// that a request overtaken by its own cancellation does not revive it; Revision is then 0.
type EventCancelled struct {
	Tenant   string `json:"tenant"`
	UID      string `json:"uid"`
	Revision int    `json:"revision"`
	Sequence int    `json:"sequence"`
	Source   Source `json:"source"`
}

// EventReinstated: a request newer than the cancellation brought the event back; everybody is asked again.
type EventReinstated struct {
	Tenant   string  `json:"tenant"`
	UID      string  `json:"uid"`
	Revision int     `json:"revision"`
	Sequence int     `json:"sequence"`
	Source   Source  `json:"source"`
	Content  Content `json:"content"`
}

// InstanceUpdated: one instance of a series takes place differently from the rest; Content is what it is like now.
type InstanceUpdated struct {
	Tenant   string     `json:"tenant"`
	UID      string     `json:"uid"`
	Instance InstanceID `json:"instance"`
	Revision int        `json:"revision"` // of the event's content
	Sequence int        `json:"sequence"` // the SEQUENCE attendees get
	Source   Source     `json:"source"`
	Content  Content    `json:"content"`
}

// InstanceCancelled: one instance of a series does not take place.
type InstanceCancelled struct {
	Tenant   string     `json:"tenant"`
	UID      string     `json:"uid"`
	Instance InstanceID `json:"instance"`
	Revision int        `json:"revision"`
	Sequence int        `json:"sequence"`
	Source   Source     `json:"source"`
}

// EventPolicyChanged: the organizer, or an operator for them, chose how answers of people who were never invited are
// taken.
type EventPolicyChanged struct {
	Tenant   string   `json:"tenant"`
	UID      string   `json:"uid"`
	Crashers Crashers `json:"crashers"`
}

// FactName is the stored name.
func (InstanceUpdated) FactName() string { return "InstanceUpdated" }

// FactName is the stored name.
func (InstanceCancelled) FactName() string { return "InstanceCancelled" }

// FactName is the stored name.
func (EventPolicyChanged) FactName() string { return "EventPolicyChanged" }

func (InstanceUpdated) eventFact()    {}
func (InstanceCancelled) eventFact()  {}
func (EventPolicyChanged) eventFact() {}

// FactName is the stored name.
func (EventCreated) FactName() string { return "EventCreated" }

// FactName is the stored name.
func (EventUpdated) FactName() string { return "EventUpdated" }

// FactName is the stored name.
func (EventCancelled) FactName() string { return "EventCancelled" }

// FactName is the stored name.
func (EventReinstated) FactName() string { return "EventReinstated" }

func (EventCreated) eventFact()    {}
func (EventUpdated) eventFact()    {}
func (EventCancelled) eventFact()  {}
func (EventReinstated) eventFact() {}
