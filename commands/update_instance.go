package commands

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// UpdateInstance asks that one instance of a series take place differently (RFC 5546 §3.2.2 with RECURRENCE-ID).
type UpdateInstance struct {
	Tenant      string
	UID         string
	OrganizerID string
	Instance    event.InstanceID
	Source      event.Source
	Content     event.Content
	Now         time.Time
}

// Stream is the event's.
func (c UpdateInstance) Stream() string { return event.Stream(c.UID) }

// Decide changes the instance if the request is newer than the last one about it and says something new. An instance
// that was cancelled comes back.
func (c UpdateInstance) Decide(s event.State) ([]event.Fact, error) {
	if err := checkInstance(s, c.OrganizerID, c.Instance); err != nil {
		return nil, err
	}
	known, differs := s.Instances[c.Instance]
	now := s.At(c.Instance, recur.Instance)
	switch {
	case s.Cancelled():
		return nil, event.ErrIsCancelled
	case differs && !c.Source.Revision.NewerThan(known.Source):
		return nil, nil
	case !known.Cancelled && now.Content.Equal(c.Content):
		return nil, nil
	}
	if err := checkContent(c.Content, c.Now); err != nil {
		return nil, err
	}
	fact := event.InstanceUpdated{
		Tenant: s.Tenant, UID: s.UID, Instance: c.Instance, Revision: s.Revision + 1, Sequence: max(s.Sequence, known.Sequence),
		Source: c.Source, Content: c.Content,
	}
	if known.Cancelled || now.Content.Material(c.Content) {
		fact.Sequence = nextSequence(s)
	}
	return []event.Fact{fact}, nil
}

// checkInstance refuses what is not an instance of the organizer's series.
func checkInstance(s event.State, organizerID string, id event.InstanceID) error {
	_, known := s.Instances[id]
	switch {
	case !s.Exists:
		return event.ErrNoSeries
	case s.OrganizerID != organizerID:
		return event.ErrNotYours
	case !known && !isInstance(s, id):
		return event.ErrInstance
	}
	return nil
}

// isInstance says whether the id names an instance of the event's series.
func isInstance(s event.State, id event.InstanceID) bool {
	if s.Content.Recurrence.IsZero() {
		return false
	}
	_, known := s.Instances[id]
	return known || recur.Includes(s.Content, id)
}
