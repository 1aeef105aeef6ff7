package projector

import (
	"context"
	"time"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Stored is a generation as the database says, whoever leads it.
type Stored struct {
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
}

// List returns all generations in the database, with what they take on its disk.
func List(ctx context.Context, pool *pgxpool.Pool) ([]Stored, error) {
	rows, err := pool.Query(ctx, `
		SELECT g.name, g.version, g.generation,
			CASE WHEN s.generation IS NOT NULL THEN 'serving' WHEN g.retired IS NOT NULL THEN 'retired' WHEN g.filled IS NOT NULL THEN 'held' ELSE 'filling' END AS state,
			s.generation IS NOT NULL AS serving, g.position,
			coalesce((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
				WHERE n.nspname = format('p_%s_v%s_g%s', g.name, g.version, g.generation) AND c.relkind = 'r'), 0)::bigint AS bytes,
			g.created, g.filled, g.retired
		FROM cis.generation g
		LEFT JOIN cis.serving s USING (name, version, generation)
		ORDER BY g.name, g.version, g.generation`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Stored])
}

// Lag is how far a projection is behind the log.
type Lag struct {
	Facts   int     `json:"facts"`   // of its streams that it has not seen; at most what was asked for
	Seconds float64 `json:"seconds"` // since the first of them was recorded
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
