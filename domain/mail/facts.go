// Package mail is a message that came in and what became of it. The bytes are facts of their own, in a stream that
// nothing but a reader of that mail touches.
package mail

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to a received message.
type Fact interface {
	schema.Fact
	mailFact()
}

// Schema lists the facts of this package that are JSON; [RawMailName] is not.
var Schema = schema.New(MailReceived{}, MailAuthenticated{}, MailHandled{}, MailHeld{}, MailReleased{}, MailDropped{})

// RawMailName is the stored name of a chunk of a message's bytes: compressed, sealed, at most 512 KiB, binary.
const RawMailName = "RawMail"

// MailReceived: a message was accepted and is durable. The envelope is sealed under the mail's own key.
type MailReceived struct {
	Tenant     string    `json:"tenant"`
	MailID     string    `json:"mail_id"`
	Door       string    `json:"door"`   // smtp, lmtp, imap, webhook, import
	SHA256     string    `json:"sha256"` // of the bytes as received
	Size       int       `json:"size"`
	Chunks     int       `json:"chunks"`
	Lane       string    `json:"lane"` // messages of one lane are handled in order: same source UID, same sender
	Received   time.Time `json:"received"`
	From       string    `json:"from" pii:"MailID"`       // envelope; empty for the null sender
	Recipients string    `json:"recipients" pii:"MailID"` // envelope, separated by a space
	Client     string    `json:"client,omitempty" pii:"MailID"`
	HELO       string    `json:"helo,omitempty" pii:"MailID"`
	TLS        bool      `json:"tls,omitempty"`
}

// MailAuthenticated: what is known about who sent it, and from what.
type MailAuthenticated struct {
	Tenant  string   `json:"tenant"`
	MailID  string   `json:"mail_id"`
	Verdict Verdict  `json:"verdict"`
	By      string   `json:"by,omitempty"`      // dkim, spf, arc, relay: what supports the identity
	Domain  string   `json:"domain,omitempty"`  // the aligned domain
	Reason  string   `json:"reason,omitempty"`  // why it is not proven
	Results string   `json:"results,omitempty"` // RFC 8601, of every check
	Records []string `json:"records,omitempty"` // the DNS records used, as "name TYPE value"
	Service bool     `json:"service,omitempty"` // a calendar service writes for whom Reply-To names
}

// MailHandled: what the message led to, or why it led to nothing. It is handled once.
type MailHandled struct {
	Tenant   string  `json:"tenant"`
	MailID   string  `json:"mail_id"`
	Outcome  Outcome `json:"outcome"`
	Reason   string  `json:"reason,omitempty"` // a refusal's code, or why it was ignored
	Detail   string  `json:"detail,omitempty" pii:"MailID"`
	Method   string  `json:"method,omitempty"` // iTIP METHOD
	EventUID string  `json:"event_uid,omitempty"`
	Reader   int     `json:"reader"`         // version of the reader that understood it
	Plan     string  `json:"plan,omitempty"` // digest of what the reader made of it
}

// MailHeld: nobody can be believed to have sent it, or somebody must decide. It changes nothing until it is released.
type MailHeld struct {
	Tenant string `json:"tenant"`
	MailID string `json:"mail_id"`
	Reason string `json:"reason"` // a refusal's code
	Detail string `json:"detail,omitempty" pii:"MailID"`
}

// MailReleased: somebody vouches for a held message; it is handled as if its sender were proven.
type MailReleased struct {
	Tenant string `json:"tenant"`
	MailID string `json:"mail_id"`
	By     string `json:"by"`
}

// MailDropped: somebody decided that a held message leads to nothing.
type MailDropped struct {
	Tenant string `json:"tenant"`
	MailID string `json:"mail_id"`
	By     string `json:"by"`
}

// FactName is the stored name.
func (MailHeld) FactName() string { return "MailHeld" }

// FactName is the stored name.
func (MailReleased) FactName() string { return "MailReleased" }

// FactName is the stored name.
func (MailDropped) FactName() string { return "MailDropped" }

func (MailHeld) mailFact()     {}
func (MailReleased) mailFact() {}
func (MailDropped) mailFact()  {}

// FactName is the stored name.
func (MailReceived) FactName() string { return "MailReceived" }

// FactName is the stored name.
func (MailAuthenticated) FactName() string { return "MailAuthenticated" }

// FactName is the stored name.
func (MailHandled) FactName() string { return "MailHandled" }

func (MailReceived) mailFact()      {}
func (MailAuthenticated) mailFact() {}
func (MailHandled) mailFact()       {}
