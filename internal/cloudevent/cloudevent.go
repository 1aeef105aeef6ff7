// Package cloudevent says what happened in the words of the API: facts as CloudEvents 1.0, for webhooks and live
// updates. Not every fact is one: what only we need to know is left out.
package cloudevent

import (
	"fmt"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/facts"
)

// Types lists what can happen, sorted.
var Types = []string{
	"attendee.bounced", "attendee.countered", "attendee.withdrawn", "cancellation.sent", "delivery.failed", "event.cancelled", "event.created",
	"event.instance.cancelled", "event.instance.updated", "event.reinstated", "event.updated", "event.visibility", "invite.denied", "invite.requested", "invite.sent",
	"reminder.sent", "rsvp.received", "update.sent",
}

// Prefixes are of the streams that what can happen stands in.
var Prefixes = []string{event.StreamPrefix, invitation.StreamPrefix}

// Event is a CloudEvent in the JSON format.
type Event struct {
	SpecVersion string    `json:"specversion" enum:"1.0"`
	ID          string    `json:"id" doc:"The same every time this is told"`
	Source      string    `json:"source"`
	Type        string    `json:"type" example:"rsvp.received"`
	Subject     string    `json:"subject" doc:"The event's UID"`
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype" enum:"application/json"`
	Sequence    string    `json:"sequence" doc:"The position in the log, with leading zeros: later is larger"`
	Data        Data      `json:"data"`

	Tenant   string `json:"-"`
	Position uint64 `json:"-"`
}

