package commands

import "github.com/calendar-invite-server/cis/domain/event"

// ReserveSlots reserves places for bulk invitations on the event's stream, as many at once as a block of them needs, so
// that the limit is strict and single invitations never meet there.
type ReserveSlots struct {
	Tenant string
	UID    string
	Block  string // asked for once, however often
	Wanted int
}

// Stream is the event's.
func (c ReserveSlots) Stream() string { return event.Stream(c.UID) }

// Decide reserves what is wanted, or what is left of it.
func (c ReserveSlots) Decide(s event.State) ([]event.Fact, error) {
	_, had := s.Blocks[c.Block]
	n := c.Wanted
	if left := s.SlotsLeft(); left >= 0 {
		n = min(n, left)
	}
	switch {
	case !s.Exists:
		return nil, event.ErrUnknown
	case had, s.InviteLimit == 0, n == 0:
		return nil, nil
	}
	return []event.Fact{event.InviteSlotsReserved{Tenant: s.Tenant, UID: s.UID, Block: c.Block, Count: n}}, nil
}

// ReturnSlots gives back what a block did not need, in the end: Used of it are.
type ReturnSlots struct {
	Tenant string
	UID    string
	Block  string
	Used   int
}

// Stream is the event's.
func (c ReturnSlots) Stream() string { return event.Stream(c.UID) }

// Decide returns the rest.
func (c ReturnSlots) Decide(s event.State) ([]event.Fact, error) {
	rest := s.Blocks[c.Block] - c.Used
	if rest <= 0 {
		return nil, nil
	}
	return []event.Fact{event.InviteSlotsReturned{Tenant: s.Tenant, UID: s.UID, Block: c.Block, Count: rest}}, nil
}
