// Package order is what somebody bought: items that pay for organizers' accounts. Payment processors deliver what they
// have to say more than once, and not always in order.
package order

import (
	"maps"
	"slices"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to an order.
type Fact interface {
	schema.Fact
	orderFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(OrderPlaced{}, ItemOrdered{}, ItemEnded{}, OrderEnded{})

// ErrIncomplete refuses an order that lacks something.
var ErrIncomplete = &fault.Error{Kind: fault.NotFound, Code: "order-incomplete", Title: "the order is incomplete"}

// OrderPlaced: an order came in.
type OrderPlaced struct {
	Tenant  string `json:"tenant"`
	OrderID string `json:"order_id"`
	Number  string `json:"number"` // as people know it
	Via     string `json:"via"`    // shopify, webhook
	BuyerID string `json:"buyer_id"`
	Buyer   string `json:"buyer" pii:"BuyerID"`
}

// ItemOrdered: one of its line items pays for an account.
type ItemOrdered struct {
	Tenant      string `json:"tenant"`
	OrderID     string `json:"order_id"`
	Item        int    `json:"item"`           // from 1
	Line        string `json:"line,omitempty"` // the processor's id of it
	Product     string `json:"product"`
	Name        string `json:"name"`
	OrganizerID string `json:"organizer_id"`
	Organizer   string `json:"organizer" pii:"OrganizerID"`
}

// ItemEnded: a line item was refunded. Line is the processor's id, because the refund may come before its order.
type ItemEnded struct {
	Tenant  string `json:"tenant"`
	OrderID string `json:"order_id"`
	Line    string `json:"line"`
	Reason  string `json:"reason"`
}

// OrderEnded: all of the order was cancelled or refunded.
type OrderEnded struct {
	Tenant  string `json:"tenant"`
	OrderID string `json:"order_id"`
	Reason  string `json:"reason"`
}

// FactName is the stored name.
func (OrderPlaced) FactName() string { return "OrderPlaced" }

// FactName is the stored name.
func (ItemOrdered) FactName() string { return "ItemOrdered" }

// FactName is the stored name.
func (ItemEnded) FactName() string { return "ItemEnded" }

// FactName is the stored name.
func (OrderEnded) FactName() string { return "OrderEnded" }

func (OrderPlaced) orderFact() {}
func (ItemOrdered) orderFact() {}
func (ItemEnded) orderFact()   {}
func (OrderEnded) orderFact()  {}

// State is what an order's facts add up to.
type State struct {
	Placed     bool
	Number     string
	Items      []ItemOrdered
	Ended      string            // why all of it has
	EndedLines map[string]string // why some of it have
}

// Over is why an item does not pay any more; empty if it does.
func (s State) Over(item ItemOrdered) string {
	if s.Ended != "" {
		return s.Ended
	}
	return s.EndedLines[item.Line]
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case OrderPlaced:
		s.Placed, s.Number = true, f.Number
	case ItemOrdered:
		s.Items = append(slices.Clip(s.Items), f)
	case ItemEnded:
		ended := maps.Clone(s.EndedLines)
		if ended == nil {
			ended = map[string]string{}
		}
		ended[f.Line] = f.Reason
		s.EndedLines = ended
	case OrderEnded:
		s.Ended = f.Reason
	}
	return s
}

// StreamPrefix starts the names of streams of orders.
const StreamPrefix = "order-"

// Stream is the name of an order's stream.
func Stream(id string) string { return StreamPrefix + id }
