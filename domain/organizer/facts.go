// Package organizer is the account that owns events: who they are, how many events they may have, whether they may send
// in bulk, and whether they may act at all. An account begins with the first event somebody asks for.
package organizer

import "github.com/calendar-invite-server/cis/domain/schema"

// Fact is something that happened to an account.
type Fact interface {
	schema.Fact
	organizerFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(OrganizerRegistered{}, ProfileChanged{}, EventSlotTaken{}, EventLimitChanged{}, SubscriptionStarted{}, SubscriptionEnded{},
	OrganizerSuspended{}, OrganizerReinstated{}, BulkAllowed{}, BulkForbidden{})

// Ref names the account a fact belongs to. The id is that of the person behind its first address.
type Ref struct {
	Tenant      string `json:"tenant"`
	OrganizerID string `json:"organizer_id"`
}

// OrganizerRegistered: somebody was seen for the first time who wants to organize, or for whom somebody decided.
type OrganizerRegistered struct {
	Ref
	Address string `json:"address" pii:"OrganizerID"`
	Name    string `json:"name,omitempty" pii:"OrganizerID"`
}

// ProfileChanged: what attendees and templates see of the organizer.
type ProfileChanged struct {
	Ref
	Name     string `json:"name,omitempty" pii:"OrganizerID"`
	Language string `json:"language,omitempty"` // of mails to them and their attendees, like de; empty: the installation's
	By       string `json:"by"`
}

// EventSlotTaken: one of the account's events, before it is created. A slot is taken once in the life of an event.
type EventSlotTaken struct {
	Ref
	EventUID string `json:"event_uid"`
}

// EventLimitChanged: this account has a limit of its own.
type EventLimitChanged struct {
	Ref
	Limit int    `json:"limit"` // events; 0: none; -1: as everybody's again
	By    string `json:"by"`
}

// SubscriptionStarted: the account is paid for, by an item of an order.
type SubscriptionStarted struct {
	Ref
	OrderID string `json:"order_id"`
	Item    int    `json:"item"` // of the order, from 1
	Product string `json:"product"`
	Name    string `json:"name"` // of the product
	Number  string `json:"number"`
}

// SubscriptionEnded: an item was refunded, or its order cancelled.
type SubscriptionEnded struct {
	Ref
	OrderID string `json:"order_id"`
	Item    int    `json:"item"`
	Reason  string `json:"reason"`
}

// OrganizerSuspended: the account may do nothing any more but cancel its events.
type OrganizerSuspended struct {
	Ref
	Reason string `json:"reason,omitempty" pii:"OrganizerID"`
	By     string `json:"by"`
}

// OrganizerReinstated: the account may act again.
type OrganizerReinstated struct {
	Ref
	By string `json:"by"`
}

// BulkAllowed: the account may send in bulk.
type BulkAllowed struct {
	Ref
	By string `json:"by"`
}

// BulkForbidden: it may not any more.
type BulkForbidden struct {
	Ref
	By string `json:"by"`
}

// FactName is the stored name.
func (OrganizerRegistered) FactName() string { return "OrganizerRegistered" }

// FactName is the stored name.
func (ProfileChanged) FactName() string { return "ProfileChanged" }

// FactName is the stored name.
func (EventSlotTaken) FactName() string { return "EventSlotTaken" }

// FactName is the stored name.
func (EventLimitChanged) FactName() string { return "EventLimitChanged" }

// FactName is the stored name.
func (SubscriptionStarted) FactName() string { return "SubscriptionStarted" }

// FactName is the stored name.
func (SubscriptionEnded) FactName() string { return "SubscriptionEnded" }

// FactName is the stored name.
func (OrganizerSuspended) FactName() string { return "OrganizerSuspended" }

// FactName is the stored name.
func (OrganizerReinstated) FactName() string { return "OrganizerReinstated" }

// FactName is the stored name.
func (BulkAllowed) FactName() string { return "BulkAllowed" }

// FactName is the stored name.
func (BulkForbidden) FactName() string { return "BulkForbidden" }

func (OrganizerRegistered) organizerFact() {}
func (ProfileChanged) organizerFact()      {}
func (EventSlotTaken) organizerFact()      {}
func (EventLimitChanged) organizerFact()   {}
func (SubscriptionStarted) organizerFact() {}
func (SubscriptionEnded) organizerFact()   {}
func (OrganizerSuspended) organizerFact()  {}
func (OrganizerReinstated) organizerFact() {}
func (BulkAllowed) organizerFact()         {}
func (BulkForbidden) organizerFact()       {}
