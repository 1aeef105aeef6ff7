package commands

import "github.com/calendar-invite-server/cis/domain/invitation"

// DeclineCounter tells an attendee that their last proposal is not taken up (RFC 5546 §3.2.8).
type DeclineCounter struct {
	Tenant     string
	EventUID   string
	AttendeeID string
}

// Stream is the invitation's.
func (c DeclineCounter) Stream() string { return invitation.Stream(c.EventUID, c.AttendeeID) }

// Decide declines the last proposal, once.
func (c DeclineCounter) Decide(s invitation.State) ([]invitation.Fact, error) {
	switch {
	case !s.Exists:
		return nil, invitation.ErrUnknown
	case s.Counter.Number == 0:
		return nil, invitation.ErrCounter
	case s.Counter.Declined:
		return nil, nil
	}
	return []invitation.Fact{invitation.CounterDeclined{
		Ref: invitation.Ref{Tenant: c.Tenant, EventUID: c.EventUID, AttendeeID: c.AttendeeID}, Number: s.Counter.Number, Instance: s.Counter.Instance,
	}}, nil
}
