package projector

import (
	"context"
	"time"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Generation is a generation as the database says, whoever leads it.
type Generation struct {
	Name       string     `json:"name"`
	Version    int        `json:"version"`
	Generation int        `json:"generation"`
	State      string     `json:"state" enum:"serving,held,retired,filling"`
	Serving    bool       `json:"serving"`
	Position   int64      `json:"position"`
	Bytes      int64      `json:"bytes"`
	Created    time.Time  `json:"created"`
	Filled     *time.Time `json:"filled,omitempty"`
	Retired    *time.Time `json:"retired,omitempty"`
	Stopped    string     `json:"stopped,omitempty" doc:"Why it stands still"`
	Stuck      string     `json:"stuck,omitempty" doc:"In front of which fact: stream@revision"`
}

// List returns all generations in the database, with what they take on its disk.
func List(ctx context.Context, pool *pgxpool.Pool) ([]Generation, error) {
	rows, err := pool.Query(ctx, `
		SELECT g.name, g.version, g.generation,
			CASE WHEN s.generation IS NOT NULL THEN 'serving' WHEN g.retired IS NOT NULL THEN 'retired' WHEN g.filled IS NOT NULL THEN 'held' ELSE 'filling' END AS state,
			s.generation IS NOT NULL AS serving, g.position,
			coalesce((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
				WHERE n.nspname = format('p_%s_v%s_g%s', g.name, g.version, g.generation) AND c.relkind = 'r'), 0)::bigint AS bytes,
			g.created, g.filled, g.retired, g.stopped, g.stuck
		FROM cis.generation g
		LEFT JOIN cis.serving s USING (name, version, generation)
		ORDER BY g.name, g.version, g.generation`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Generation])
}

// ProjectionStatus is a projection with all its generations.
type ProjectionStatus struct {
	Name        string       `json:"name"`
	Version     int          `json:"version" doc:"Of the program's code for it"`
	Generation  int          `json:"generation" doc:"The one that serves; 0: none yet"`
	Position    uint64       `json:"position" doc:"It has seen the log up to here"`
	Head        uint64       `json:"head" doc:"Where the log ends"`
	Lag         Lag          `json:"lag"`
	Stopped     string       `json:"stopped,omitempty" doc:"Why it stands still"`
	Stuck       string       `json:"stuck,omitempty" doc:"In front of which fact: stream@revision"`
	Generations []Generation `json:"generations" doc:"All there are, those of other versions of the program included"`
}

// maxLag is up to how many facts are counted that a projection has not seen.
const maxLag = 100_000

// ProjectionStatus says how every projection is.
func (k *Keeper) Overview(ctx context.Context) ([]ProjectionStatus, error) {
	stored, err := List(ctx, k.pool)
	if err != nil {
		return nil, err
	}
	head, err := k.store.Head(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]ProjectionStatus, 0, len(k.all))
	for _, p := range k.all {
		o := ProjectionStatus{Name: p.Name, Version: p.Version, Head: head, Generations: []Generation{}}
		for _, s := range stored {
			if s.Name != p.Name {
				continue
			}
			o.Generations = append(o.Generations, s)
			if s.Serving && s.Version == p.Version {
				o.Generation, o.Position, o.Stopped, o.Stuck = s.Generation, uint64(s.Position), s.Stopped, s.Stuck
			}
		}
		if o.Lag, err = Behind(ctx, k.store, p, o.Position, maxLag); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// Lag is how far a projection is behind the log.
type Lag struct {
	Facts   int     `json:"facts" doc:"Of its streams that it has not seen; counted up to 100,000"`
	Seconds float64 `json:"seconds" doc:"Since the first of them was recorded"`
}

// Behind counts the records of a projection's streams behind a position, up to most.
func Behind(ctx context.Context, store *eventstore.Client, p Projection, position uint64, most int) (lag Lag, err error) {
	err = store.Follow(ctx, p.Prefixes, position, min(most, 1000), func(page eventstore.Page) error {
		if lag.Facts == 0 && len(page.Records) > 0 {
			lag.Seconds = max(0, time.Since(page.Records[0].Created).Seconds())
		}
		lag.Facts += len(page.Records)
		if page.CaughtUp || lag.Facts >= most {
			return eventstore.ErrDone
		}
		return nil
	})
	lag.Facts = min(lag.Facts, most)
	return lag, err
}
