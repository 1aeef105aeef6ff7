package commands

import "github.com/calendar-invite-server/cis/domain/event"

// ChangeInviteLimit says how many may be invited to an event in bulk.
type ChangeInviteLimit struct {
	UID   string
	Limit int // 0: any number
	By    string
}

// Stream is the event's.
func (c ChangeInviteLimit) Stream() string { return event.Stream(c.UID) }

// Decide changes the limit; who was invited stays invited.
func (c ChangeInviteLimit) Decide(s event.State) ([]event.Fact, error) {
	switch {
	case !s.Exists:
		return nil, event.ErrUnknown
	case c.Limit < 0:
		return nil, event.ErrPolicy.With("a limit is 0, for none, or more")
	case c.Limit == s.InviteLimit:
		return nil, nil
	}
	return []event.Fact{event.InviteLimitChanged{Tenant: s.Tenant, UID: s.UID, Limit: c.Limit, By: c.By}}, nil
}
