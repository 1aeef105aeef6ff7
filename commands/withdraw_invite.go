package commands

import "github.com/calendar-invite-server/cis/domain/invitation"

// WithdrawInvite takes somebody off an event; their calendar is told, nobody else's (RFC 5546 §3.2.5).
type WithdrawInvite struct {
	Tenant     string
	EventUID   string
	AttendeeID string
	By         string
}

// Stream is the invitation's.
func (c WithdrawInvite) Stream() string { return invitation.Stream(c.EventUID, c.AttendeeID) }

// Decide withdraws the invitation, once.
func (c WithdrawInvite) Decide(s invitation.State) ([]invitation.Fact, error) {
	switch {
	case !s.Exists:
		return nil, invitation.ErrUnknown
	case s.Withdrawn:
		return nil, nil
	}
	fact := invitation.InviteWithdrawn{
		Ref:         invitation.Ref{Tenant: c.Tenant, EventUID: c.EventUID, AttendeeID: c.AttendeeID},
		OrganizerID: s.OrganizerID, Origin: s.Origin, Status: s.Status, ProdID: s.ProdID, By: c.By, Apart: s.Apart(),
	}
	for _, id := range fact.Apart {
		fact.Answers = append(fact.Answers, s.Instances[id].Status)
	}
	return []invitation.Fact{fact}, nil
}
