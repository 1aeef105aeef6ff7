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
var Schema = schema.New(MailReceived{}, MailAuthenticated{}, MailHandled{})

// RawMailName is the stored name of a chunk of a message's bytes: compressed, sealed, at most 512 KiB, binary.
const RawMailName = "RawMail"

// MailReceived: a message was accepted and is durable. The envelope is sealed under the mail's own key.
type MailReceived struct {
	Tenant     string    `json:"tenant"`
	MailID     string    `json:"mail_id"`
	Door       string    `json:"door"`   // smtp, import
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

// MailAuthenticated: what is known about who sent it.
type MailAuthenticated struct {
	Tenant  string  `json:"tenant"`
	MailID  string  `json:"mail_id"`
	Verdict Verdict `json:"verdict"`
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
	Reader   int     `json:"reader"` // version of the reader that understood it
}

// FactName is the stored name.
func (MailReceived) FactName() string { return "MailReceived" }

// FactName is the stored name.
func (MailAuthenticated) FactName() string { return "MailAuthenticated" }

// FactName is the stored name.
func (MailHandled) FactName() string { return "MailHandled" }

func (MailReceived) mailFact()      {}
func (MailAuthenticated) mailFact() {}
func (MailHandled) mailFact()       {}
