package commands

import "github.com/calendar-invite-server/cis/domain/organizer"

// TakeSlot takes one of an account's slots for an event, before the event is created. Whoever was never seen is
// registered by it. A slot is taken once in the life of an event: cancelling gives none back, since invitations have
// gone out by then, and an event that comes back needs none (ADR 0009).
type TakeSlot struct {
	Organizer organizer.Ref
	Address   string
	Name      string
	EventUID  string
	Limit     int // of accounts that nobody pays for and that have none of their own; 0: none
}

// Stream is the organizer's.
func (c TakeSlot) Stream() string { return organizer.Stream(c.Organizer.OrganizerID) }

// Decide takes the slot if there is one. An account that may have no event at all is still seen.
func (c TakeSlot) Decide(s organizer.State) ([]organizer.Fact, error) {
	switch {
	case s.Suspended:
		return nil, organizer.ErrSuspended
	case s.Slots[c.EventUID]:
		return nil, nil
	case s.Free(c.Limit) == 0:
		return nil, organizer.ErrLimit
	}
	return append(register(s, c.Organizer, c.Address, c.Name), organizer.EventSlotTaken{Ref: c.Organizer, EventUID: c.EventUID}), nil
}

// register is what begins an account, if it has not begun.
func register(s organizer.State, ref organizer.Ref, address, name string) []organizer.Fact {
	if s.Exists {
		return nil
	}
	return []organizer.Fact{organizer.OrganizerRegistered{Ref: ref, Address: address, Name: name}}
}
