// Package recipient is a person across events: whether their address takes mail at all, and what they want none of.
package recipient

import (
	"maps"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to a recipient.
type Fact interface {
	schema.Fact
	recipientFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(RecipientSuppressed{}, RecipientRestored{}, RecipientUnsubscribed{}, RecipientResubscribed{}, OrganizerBlocked{}, OrganizerUnblocked{}, RecipientErased{}, ErasureCertified{})

// Why somebody gets no mail.
var (
	ErrSuppressed   = &fault.Error{Kind: fault.Conflict, Code: "address-suppressed", Title: "mail to this address came back, or was reported as unwanted; nothing more is sent there"}
	ErrUnsubscribed = &fault.Error{Kind: fault.Conflict, Code: "unsubscribed", Title: "this person wants no invitations"}
	ErrBlocked      = &fault.Error{Kind: fault.Conflict, Code: "organizer-blocked", Title: "this person wants no invitations of this organizer"}
)

// ErrErased refuses what concerns somebody who was erased.
var ErrErased = &fault.Error{Kind: fault.Conflict, Code: "person-erased", Title: "this person was erased: nothing is kept about them, and they cannot be invited"}

// Complaint is the status of a suppression because somebody reported a mail as unwanted (RFC 5965).
const Complaint = "complaint"

// RecipientSuppressed: an address does not work, or its owner reported a mail as unwanted.
type RecipientSuppressed struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	Status      string `json:"status"` // RFC 3463, or [Complaint]
}

// RecipientRestored: somebody says that the address works again.
type RecipientRestored struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	By          string `json:"by"`
}

// RecipientUnsubscribed: the person wants no mail of anybody's events.
type RecipientUnsubscribed struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	By          string `json:"by"` // one-click, page, mail, or an operator
}

// RecipientResubscribed: they want it again.
type RecipientResubscribed struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	By          string `json:"by"`
}

// OrganizerBlocked: the person wants no mail of this organizer's events.
type OrganizerBlocked struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	OrganizerID string `json:"organizer_id"`
	By          string `json:"by"`
}

// OrganizerUnblocked: they want it again.
type OrganizerUnblocked struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	OrganizerID string `json:"organizer_id"`
	By          string `json:"by"`
}

// RecipientErased: what is personal about them is to be unreadable for ever: the keys of theirs and of received mails that
// name them are destroyed, also in copies of the keys that are brought back later. Nothing goes to them any more.
type RecipientErased struct {
	Tenant      string   `json:"tenant"`
	RecipientID string   `json:"recipient_id"`
	Mails       []string `json:"mails,omitempty"` // ids of the mails; those that were found later are in a fact of their own
	By          string   `json:"by"`
}

// ErasureCertified: it was done. The certificate was given to who asked for it.
type ErasureCertified struct {
	Tenant      string `json:"tenant"`
	RecipientID string `json:"recipient_id"`
	SHA256      string `json:"sha256"` // of the certificate's bytes
}

// FactName is the stored name.
func (RecipientErased) FactName() string { return "RecipientErased" }

// FactName is the stored name.
func (ErasureCertified) FactName() string { return "ErasureCertified" }

func (RecipientErased) recipientFact()  {}
func (ErasureCertified) recipientFact() {}

// FactName is the stored name.
func (RecipientSuppressed) FactName() string { return "RecipientSuppressed" }

// FactName is the stored name.
func (RecipientRestored) FactName() string { return "RecipientRestored" }

// FactName is the stored name.
func (RecipientUnsubscribed) FactName() string { return "RecipientUnsubscribed" }

// FactName is the stored name.
func (RecipientResubscribed) FactName() string { return "RecipientResubscribed" }

// FactName is the stored name.
func (OrganizerBlocked) FactName() string { return "OrganizerBlocked" }

// FactName is the stored name.
func (OrganizerUnblocked) FactName() string { return "OrganizerUnblocked" }

func (RecipientSuppressed) recipientFact()   {}
func (RecipientRestored) recipientFact()     {}
func (RecipientUnsubscribed) recipientFact() {}
func (RecipientResubscribed) recipientFact() {}
func (OrganizerBlocked) recipientFact()      {}
func (OrganizerUnblocked) recipientFact()    {}

// State is what a recipient's facts add up to.
type State struct {
	Erased       bool
	ErasedMails  map[string]bool // that named them
	Certified    string          // digest of the last certificate
	Suppressed   bool
	Unsubscribed bool
	Blocked      map[string]bool // organizers
}

// Refuses is why an organizer's mail does not go to them; nil if it does.
func (s State) Refuses(organizerID string) *fault.Error {
	switch {
	case s.Erased:
		return ErrErased
	case s.Suppressed:
		return ErrSuppressed
	case s.Unsubscribed:
		return ErrUnsubscribed
	case s.Blocked[organizerID]:
		return ErrBlocked
	}
	return nil
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case RecipientErased:
		mails := maps.Clone(s.ErasedMails)
		if mails == nil {
			mails = map[string]bool{}
		}
		for _, id := range f.Mails {
			mails[id] = true
		}
		s.Erased, s.ErasedMails = true, mails
	case ErasureCertified:
		s.Certified = f.SHA256
	case RecipientSuppressed:
		s.Suppressed = true
	case RecipientRestored:
		s.Suppressed = false
	case RecipientUnsubscribed:
		s.Unsubscribed = true
	case RecipientResubscribed:
		s.Unsubscribed = false
	case OrganizerBlocked:
		blocked := maps.Clone(s.Blocked)
		if blocked == nil {
			blocked = map[string]bool{}
		}
		blocked[f.OrganizerID] = true
		s.Blocked = blocked
	case OrganizerUnblocked:
		s.Blocked = maps.Clone(s.Blocked)
		delete(s.Blocked, f.OrganizerID)
	}
	return s
}

// StreamPrefix starts the names of streams of recipients.
const StreamPrefix = "recipient-"

// Stream is the name of a recipient's stream.
func Stream(id string) string { return StreamPrefix + id }
