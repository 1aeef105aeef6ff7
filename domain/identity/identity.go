// Package identity is which organizers a mail address speaks for, besides its own: an alias is another address of the
// same organizer, a delegate writes for an organizer where the calendar says so (RFC 5545 §3.2.18, SENT-BY).
package identity

import (
	"maps"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to an address.
type Fact interface {
	schema.Fact
	identityFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(AddressLinked{}, AddressUnlinked{})

// Role is how an address speaks for an organizer.
type Role string

const (
	// Alias is an address of the organizer's own: everything it asks for is theirs.
	Alias Role = "alias"
	// Delegate is somebody who may write for the organizer: what names the organizer as ORGANIZER is theirs.
	Delegate Role = "delegate"
)

// ErrRole refuses an unknown role.
var ErrRole = &fault.Error{Kind: fault.Invalid, Code: "role-invalid", Title: "that is neither alias nor delegate"}

// AddressLinked: an address speaks for an organizer.
type AddressLinked struct {
	Tenant      string `json:"tenant"`
	AddressID   string `json:"address_id"`
	Address     string `json:"address" pii:"AddressID"`
	OrganizerID string `json:"organizer_id"`
	Role        Role   `json:"role"`
	By          string `json:"by"`
}

// AddressUnlinked: it does not any more.
type AddressUnlinked struct {
	Tenant      string `json:"tenant"`
	AddressID   string `json:"address_id"`
	OrganizerID string `json:"organizer_id"`
	By          string `json:"by"`
}

// FactName is the stored name.
func (AddressLinked) FactName() string { return "AddressLinked" }

// FactName is the stored name.
func (AddressUnlinked) FactName() string { return "AddressUnlinked" }

func (AddressLinked) identityFact()   {}
func (AddressUnlinked) identityFact() {}

// State is what an address's facts add up to: organizers and how it speaks for them.
type State struct{ Links map[string]Role }

// AliasOf is the organizer the address is another address of; empty if it is none.
func (s State) AliasOf() string {
	for id, role := range s.Links {
		if role == Alias {
			return id
		}
	}
	return ""
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	links := maps.Clone(s.Links)
	if links == nil {
		links = map[string]Role{}
	}
	switch f := fact.(type) {
	case AddressLinked:
		links[f.OrganizerID] = f.Role
	case AddressUnlinked:
		delete(links, f.OrganizerID)
	}
	return State{Links: links}
}

// StreamPrefix starts the names of streams of addresses.
const StreamPrefix = "address-"

// Stream is the name of an address's stream.
func Stream(id string) string { return StreamPrefix + id }
