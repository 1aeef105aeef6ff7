package commands

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// CreateEvent asks for an event, as an organizer's REQUEST does. For an event that is known already it is the update
// that a second REQUEST means (RFC 5546 §3.2.2).
type CreateEvent struct {
	Tenant              string
	UID                 string // the server's own
	OrganizerID         string
	OrganizerAddress    string
	OrganizerName       string
	OriginalOrganizerID string
	OriginalOrganizer   string
	ReplyTo             string
	Source              event.Source
	Content             event.Content
	InviteLimit         int `json:",omitzero"` // bulk invitations at most; 0: any number
	Now                 time.Time
}

// Stream is the event's.
func (c CreateEvent) Stream() string { return event.Stream(c.UID) }

// Decide creates the event unless it exists, was cancelled by a newer message, or is over.
func (c CreateEvent) Decide(s event.State) ([]event.Fact, error) {
	switch {
	case s.Exists:
		return UpdateEvent{
			Tenant: c.Tenant, UID: c.UID, OrganizerID: c.OrganizerID, Source: c.Source, Content: c.Content, Now: c.Now,
		}.Decide(s)
	case !s.CancelledAt.IsZero() && !c.Source.Revision.NewerThan(s.CancelledAt):
		return nil, nil // overtaken by its own cancellation
	}
	if err := checkContent(c.Content, c.Now); err != nil {
		return nil, err
	}
	return []event.Fact{event.EventCreated{
		Tenant: c.Tenant, UID: c.UID,
		OrganizerID: c.OrganizerID, OrganizerAddress: c.OrganizerAddress, OrganizerName: c.OrganizerName,
		OriginalOrganizerID: c.OriginalOrganizerID, OriginalOrganizer: c.OriginalOrganizer,
		ReplyTo: c.ReplyTo, Source: c.Source, Content: c.Content, InviteLimit: c.InviteLimit,
	}}, nil
}

// checkContent refuses what no calendar could show.
func checkContent(c event.Content, now time.Time) error {
	switch {
	case c.Start.IsZero():
		return event.ErrInvalid.With("it has no start")
	case c.End.UTC.Before(c.Start.UTC):
		return event.ErrInvalid.With("it ends before it starts")
	case recur.Over(c, now):
		return event.ErrOver
	}
	return nil
}
