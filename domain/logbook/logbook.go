// Package logbook is what the log says about itself: which log it is, signed statements about all that is in it, and that
// it was brought back from a backup.
package logbook

import (
	"maps"
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

const (
	// Stream holds the log's first fact. The names of all streams of this package begin with it.
	Stream = "log"
	// Checkpoints is the stream of signed checkpoints.
	Checkpoints = "log-checkpoints"
	// Skips is the stream of facts that projections pass over.
	Skips = "log-skips"
)

// Fact is something that happened to the log.
type Fact interface {
	schema.Fact
	logFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(LogOpened{}, CheckpointSigned{}, LogRestored{}, OwedReleased{}, LogMoved{}, FactSkipped{})

// ErrNoFence says that nothing is held.
var ErrNoFence = &fault.Error{Kind: fault.Conflict, Code: "fence-missing", Title: "nothing is held: the log was not brought back from a backup, or everything was released"}

// LogOpened is the first fact of every log: which log it is, and which key made the ids in it. A start with another
// key or against another log is refused instead of mixing ids.
type LogOpened struct {
	LogID          string `json:"log_id"`
	KeyFingerprint string `json:"key_fingerprint"`
}

// CheckpointSigned: the first records of the log are those of a Merkle tree (RFC 9162 §2.1) whose root was signed.
type CheckpointSigned struct {
	Size int64  `json:"size"` // how many
	Root string `json:"root"` // of their tree, base64
	Note string `json:"note"` // C2SP tlog-checkpoint: the same, signed
}

// LogRestored is a fence: the log was brought back from a backup. What stands owed before it may have been sent and done
// after the backup was made, which the log cannot know; so it is held until somebody has looked.
type LogRestored struct {
	Taken time.Time `json:"taken,omitzero"` // when the backup was made; zero: nobody knows
	By    string    `json:"by"`
}

// What a fence holds.
const (
	Mails  = "mails"  // to be sent
	Inbox  = "inbox"  // received, not handled
	Tables = "tables" // of people, not worked off
)

// OwedReleased: what a fence holds goes on, or is dropped as if it had been sent.
type OwedReleased struct {
	What    string `json:"what,omitempty"`    // empty: everything
	Kind    string `json:"kind,omitempty"`    // of mails; empty: all
	Subject string `json:"subject,omitempty"` // of mails: an event, or what a notice is about; empty: all
	Drop    bool   `json:"drop,omitempty"`    // mails only
	By      string `json:"by"`
}

// LogMoved: from here on the log is in another store, where positions are others.
type LogMoved struct {
	By string `json:"by"`
}

// FactSkipped: somebody decided that a projection goes on without a fact that it cannot apply.
type FactSkipped struct {
	Projection string `json:"projection"`
	Stream     string `json:"stream"`
	Revision   uint64 `json:"revision"`
	Why        string `json:"why"`
	By         string `json:"by"`
}

// FactName is the stored name.
func (FactSkipped) FactName() string { return "FactSkipped" }

func (FactSkipped) logFact() {}

// FactName is the stored name.
func (LogOpened) FactName() string { return "LogOpened" }

// FactName is the stored name.
func (CheckpointSigned) FactName() string { return "CheckpointSigned" }

// FactName is the stored name.
func (LogRestored) FactName() string { return "LogRestored" }

// FactName is the stored name.
func (OwedReleased) FactName() string { return "OwedReleased" }

// FactName is the stored name.
func (LogMoved) FactName() string { return "LogMoved" }

func (LogOpened) logFact()        {}
func (CheckpointSigned) logFact() {}
func (LogRestored) logFact()      {}
func (OwedReleased) logFact()     {}
func (LogMoved) logFact()         {}

// State is what the facts of [Stream] add up to.
type State struct {
	Fenced  bool          // something may be held
	Skipped map[Skip]bool // of [Skips]
}

// Skip is a fact that a projection passes over.
type Skip struct {
	Projection, Stream string
	Revision           uint64
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case LogRestored:
		s.Fenced = true
	case OwedReleased:
		s.Fenced = s.Fenced && f != OwedReleased{By: f.By}
	case FactSkipped:
		skipped := maps.Clone(s.Skipped)
		if skipped == nil {
			skipped = map[Skip]bool{}
		}
		skipped[Skip{f.Projection, f.Stream, f.Revision}] = true
		s.Skipped = skipped
	}
	return s
}
