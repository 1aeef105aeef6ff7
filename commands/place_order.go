package commands

import "github.com/calendar-invite-server/cis/domain/order"

// PlaceOrder records an order. What it pays for starts with the accounts' own streams.
type PlaceOrder struct {
	Order order.OrderPlaced
	Items []order.ItemOrdered
}

// Stream is the order's.
func (c PlaceOrder) Stream() string { return order.Stream(c.Order.OrderID) }

// Decide records it once.
func (c PlaceOrder) Decide(s order.State) ([]order.Fact, error) {
	switch {
	case s.Placed:
		return nil, nil
	case len(c.Items) == 0:
		return nil, order.ErrIncomplete.With("it has no line items")
	}
	facts := []order.Fact{c.Order}
	for _, item := range c.Items {
		facts = append(facts, item)
	}
	return facts, nil
}

// EndOrder records that an order, or some of its lines, was cancelled or refunded; it may come before the order.
type EndOrder struct {
	Tenant  string
	OrderID string
	Lines   []string // the processor's ids; none: all of it
	Reason  string
}

// Stream is the order's.
func (c EndOrder) Stream() string { return order.Stream(c.OrderID) }

// Decide records what has not ended.
func (c EndOrder) Decide(s order.State) ([]order.Fact, error) {
	if s.Ended != "" {
		return nil, nil
	}
	if len(c.Lines) == 0 {
		return []order.Fact{order.OrderEnded{Tenant: c.Tenant, OrderID: c.OrderID, Reason: c.Reason}}, nil
	}
	var facts []order.Fact
	seen := map[string]bool{}
	for _, line := range c.Lines {
		if s.EndedLines[line] == "" && !seen[line] {
			seen[line] = true
			facts = append(facts, order.ItemEnded{Tenant: c.Tenant, OrderID: c.OrderID, Line: line, Reason: c.Reason})
		}
	}
	return facts, nil
}
