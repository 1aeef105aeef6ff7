// Package webhook is the endpoints that are told what happens: where they are, what they want to know, how far they
// have come, and the secret that proves to them who tells it (Standard Webhooks).
package webhook

import (
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to an endpoint.
type Fact interface {
	schema.Fact
	webhookFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(WebhookRegistered{}, WebhookChanged{}, WebhookSecretRotated{}, WebhookDisabled{}, WebhookEnabled{}, WebhookProgressed{}, WebhookRemoved{})

// Refusals.
var (
	ErrUnknown = &fault.Error{Kind: fault.NotFound, Code: "webhook-unknown", Title: "there is no such webhook"}
	ErrURL     = &fault.Error{Kind: fault.Invalid, Code: "webhook-url-invalid", Title: "that is not an address that can be called"}
	ErrMessage = &fault.Error{Kind: fault.NotFound, Code: "webhook-message-unknown", Title: "this endpoint was never told that"}
	ErrType    = &fault.Error{Kind: fault.Invalid, Code: "webhook-type-unknown", Title: "there is no such type of event"}
)

// Ref names an endpoint.
type Ref struct {
	Tenant    string `json:"tenant"`
	WebhookID string `json:"webhook_id"`
}

// WebhookRegistered: somebody wants to be told, from After on.
type WebhookRegistered struct {
	Ref
	URL    string   `json:"url"`
	Types  []string `json:"types,omitempty"` // none: all
	Secret string   `json:"secret" pii:"WebhookID" secret:"true"`
	After  uint64   `json:"after"` // position in the log
	By     string   `json:"by"`
}

// WebhookChanged: they are elsewhere, or want to know something else.
type WebhookChanged struct {
	Ref
	URL   string   `json:"url"`
	Types []string `json:"types,omitempty"`
	By    string   `json:"by"`
}

// WebhookSecretRotated: there is a new secret; until OldUntil deliveries are signed with both.
type WebhookSecretRotated struct {
	Ref
	Secret   string    `json:"secret" pii:"WebhookID" secret:"true"`
	OldUntil time.Time `json:"old_until"`
	By       string    `json:"by"`
}

// WebhookDisabled: nothing more is delivered until somebody enables it.
type WebhookDisabled struct {
	Ref
	Reason string `json:"reason"` // gone, failing, asked
	By     string `json:"by,omitempty"`
}

// WebhookEnabled: deliveries go on where they stopped.
type WebhookEnabled struct {
	Ref
	By string `json:"by"`
}

// WebhookProgressed: everything up to a position was delivered. It is written now and then: what was delivered after it
// may be delivered again, with the same webhook-id.
type WebhookProgressed struct {
	Ref
	Position uint64 `json:"position"`
}

// WebhookRemoved: they do not want to be told any more.
type WebhookRemoved struct {
	Ref
	By string `json:"by"`
}

// FactName is the stored name.
func (WebhookRegistered) FactName() string { return "WebhookRegistered" }

// FactName is the stored name.
func (WebhookChanged) FactName() string { return "WebhookChanged" }

// FactName is the stored name.
func (WebhookSecretRotated) FactName() string { return "WebhookSecretRotated" }

// FactName is the stored name.
func (WebhookDisabled) FactName() string { return "WebhookDisabled" }

// FactName is the stored name.
func (WebhookEnabled) FactName() string { return "WebhookEnabled" }

// FactName is the stored name.
func (WebhookProgressed) FactName() string { return "WebhookProgressed" }

// FactName is the stored name.
func (WebhookRemoved) FactName() string { return "WebhookRemoved" }

func (WebhookRegistered) webhookFact()    {}
func (WebhookChanged) webhookFact()       {}
func (WebhookSecretRotated) webhookFact() {}
func (WebhookDisabled) webhookFact()      {}
func (WebhookEnabled) webhookFact()       {}
func (WebhookProgressed) webhookFact()    {}
func (WebhookRemoved) webhookFact()       {}

// State is what an endpoint's facts add up to.
type State struct {
	Ref
	Exists    bool
	URL       string
	Types     []string
	Secret    string
	OldSecret string
	OldUntil  time.Time
	Disabled  string // why
	Position  uint64 // delivered up to
}

// Wants says whether an endpoint wants to know of a type.
func (s State) Wants(kind string) bool { return len(s.Types) == 0 || slices.Contains(s.Types, kind) }

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case WebhookRegistered:
		return State{Ref: f.Ref, Exists: true, URL: f.URL, Types: slices.Clone(f.Types), Secret: f.Secret, Position: f.After}
	case WebhookChanged:
		s.URL, s.Types = f.URL, slices.Clone(f.Types)
	case WebhookSecretRotated:
		s.OldSecret, s.OldUntil, s.Secret = s.Secret, f.OldUntil, f.Secret
	case WebhookDisabled:
		s.Disabled = f.Reason
	case WebhookEnabled:
		s.Disabled = ""
	case WebhookProgressed:
		s.Position = max(s.Position, f.Position)
	case WebhookRemoved:
		s.Exists = false
	}
	return s
}

// StreamPrefix starts the names of streams of endpoints.
const StreamPrefix = "webhook-"

// Stream is the name of an endpoint's stream.
func Stream(id string) string { return StreamPrefix + id }
