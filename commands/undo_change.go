package commands

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// UndoChange takes an event's last change back: a creation is cancelled, a cancellation reinstated, an update reversed.
type UndoChange struct {
	UID         string
	OrganizerID string
	Cause       string // the mail that asks
	Now         time.Time
}

// Stream is the event's.
func (c UndoChange) Stream() string { return event.Stream(c.UID) }

// Decide compensates: what happened has happened, and attendees who know it are told what holds now.
func (c UndoChange) Decide(s event.State) ([]event.Fact, error) {
	switch {
	case !s.Exists:
		return nil, event.ErrUnknown
	case s.OrganizerID != c.OrganizerID:
		return nil, event.ErrNotYours
	case c.Cause != "" && s.UndoneBy == c.Cause:
		return nil, nil
	case s.Before == nil:
		return nil, event.ErrNoUndo
	}
	b := *s.Before
	fact := event.ChangeUndone{Tenant: s.Tenant, UID: s.UID, Instance: b.Instance, Revision: s.Revision + 1, Sequence: nextSequence(s), Status: b.Status, Content: b.Content, Cause: c.Cause}
	here := s.At(b.Instance, recur.Instance)
	switch {
	case !b.Known && b.Instance == "": // it was created
		fact.Status, fact.Content = event.Cancelled, s.Content
	case !b.Known: // the instance was as its series
		fact.Status, fact.Content = event.Confirmed, recur.Instance(s.Content, b.Instance)
	case b.Content.Start.IsZero():
		fact.Content = recur.Instance(s.Content, b.Instance)
	}
	if fact.Status == here.Status && !here.Content.Material(fact.Content) {
		fact.Sequence = here.Sequence
	}
	if fact.Status != event.Cancelled && recur.Over(fact.Content, c.Now) {
		return nil, event.ErrOver
	}
	return []event.Fact{fact}, nil
}
