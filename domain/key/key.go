// Package key is the keys that programs call the API with: what each may do, for whom, and until when. Of the secret
// itself only a hash is kept.
package key

import (
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to a key.
type Fact interface {
	schema.Fact
	keyFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(KeyIssued{}, KeyRotated{}, KeyRevoked{}, KeyUsed{})

// Refusals.
var (
	ErrUnknown = &fault.Error{Kind: fault.NotFound, Code: "key-unknown", Title: "there is no such key"}
	ErrScope   = &fault.Error{Kind: fault.Invalid, Code: "scope-unknown", Title: "there is no such scope"}
	ErrExpiry  = &fault.Error{Kind: fault.Invalid, Code: "key-expiry-invalid", Title: "a key cannot expire before it is made"}
	ErrRevoked = &fault.Error{Kind: fault.Conflict, Code: "key-revoked", Title: "the key was revoked"}
	ErrGrant   = &fault.Error{Kind: fault.Forbidden, Code: "scope-not-yours", Title: "nobody can give a right they do not have"}
)

// KeyIssued: somebody got a key. Who holds it may do what its scopes say, for one organizer if it names one.
type KeyIssued struct {
	Tenant      string    `json:"tenant"`
	KeyID       string    `json:"key_id"` // stands in the key itself, to find it by
	Name        string    `json:"name"`
	Hash        string    `json:"hash" secret:"true"` // SHA-256 of the whole key, hexadecimal
	Scopes      []Scope   `json:"scopes"`
	OrganizerID string    `json:"organizer_id,omitempty"`
	Expires     time.Time `json:"expires,omitzero"`
	By          string    `json:"by"`
}

// KeyRotated: the key has another secret; the old one is good for a while.
type KeyRotated struct {
	Tenant   string    `json:"tenant"`
	KeyID    string    `json:"key_id"`
	Hash     string    `json:"hash" secret:"true"`
	OldUntil time.Time `json:"old_until"`
	By       string    `json:"by"`
}

// KeyRevoked: the key is good for nothing any more.
type KeyRevoked struct {
	Tenant string `json:"tenant"`
	KeyID  string `json:"key_id"`
	By     string `json:"by"`
}

// KeyUsed: somebody called with the key, for the first time on a day.
type KeyUsed struct {
	Tenant string `json:"tenant"`
	KeyID  string `json:"key_id"`
	Day    string `json:"day"` // 2026-12-01, in UTC
}

// FactName is the stored name.
func (KeyIssued) FactName() string { return "KeyIssued" }

// FactName is the stored name.
func (KeyRotated) FactName() string { return "KeyRotated" }

// FactName is the stored name.
func (KeyRevoked) FactName() string { return "KeyRevoked" }

// FactName is the stored name.
func (KeyUsed) FactName() string { return "KeyUsed" }

func (KeyIssued) keyFact()  {}
func (KeyRotated) keyFact() {}
func (KeyRevoked) keyFact() {}
func (KeyUsed) keyFact()    {}

// State is what a key's facts add up to.
type State struct {
	Exists      bool
	Tenant      string
	Name        string
	Hash        string
	OldHash     string
	OldUntil    time.Time
	Scopes      []Scope
	OrganizerID string
	Expires     time.Time
	Revoked     bool
	Used        string // the last day it was
}

// Opens says whether a secret with this hash is good at a time.
func (s State) Opens(hash string, now time.Time) bool {
	switch {
	case !s.Exists, s.Revoked, !s.Expires.IsZero() && now.After(s.Expires):
		return false
	case hash == s.Hash:
		return true
	}
	return hash == s.OldHash && now.Before(s.OldUntil)
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case KeyIssued:
		return State{
			Exists: true, Tenant: f.Tenant, Name: f.Name, Hash: f.Hash, Scopes: slices.Clone(f.Scopes), OrganizerID: f.OrganizerID, Expires: f.Expires,
		}
	case KeyRotated:
		s.OldHash, s.OldUntil, s.Hash = s.Hash, f.OldUntil, f.Hash
	case KeyRevoked:
		s.Revoked = true
	case KeyUsed:
		s.Used = f.Day
	}
	return s
}

// StreamPrefix starts the names of streams of keys.
const StreamPrefix = "key-"

// Stream is the name of a key's stream.
func Stream(id string) string { return StreamPrefix + id }
