package projector

import (
	"context"
	"fmt"

	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/internal/facts"
)

// Poison is a fact that a projection cannot apply. The projection stands still in front of it, and only that one, until the
// cause is gone or somebody decides that it is passed over ([logbook.FactSkipped]).
type Poison struct {
	Projection string
	Stream     string
	Revision   uint64
	Type       string
	Err        error
}

// Error says which fact, and why.
func (p *Poison) Error() string {
	return fmt.Sprintf("projection %s: %s (%s): %v", p.Projection, p.Type, p.Where(), p.Err)
}

// Unwrap is why.
func (p *Poison) Unwrap() error { return p.Err }

// Where is stream@revision.
func (p *Poison) Where() string { return fmt.Sprintf("%s@%d", p.Stream, p.Revision) }

// skipped says whether somebody decided that the projection passes over a fact. It is asked only about facts that cannot be
// applied.
func (a *applier) skipped(ctx context.Context, stream string, revision uint64) bool {
	records, err := a.skips.ReadStream(ctx, logbook.Skips, 0)
	if err != nil {
		return false // there are none, or the store is away, which others say
	}
	for _, r := range records {
		rec, err := facts.Decode(r)
		if err != nil {
			continue
		}
		if f, ok := rec.Fact.(logbook.FactSkipped); ok && f.Projection == a.p.Name && f.Stream == stream && f.Revision == revision {
			return true
		}
	}
	return false
}
