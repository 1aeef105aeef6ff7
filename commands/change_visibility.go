package commands

import "github.com/calendar-invite-server/cis/domain/event"

// ChangeVisibility says whether everybody may see an event.
type ChangeVisibility struct {
	UID    string
	Public bool
}

// Stream is the event's.
func (c ChangeVisibility) Stream() string { return event.Stream(c.UID) }

// Decide shows or hides the event.
func (c ChangeVisibility) Decide(s event.State) ([]event.Fact, error) {
	switch {
	case !s.Exists:
		return nil, event.ErrUnknown
	case s.Public == c.Public:
		return nil, nil
	}
	return []event.Fact{event.VisibilityChanged{Tenant: s.Tenant, UID: s.UID, Public: c.Public}}, nil
}
