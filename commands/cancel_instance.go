package commands

import "github.com/calendar-invite-server/cis/domain/event"

// CancelInstance calls one instance of a series off (RFC 5546 §3.2.5 with RECURRENCE-ID).
type CancelInstance struct {
	Tenant      string
	UID         string
	OrganizerID string
	Instance    event.InstanceID
	Source      event.Source
}

// Stream is the event's.
func (c CancelInstance) Stream() string { return event.Stream(c.UID) }

// Decide cancels the instance unless that has happened or a newer request about it came first.
func (c CancelInstance) Decide(s event.State) ([]event.Fact, error) {
	if err := checkInstance(s, c.OrganizerID, c.Instance); err != nil {
		return nil, err
	}
	known := s.Instances[c.Instance]
	if s.Cancelled() || known.Cancelled || known.Source.NewerThan(c.Source.Revision) {
		return nil, nil
	}
	return []event.Fact{event.InstanceCancelled{
		Tenant: s.Tenant, UID: s.UID, Instance: c.Instance, Revision: s.Revision + 1, Sequence: nextSequence(s), Source: c.Source,
	}}, nil
}
