package commands

import (
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/logbook"
)

// ErrWhy refuses to pass over something without a reason.
var ErrWhy = &fault.Error{Kind: fault.Invalid, Code: "reason-missing", Title: "say why"}

// SkipFact has a projection go on without a fact that it cannot apply.
type SkipFact struct {
	logbook.Skip
	Why, By string
}

// Stream is the log's own, for this.
func (c SkipFact) Stream() string { return logbook.Skips }

// Decide records it once.
func (c SkipFact) Decide(s logbook.State) ([]logbook.Fact, error) {
	switch {
	case c.Why == "":
		return nil, ErrWhy
	case s.Skipped[c.Skip]:
		return nil, nil
	}
	return []logbook.Fact{logbook.FactSkipped{Projection: c.Projection, Stream: c.Skip.Stream, Revision: c.Revision, Why: c.Why, By: c.By}}, nil
}
