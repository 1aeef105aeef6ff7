package projector

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Views says how far projections have come, whichever process leads them, and waits for them.
type Views struct {
	pool  *pgxpool.Pool
	store *eventstore.Client
	all   map[string]Projection

	mu        sync.Mutex
	positions map[string]uint64
	read      time.Time
}

// NewViews makes Views of projections.
func NewViews(pool *pgxpool.Pool, store *eventstore.Client, projections ...Projection) *Views {
	v := &Views{pool: pool, store: store, all: map[string]Projection{}}
	for _, p := range projections {
		v.all[p.Name] = p
	}
	return v
}

// Position is how far the one of the named projections is that is least far, as of at most a tenth of a second ago.
func (v *Views) Position(ctx context.Context, names ...string) (uint64, error) {
	v.mu.Lock()
	positions, age := v.positions, time.Since(v.read)
	v.mu.Unlock()
	if positions == nil || age > 100*time.Millisecond {
		var err error
		if positions, err = v.look(ctx); err != nil {
			return 0, err
		}
	}
	return least(positions, names)
}

func least(positions map[string]uint64, names []string) (uint64, error) {
	var lowest uint64
	for i, name := range names {
		p, known := positions[name]
		if !known {
			return 0, fmt.Errorf("there is no projection %q", name)
		}
		if i == 0 || p < lowest {
			lowest = p
		}
	}
	return lowest, nil
}

// look reads the checkpoints of what serves.
func (v *Views) look(ctx context.Context) (map[string]uint64, error) {
	rows, err := v.pool.Query(ctx, `SELECT name, version, position FROM cis.generation JOIN cis.serving USING (name, version, generation)`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	positions := map[string]uint64{}
	for rows.Next() {
		var name string
		var version int
		var position int64
		if err := rows.Scan(&name, &version, &position); err != nil {
			return nil, err
		}
		if p, known := v.all[name]; known && p.Version == version {
			positions[name] = uint64(max(0, position))
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.positions, v.read = positions, time.Now()
	return positions, nil
}

// Wait returns when everything up to a position is in the named projections, or when ctx ends. A checkpoint may stay
// behind a position because nothing between them concerns its projection; so that is looked up, too.
func (v *Views) Wait(ctx context.Context, position uint64, names ...string) error {
	for _, name := range names {
		if err := v.wait(ctx, position, name); err != nil {
			return err
		}
	}
	return nil
}

func (v *Views) wait(ctx context.Context, position uint64, name string) error {
	if at, err := v.Position(ctx, name); err != nil || at >= position {
		return err
	}
	pause := 2 * time.Millisecond
	ask := time.Now().Add(100 * time.Millisecond)
	for {
		positions, err := v.look(ctx)
		if err != nil {
			return err
		}
		at, err := least(positions, []string{name})
		if err != nil || at >= position {
			return err
		}
		if time.Now().After(ask) {
			ask = time.Now().Add(time.Second)
			if head, err := v.store.Head(ctx); err != nil {
				return err
			} else if head < position {
				return problem.ErrFuture
			}
			if none, err := v.store.NothingBetween(ctx, v.all[name].Prefixes, at, position); err != nil || none {
				return err
			}
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 50*time.Millisecond)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
