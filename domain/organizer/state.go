package organizer

import "maps"

// State is what an account's facts add up to. The zero State was never seen.
type State struct {
	Exists    bool
	Tenant    string
	Address   string
	Name      string
	Language  string
	Slots     map[string]bool // events that took one
	Limit     *int            // of its own
	Paid      map[Item]bool   // subscriptions that run
	Suspended bool
	Bulk      bool
}

// Item is what an order paid for.
type Item struct {
	OrderID string
	Number  int
}

// Subscribed says that somebody pays for the account.
func (s State) Subscribed() bool { return len(s.Paid) > 0 }

// Free is how many further events the account may have where everybody may have limit; -1: any number. A paid account
// has no limit unless it was given one of its own.
func (s State) Free(limit int) int {
	switch {
	case s.Limit != nil:
		limit = *s.Limit
	case s.Subscribed():
		return -1
	}
	if limit == 0 {
		return -1
	}
	return max(0, limit-len(s.Slots))
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case OrganizerRegistered:
		s.Exists, s.Tenant, s.Address, s.Name = true, f.Tenant, f.Address, f.Name
	case ProfileChanged:
		s.Name, s.Language = f.Name, f.Language
	case EventSlotTaken:
		s.Slots = with(s.Slots, f.EventUID, true)
	case EventLimitChanged:
		s.Limit = nil
		if f.Limit >= 0 {
			s.Limit = &f.Limit
		}
	case SubscriptionStarted:
		s.Paid = with(s.Paid, Item{f.OrderID, f.Item}, true)
	case SubscriptionEnded:
		s.Paid = with(s.Paid, Item{f.OrderID, f.Item}, false)
	case OrganizerSuspended:
		s.Suspended = true
	case OrganizerReinstated:
		s.Suspended = false
	case BulkAllowed:
		s.Bulk = true
	case BulkForbidden:
		s.Bulk = false
	}
	return s
}

// with is a copy of a set with a member in or out: states share no memory.
func with[K comparable](set map[K]bool, k K, in bool) map[K]bool {
	out := make(map[K]bool, len(set)+1)
	maps.Copy(out, set)
	if in {
		out[k] = true
	} else {
		delete(out, k)
	}
	return out
}

// StreamPrefix starts the names of streams of organizers.
const StreamPrefix = "organizer-"

// Stream is the name of an organizer's stream.
func Stream(id string) string { return StreamPrefix + id }
