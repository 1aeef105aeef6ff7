// Package event is the life of an event: created, changed, cancelled, brought back. Its streams are named by the
// server's own UID; the organizer's UID is kept beside it.
package event

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to an event.
type Fact interface {
	schema.Fact
	eventFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(EventCreated{}, EventUpdated{}, EventCancelled{}, EventReinstated{}, InstanceUpdated{}, InstanceCancelled{},
	EventPolicyChanged{}, EventDenied{}, ChangeUndone{}, InviteLimitChanged{}, InviteSlotsReserved{}, InviteSlotsReturned{}, RemindersChanged{}, RemindersDue{}, VisibilityChanged{})

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
	InviteLimit         int     `json:"invite_limit,omitempty"` // bulk invitations at most; 0: any number
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

// VisibilityChanged: the organizer chose whether everybody may see the event, on its page and in the schedule.
type VisibilityChanged struct {
	Tenant string `json:"tenant"`
	UID    string `json:"uid"`
	Public bool   `json:"public"`
}

// EventDenied: somebody asked for an event and it was not granted; Reason is the refusal's code.
type EventDenied struct {
	Tenant      string `json:"tenant"`
	UID         string `json:"uid"`
	OrganizerID string `json:"organizer_id"`
	Reason      string `json:"reason"`
}

// ChangeUndone: the organizer took their last change back; the event is again as it was before. Calendars see one more
// change (RFC 5546 has no undoing).
type ChangeUndone struct {
	Tenant   string     `json:"tenant"`
	UID      string     `json:"uid"`
	Instance InstanceID `json:"instance,omitempty"` // of a series, that the change was about
	Revision int        `json:"revision"`
	Sequence int        `json:"sequence"`
	Status   Status     `json:"status"` // from now on
	Content  Content    `json:"content"`
	Cause    string     `json:"cause,omitempty"` // the mail that asked for it: once
}

// InviteLimitChanged: how many may be invited in bulk.
type InviteLimitChanged struct {
	Tenant string `json:"tenant"`
	UID    string `json:"uid"`
	Limit  int    `json:"limit"` // 0: any number
	By     string `json:"by"`
}

// InviteSlotsReserved: so many bulk invitations may be asked for under the block's name.
type InviteSlotsReserved struct {
	Tenant string `json:"tenant"`
	UID    string `json:"uid"`
	Block  string `json:"block"`
	Count  int    `json:"count"`
}

// InviteSlotsReturned: so many of a block were not needed.
type InviteSlotsReturned struct {
	Tenant string `json:"tenant"`
	UID    string `json:"uid"`
	Block  string `json:"block"`
	Count  int    `json:"count"`
}

// RemindersChanged: when attendees are reminded of this event, instead of when the installation says.
type RemindersChanged struct {
	Tenant string   `json:"tenant"`
	UID    string   `json:"uid"`
	Before []string `json:"before"` // each like 24h, 30m, or daily@12:00; none: never
	By     string   `json:"by"`
}

// RemindersDue: attendees are to be reminded.
type RemindersDue struct {
	Tenant   string     `json:"tenant"`
	UID      string     `json:"uid"`
	Number   int        `json:"number"`             // from 1
	Instance InstanceID `json:"instance,omitempty"` // of a series
	Due      time.Time  `json:"due"`
}

// FactName is the stored name.
func (VisibilityChanged) FactName() string { return "VisibilityChanged" }

func (VisibilityChanged) eventFact() {}

// FactName is the stored name.
func (EventDenied) FactName() string { return "EventDenied" }

// FactName is the stored name.
func (ChangeUndone) FactName() string { return "ChangeUndone" }

// FactName is the stored name.
func (InviteLimitChanged) FactName() string { return "InviteLimitChanged" }

// FactName is the stored name.
func (InviteSlotsReserved) FactName() string { return "InviteSlotsReserved" }

// FactName is the stored name.
func (InviteSlotsReturned) FactName() string { return "InviteSlotsReturned" }

// FactName is the stored name.
func (RemindersChanged) FactName() string { return "RemindersChanged" }

// FactName is the stored name.
func (RemindersDue) FactName() string { return "RemindersDue" }

func (EventDenied) eventFact()         {}
func (ChangeUndone) eventFact()        {}
func (InviteLimitChanged) eventFact()  {}
func (InviteSlotsReserved) eventFact() {}
func (InviteSlotsReturned) eventFact() {}
func (RemindersChanged) eventFact()    {}
func (RemindersDue) eventFact()        {}

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
