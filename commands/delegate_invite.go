package commands

import "github.com/calendar-invite-server/cis/domain/invitation"

// DelegateInvite records that an attendee sends somebody else (RFC 5546 §3.2.2.3). Inviting the delegate is a command
// of its own.
type DelegateInvite struct {
	Answer
	DelegateID string
	Delegate   string
}

// Decide records a delegation that is newer than the last answer.
func (c DelegateInvite) Decide(s invitation.State) ([]invitation.Fact, error) {
	if err := c.check(s); err != nil {
		return nil, err
	}
	switch {
	case !s.Exists:
		return nil, invitation.ErrUnknown
	case c.DelegateID == "" || c.DelegateID == c.AttendeeID:
		return nil, invitation.ErrDelegate
	case !s.LastReply.IsZero() && !c.revision().NewerThan(s.LastReply), s.DelegateID == c.DelegateID:
		return nil, nil
	}
	return []invitation.Fact{invitation.InviteDelegated{
		Ref: c.ref(), OrganizerID: c.Event.OrganizerID, DelegateID: c.DelegateID, Delegate: c.Delegate, Reply: c.revision(), Proof: c.Proof,
	}}, nil
}
