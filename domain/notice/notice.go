// Package notice is a mail of ours to an organizer: that an event was created, and later that something failed.
package notice

import "github.com/calendar-invite-server/cis/domain/schema"

// Fact is something that happened to a notice.
type Fact interface {
	schema.Fact
	noticeFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(NoticeSent{}, NoticeFailed{})

// Kind says what a notice tells.
type Kind string

// EventCreated confirms a new event to its organizer.
const EventCreated Kind = "event-created"

// Ref names a notice.
type Ref struct {
	Tenant      string `json:"tenant"`
	NoticeID    string `json:"notice_id"`
	Kind        Kind   `json:"kind"`
	EventUID    string `json:"event_uid"`
	OrganizerID string `json:"organizer_id"`
}

// NoticeSent: the notice was handed to the next mail server, or into the outbox.
type NoticeSent struct {
	Ref
	MessageID string `json:"message_id"`
	Answer    string `json:"answer,omitempty" pii:"OrganizerID"`
}

// NoticeFailed: the next mail server refused the notice for good.
type NoticeFailed struct {
	Ref
	Code   int    `json:"code,omitempty"`
	Answer string `json:"answer,omitempty" pii:"OrganizerID"`
}

// FactName is the stored name.
func (NoticeSent) FactName() string { return "NoticeSent" }

// FactName is the stored name.
func (NoticeFailed) FactName() string { return "NoticeFailed" }

func (NoticeSent) noticeFact()   {}
func (NoticeFailed) noticeFact() {}

// State is what a notice's facts add up to.
type State struct {
	Settled bool // sent, or refused for good
}

// Evolve adds one fact; each of them settles the notice.
func Evolve(s State, _ Fact) State {
	s.Settled = true
	return s
}

// StreamPrefix starts the names of streams of notices.
const StreamPrefix = "notice-"

// Stream is the name of the notice's stream.
func (r Ref) Stream() string { return StreamPrefix + r.NoticeID }
