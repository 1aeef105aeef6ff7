package commands

import (
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// UpdateEvent asks for a change of an event that exists.
type UpdateEvent struct {
	Tenant      string
	UID         string
	OrganizerID string
	Source      event.Source
	Content     event.Content
	Now         time.Time
}

// Stream is the event's.
func (c UpdateEvent) Stream() string { return event.Stream(c.UID) }

// Decide changes the event if the request is newer than the last one and says something new. SEQUENCE rises with time
// and place only. A cancelled event comes back (RFC 5546 §3.2.2.1 read with §2.1.5).
func (c UpdateEvent) Decide(s event.State) ([]event.Fact, error) {
	switch {
	case !s.Exists:
		return nil, event.ErrUnknown
	case s.OrganizerID != c.OrganizerID:
		return nil, event.ErrNotYours
	case !c.Source.Revision.NewerThan(s.Source.Revision):
		return nil, nil
	case s.Content.Equal(c.Content) && !s.Cancelled():
		return nil, nil
	}
	if err := checkContent(c.Content, c.Now); err != nil {
		return nil, err
	}
	if s.Cancelled() {
		return []event.Fact{event.EventReinstated{
			Tenant: s.Tenant, UID: s.UID, Revision: s.Revision + 1, Sequence: nextSequence(s), Source: c.Source, Content: c.Content,
		}}, nil
	}
	fact := event.EventUpdated{
		Tenant: s.Tenant, UID: s.UID, Revision: s.Revision + 1, Sequence: s.Sequence, Source: c.Source, Content: c.Content,
	}
	if s.Content.Material(c.Content) {
		fact.Sequence = nextSequence(s)
	}
	for id := range s.Instances {
		if !recur.Includes(c.Content, id) {
			fact.Dropped = append(fact.Dropped, id)
		}
	}
	slices.Sort(fact.Dropped)
	return []event.Fact{fact}, nil
}

// nextSequence is above every SEQUENCE attendees have seen of the event and its instances.
func nextSequence(s event.State) int {
	highest := s.Sequence
	for _, inst := range s.Instances {
		highest = max(highest, inst.Sequence)
	}
	return highest + 1
}
