// Package bulk is a table of people to invite, sent by an organizer, and how far it was worked off. It is worked off in
// blocks of rows, in order; a block that is done stands in the log.
package bulk

import (
	"slices"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to a table.
type Fact interface {
	schema.Fact
	bulkFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(BulkStarted{}, BulkBlockDone{}, BulkPaused{}, BulkResumed{}, BulkStopped{}, BulkFinished{})

// How commands about tables are refused.
var (
	ErrUnknown  = &fault.Error{Kind: fault.NotFound, Code: "bulk-unknown", Title: "there is no such bulk mail"}
	ErrFinished = &fault.Error{Kind: fault.Conflict, Code: "bulk-finished", Title: "the bulk mail is finished"}
)

// BulkStarted: a table was accepted. The rows stay in the mail it came in, whose id it has.
type BulkStarted struct {
	Tenant      string `json:"tenant"`
	BulkID      string `json:"bulk_id"`
	OrganizerID string `json:"organizer_id"`
	Rows        int    `json:"rows"`
}

// Row is a row that led to no invitation.
type Row struct {
	Line   int    `json:"line"`   // in the file, from 1
	Reason string `json:"reason"` // a refusal's code, or what is wrong with it in words
}

// BulkBlockDone: a block of rows was worked off; those not listed were accepted.
type BulkBlockDone struct {
	Tenant   string `json:"tenant"`
	BulkID   string `json:"bulk_id"`
	Block    int    `json:"block"` // from 1
	Rows     int    `json:"rows"`
	Accepted int    `json:"accepted"`
	Refused  []Row  `json:"refused,omitempty"`
}

// BulkPaused: somebody wants it to wait.
type BulkPaused struct {
	Tenant string `json:"tenant"`
	BulkID string `json:"bulk_id"`
	By     string `json:"by"`
}

// BulkResumed: it goes on.
type BulkResumed struct {
	Tenant string `json:"tenant"`
	BulkID string `json:"bulk_id"`
	By     string `json:"by"`
}

// BulkStopped: somebody wants the rest not to be worked off.
type BulkStopped struct {
	Tenant string `json:"tenant"`
	BulkID string `json:"bulk_id"`
	By     string `json:"by"`
}

// BulkFinished: every row was worked off, or the rest never will be.
type BulkFinished struct {
	Tenant      string `json:"tenant"`
	BulkID      string `json:"bulk_id"`
	OrganizerID string `json:"organizer_id"`
}

// FactName is the stored name.
func (BulkStarted) FactName() string { return "BulkStarted" }

// FactName is the stored name.
func (BulkBlockDone) FactName() string { return "BulkBlockDone" }

// FactName is the stored name.
func (BulkPaused) FactName() string { return "BulkPaused" }

// FactName is the stored name.
func (BulkResumed) FactName() string { return "BulkResumed" }

// FactName is the stored name.
func (BulkStopped) FactName() string { return "BulkStopped" }

// FactName is the stored name.
func (BulkFinished) FactName() string { return "BulkFinished" }

func (BulkStarted) bulkFact()   {}
func (BulkBlockDone) bulkFact() {}
func (BulkPaused) bulkFact()    {}
func (BulkResumed) bulkFact()   {}
func (BulkStopped) bulkFact()   {}
func (BulkFinished) bulkFact()  {}

// State is what a table's facts add up to.
type State struct {
	Exists      bool
	Tenant      string
	OrganizerID string
	Rows        int // in all
	Blocks      int // done
	Done        int // rows of them
	Accepted    int
	Refused     []Row
	Paused      bool
	Stopped     bool
	Finished    bool
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case BulkStarted:
		s.Exists, s.Tenant, s.OrganizerID, s.Rows = true, f.Tenant, f.OrganizerID, f.Rows
	case BulkBlockDone:
		s.Blocks, s.Done, s.Accepted = f.Block, s.Done+f.Rows, s.Accepted+f.Accepted
		s.Refused = append(slices.Clip(s.Refused), f.Refused...)
	case BulkPaused:
		s.Paused = true
	case BulkResumed:
		s.Paused = false
	case BulkStopped:
		s.Stopped = true
	case BulkFinished:
		s.Finished = true
	}
	return s
}

// Kind is how people sort what became of a row.
type Kind string

// The kinds of rows that led to no invitation.
const (
	Duplicate  Kind = "duplicate"
	Suppressed Kind = "suppressed"
	Rejected   Kind = "rejected"
)

// KindOf sorts a reason.
func KindOf(reason string) Kind {
	switch reason {
	case "already-invited":
		return Duplicate
	case "address-suppressed", "unsubscribed", "organizer-blocked":
		return Suppressed
	}
	return Rejected
}

// StreamPrefix starts the names of streams of tables.
const StreamPrefix = "bulk-"

// Stream is the name of a table's stream.
func Stream(id string) string { return StreamPrefix + id }
