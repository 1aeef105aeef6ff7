package commands

import "github.com/calendar-invite-server/cis/domain/event"

// CancelEvent calls an event off.
type CancelEvent struct {
	Tenant      string
	UID         string
	OrganizerID string
	Source      event.Source
}

// Stream is the event's.
func (c CancelEvent) Stream() string { return event.Stream(c.UID) }

// Decide cancels the event unless that has happened or a newer request overtook it. The cancellation of an event never
// heard of is remembered (RFC 5546 §3.2.5).
func (c CancelEvent) Decide(s event.State) ([]event.Fact, error) {
	switch {
	case !s.Exists && !c.Source.Revision.NewerThan(s.CancelledAt):
		return nil, nil
	case !s.Exists:
		return []event.Fact{event.EventCancelled{Tenant: c.Tenant, UID: c.UID, Source: c.Source}}, nil
	case s.OrganizerID != c.OrganizerID:
		return nil, event.ErrNotYours
	case s.Cancelled(), s.Source.Revision.NewerThan(c.Source.Revision):
		return nil, nil
	}
	return []event.Fact{event.EventCancelled{
		Tenant: s.Tenant, UID: s.UID, Revision: s.Revision + 1, Sequence: nextSequence(s), Source: c.Source,
	}}, nil
}