// Data is what happened.
type Data struct {
	EventUID    string `json:"event_uid"`
	OrganizerID string `json:"organizer_id,omitempty"`
	Summary     string `json:"summary,omitempty"`
	Starts      string `json:"starts,omitempty" doc:"RFC 3339, UTC"`
	Ends        string `json:"ends,omitempty"`
	Revision    int    `json:"revision,omitempty" doc:"Of the event's content"`
	Instance    string `json:"instance,omitempty" doc:"Which date of a series"`
	AttendeeID  string `json:"attendee_id,omitempty"`
	Address     string `json:"address,omitempty" doc:"The attendee's, for those who may see it"`
	Name        string `json:"name,omitempty"`
	Status      string `json:"status,omitempty" doc:"The answer"`
	Previous    string `json:"previous,omitempty" doc:"The answer before"`
	Origin      string `json:"origin,omitempty"`
	ProdID      string `json:"prodid,omitempty"`
	Comment     string `json:"comment,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Public      *bool  `json:"public,omitempty"`
}

// Masked is the event for those who may not see whom it is about.
func (e Event) Masked() Event {
	e.Data.Address, e.Data.Name, e.Data.Comment = "", "", ""
	return e
}

// Of is a fact, opened, as an event; false for facts that are none.
func Of(rec facts.Recorded, source string) (Event, bool) {
	e := Event{
		SpecVersion: "1.0", ID: rec.ID.String(), Source: source, Time: rec.Created.UTC(), ContentType: "application/json",
		Sequence: fmt.Sprintf("%020d", rec.Position), Position: rec.Position,
	}
	switch f := rec.Fact.(type) {
	case event.Fact:
		e = e.ofEvent(f)
	case invitation.Fact:
		e = e.ofInvitation(f)
	}
	e.Subject = e.Data.EventUID
	return e, e.Type != ""
}

func (e Event) ofEvent(fact event.Fact) Event {
	about := func(kind, tenant, uid string, revision int) {
		e.Type, e.Tenant, e.Data.EventUID, e.Data.Revision = kind, tenant, uid, revision
	}
	content := func(c event.Content) {
		e.Data.Summary, e.Data.Starts, e.Data.Ends = c.Summary, c.Start.UTC.Format(time.RFC3339), c.End.UTC.Format(time.RFC3339)
	}
	switch f := fact.(type) {
	case event.EventCreated:
		about("event.created", f.Tenant, f.UID, 1)
		content(f.Content)
		e.Data.OrganizerID = f.OrganizerID
	case event.EventUpdated:
		about("event.updated", f.Tenant, f.UID, f.Revision)
		content(f.Content)
	case event.EventReinstated:
		about("event.reinstated", f.Tenant, f.UID, f.Revision)
		content(f.Content)
	case event.ChangeUndone:
		kind := "event.updated"
		if f.Status == event.Cancelled {
			kind = "event.cancelled"
		}
		about(kind, f.Tenant, f.UID, f.Revision)
		content(f.Content)
		e.Data.Instance = string(f.Instance)
	case event.EventCancelled:
		if f.Revision > 0 {
			about("event.cancelled", f.Tenant, f.UID, f.Revision)
		}
	case event.InstanceUpdated:
		about("event.instance.updated", f.Tenant, f.UID, f.Revision)
		content(f.Content)
		e.Data.Instance = string(f.Instance)
	case event.InstanceCancelled:
		about("event.instance.cancelled", f.Tenant, f.UID, f.Revision)
		e.Data.Instance = string(f.Instance)
	case event.VisibilityChanged:
		about("event.visibility", f.Tenant, f.UID, 0)
		e.Data.Public = &f.Public
	}
	return e
}

func (e Event) ofInvitation(fact invitation.Fact) Event {
	about := func(kind string, r invitation.Ref, revision int, instance event.InstanceID) {
		e.Type, e.Tenant = kind, r.Tenant
		e.Data.EventUID, e.Data.AttendeeID, e.Data.Revision, e.Data.Instance = r.EventUID, r.AttendeeID, revision, string(instance)
	}
	switch f := fact.(type) {
	case invitation.InviteRequested:
		about("invite.requested", f.Ref, 0, "")
		e.Data.OrganizerID, e.Data.Address, e.Data.Name, e.Data.Origin = f.OrganizerID, f.Address, f.Name, string(f.Origin)
	case invitation.InviteDenied:
		about("invite.denied", f.Ref, 0, "")
		e.Data.OrganizerID, e.Data.Origin, e.Data.Reason = f.OrganizerID, string(f.Origin), f.Reason
	case invitation.InviteSent:
		about("invite.sent", f.Ref, f.Revision, f.Instance)
	case invitation.UpdateSent:
		about("update.sent", f.Ref, f.Revision, f.Instance)
	case invitation.CancellationSent:
		about("cancellation.sent", f.Ref, f.Revision, f.Instance)
	case invitation.ReminderSent:
		about("reminder.sent", f.Ref, 0, "")
	case invitation.DeliveryFailed:
		about("delivery.failed", f.Ref, f.Revision, "")
		e.Data.Reason = fmt.Sprint(f.Code)
	case invitation.Bounced:
		about("attendee.bounced", f.Ref, 0, "")
		e.Data.Reason = f.Status
	case invitation.InviteWithdrawn:
		about("attendee.withdrawn", f.Ref, 0, "")
		e.Data.OrganizerID, e.Data.Status = f.OrganizerID, string(f.Status)
	case invitation.CounterReceived:
		about("attendee.countered", f.Ref, 0, f.Instance)
		e.Data.OrganizerID, e.Data.Comment = f.OrganizerID, f.Comment
		e.Data.Starts, e.Data.Ends = f.Start.UTC.Format(time.RFC3339), f.End.UTC.Format(time.RFC3339)
	case invitation.RsvpReceived:
		about("rsvp.received", f.Ref, 0, f.Instance)
		e.Data.OrganizerID, e.Data.Address, e.Data.Name = f.OrganizerID, f.Address, f.Name
		e.Data.Status, e.Data.Previous, e.Data.ProdID, e.Data.Comment, e.Data.Origin = string(f.Status), string(f.Previous), f.ProdID, f.Comment, string(f.Origin)
	}
	return e
}

// Known says whether there is such a type.
func Known(kind string) bool { return slices.Contains(Types, kind) }
