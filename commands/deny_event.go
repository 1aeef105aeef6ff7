package commands

import "github.com/calendar-invite-server/cis/domain/event"

// DenyEvent records that an event was asked for and why it was not granted.
type DenyEvent struct {
	Tenant      string
	UID         string
	OrganizerID string
	Reason      string // a refusal's code
}

// Stream is the event's.
func (c DenyEvent) Stream() string { return event.Stream(c.UID) }

// Decide records each reason once in a row.
func (c DenyEvent) Decide(s event.State) ([]event.Fact, error) {
	if s.Exists || s.Denied == c.Reason {
		return nil, nil
	}
	return []event.Fact{event.EventDenied{Tenant: c.Tenant, UID: c.UID, OrganizerID: c.OrganizerID, Reason: c.Reason}}, nil
}
