// Package recipient is a person across events: whether their address takes mail at all.
package recipient

import (
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to a recipient.
type Fact interface {
	schema.Fact
	recipientFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(RecipientSuppressed{}, RecipientRestored{})

// ErrSuppressed says that mail to an address came back for good, so that nothing more is sent there.
var ErrSuppressed = &fault.Error{Kind: fault.Conflict, Code: "address-suppressed", Title: "mail to this address came back; nothing more is sent there"}

// RecipientSuppressed: an address does not work.
type RecipientSuppressed struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	Status      string `json:"status"` // RFC 3463
}

// RecipientRestored: somebody says that the address works again.
type RecipientRestored struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	By          string `json:"by"`
}

// FactName is the stored name.
func (RecipientSuppressed) FactName() string { return "RecipientSuppressed" }

// FactName is the stored name.
func (RecipientRestored) FactName() string { return "RecipientRestored" }

func (RecipientSuppressed) recipientFact() {}
func (RecipientRestored) recipientFact()   {}

// State is what a recipient's facts add up to.
type State struct{ Suppressed bool }

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	_, s.Suppressed = fact.(RecipientSuppressed)
	return s
}

// StreamPrefix starts the names of streams of recipients.
const StreamPrefix = "recipient-"

// Stream is the name of a recipient's stream.
func Stream(id string) string { return StreamPrefix + id }
