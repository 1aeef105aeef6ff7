package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// applier applies pages to one generation. Live, rebuild and comparison all do it with this.
type applier struct {
	pool  *pgxpool.Pool
	skips *eventstore.Client // says what is passed over
	p     Projection
	reads map[string]bool // names of the facts it looks at; nil: all

	staged bool // rows are put in place later; see [Stage]

	mu       sync.Mutex
	gen      generation
	position uint64
}

func newApplier(pool *pgxpool.Pool, store *eventstore.Client, p Projection) *applier {
	if p.PageSize == 0 {
		p.PageSize = 1000
	}
	return &applier{pool: pool, skips: store, p: p, reads: names(p.Reads)}
}

func names(list []schema.Fact) map[string]bool {
	if list == nil {
		return nil
	}
	out := map[string]bool{}
	for _, f := range list {
		out[f.FactName()] = true
	}
	return out
}

// concerns says whether the projection looks at a record of a fact, by the fact's current name. A name nobody knows stops
// every projection: it is not for them to say that it does not matter.
func (a *applier) concerns(r eventstore.Recorded) (bool, error) {
	if !slices.ContainsFunc(a.p.Prefixes, func(prefix string) bool { return strings.HasPrefix(r.Stream, prefix) }) {
		return false, nil
	}
	name, known := facts.Registry.Current(r.Type)
	if !known {
		return false, fmt.Errorf("%s@%d: %w %q", r.Stream, r.Revision, schema.ErrUnknownName, r.Type)
	}
	return a.reads == nil || a.reads[name], nil
}

// applyPage applies what of a page can be read. A page without facts moves the checkpoint only now and then.
func (a *applier) applyPage(ctx context.Context, page eventstore.Page) error {
	recs, unreadable := a.decode(ctx, page.Records)
	if unreadable != nil {
		if len(recs) > 0 {
			if err := a.apply(ctx, recs, recs[len(recs)-1].Position); err != nil {
				return err
			}
		}
		return unreadable
	}
	if len(recs) == 0 && !page.CaughtUp && page.Position < a.at()+10_000 {
		return nil
	}
	return a.apply(ctx, recs, page.Position)
}

// decode reads the records of a page that the projection looks at. What stands before an unreadable one comes back with
// the error.
func (a *applier) decode(ctx context.Context, records []eventstore.Recorded) ([]facts.Recorded, error) {
	out := make([]facts.Recorded, 0, len(records))
	for _, r := range records {
		wanted, err := a.concerns(r)
		var rec facts.Recorded
		if err == nil && wanted {
			rec, err = facts.Decode(r)
		}
		switch {
		case err != nil && !a.skipped(ctx, r.Stream, r.Revision):
			return out, &Poison{a.p.Name, r.Stream, r.Revision, r.Type, err}
		case err == nil && wanted:
			out = append(out, rec)
		}
	}
	return out, nil
}

// apply commits a run of facts and the position it reaches; on failure it halves the run.
func (a *applier) apply(ctx context.Context, recs []facts.Recorded, position uint64) error {
	err := a.commit(ctx, recs, position)
	if len(recs) == 1 && err != nil && !transient(err) && a.skipped(ctx, recs[0].Stream, recs[0].Revision) {
		return a.commit(ctx, nil, position)
	}
	if err == nil || len(recs) <= 1 || transient(err) {
		return err
	}
	half := len(recs) / 2
	if err := a.apply(ctx, recs[:half], recs[half-1].Position); err != nil {
		return err
	}
	return a.apply(ctx, recs[half:], position)
}

func (a *applier) commit(ctx context.Context, recs []facts.Recorded, position uint64) error {
	if position <= a.at() && len(recs) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		if err := a.gen.advance(ctx, tx, a.at(), position); err != nil {
			return err
		}
		if len(recs) == 0 {
			return nil
		}
		return a.p.Apply(ctx, Tx{Tx: tx, Tables: a.gen.tables(), Staged: a.staged}, recs)
	})
	if err != nil {
		if len(recs) == 1 {
			return &Poison{a.p.Name, recs[0].Stream, recs[0].Revision, recs[0].Fact.FactName(), err}
		}
		return fmt.Errorf("projection %s: %w", a.p.Name, err)
	}
	a.mu.Lock()
	a.position = position
	a.mu.Unlock()
	return nil
}

// transient says that an error is about the connection, not about the facts.
func transient(err error) bool {
	var pg *pgconn.PgError
	if errors.Is(err, errMoved) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if errors.As(err, &pg) {
		switch pg.Code[:2] { // connection, transaction rollback, resources, operator intervention
		case "08", "40", "53", "57":
			return true
		}
		return false
	}
	return pgconn.SafeToRetry(err) || pgconn.Timeout(err)
}

func (a *applier) at() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.position
}
