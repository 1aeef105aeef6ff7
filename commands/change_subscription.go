package commands

import "github.com/calendar-invite-server/cis/domain/organizer"

// StartSubscription has an account paid for by an item of an order.
type StartSubscription struct {
	Organizer organizer.Ref
	Address   string
	Item      organizer.Item
	Product   string
	Name      string
	Number    string // of the order, as people know it
}

// Stream is the organizer's.
func (c StartSubscription) Stream() string { return organizer.Stream(c.Organizer.OrganizerID) }

// Decide starts it once.
func (c StartSubscription) Decide(s organizer.State) ([]organizer.Fact, error) {
	if s.Paid[c.Item] {
		return nil, nil
	}
	return append(register(s, c.Organizer, c.Address, ""), organizer.SubscriptionStarted{
		Ref: c.Organizer, OrderID: c.Item.OrderID, Item: c.Item.Number, Product: c.Product, Name: c.Name, Number: c.Number,
	}), nil
}

// EndSubscription ends it again.
type EndSubscription struct {
	Organizer organizer.Ref
	Item      organizer.Item
	Reason    string
}

// Stream is the organizer's.
func (c EndSubscription) Stream() string { return organizer.Stream(c.Organizer.OrganizerID) }

// Decide ends what runs.
func (c EndSubscription) Decide(s organizer.State) ([]organizer.Fact, error) {
	if !s.Paid[c.Item] {
		return nil, nil
	}
	return []organizer.Fact{organizer.SubscriptionEnded{Ref: c.Organizer, OrderID: c.Item.OrderID, Item: c.Item.Number, Reason: c.Reason}}, nil
}
