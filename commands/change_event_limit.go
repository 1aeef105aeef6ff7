package commands

import "github.com/calendar-invite-server/cis/domain/organizer"

// ChangeEventLimit gives an account a limit of its own.
type ChangeEventLimit struct {
	Organizer organizer.Ref
	Address   string
	Limit     int // events; 0: none; -1: as everybody's
	By        string
}

// Stream is the organizer's.
func (c ChangeEventLimit) Stream() string { return organizer.Stream(c.Organizer.OrganizerID) }

// Decide changes the limit.
func (c ChangeEventLimit) Decide(s organizer.State) ([]organizer.Fact, error) {
	limit := max(-1, c.Limit)
	if s.Limit == nil && limit < 0 || s.Limit != nil && *s.Limit == limit {
		return nil, nil
	}
	return append(register(s, c.Organizer, c.Address, ""), organizer.EventLimitChanged{Ref: c.Organizer, Limit: limit, By: c.By}), nil
}
