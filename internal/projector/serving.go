package projector

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Serving finds the tables that serve a projection's readers. It looks at most every tenth of a second, so that a
// switch is seen almost at once and a read costs no second query.
type Serving struct {
	pool  *pgxpool.Pool
	db    querier // the pool, or the transaction that fixed is in
	p     Projection
	fixed Tables                      // the only ones; empty: those that serve
	fill  func(context.Context) error // fixed, before it is looked at; nil: it is filled

	mu     sync.Mutex
	tables Tables
	read   time.Time
}

// querier is a pool, or a transaction.
type querier interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// NewServing makes a finder for a projection.
func NewServing(pool *pgxpool.Pool, p Projection) *Serving {
	return &Serving{pool: pool, db: pool, p: p}
}

const selectServing = `SELECT generation FROM cis.serving WHERE name = $1 AND version = $2`

// Tables returns the schema that serves now. It fails before the projection ran for the first time.
func (s *Serving) Tables(ctx context.Context) (Tables, error) {
	if s.fixed != "" {
		if s.fill != nil {
			return s.fixed, s.fill(ctx)
		}
		return s.fixed, nil
	}
	s.mu.Lock()
	tables, age := s.tables, time.Since(s.read)
	s.mu.Unlock()
	if tables != "" && age < 100*time.Millisecond {
		return tables, nil
	}
	g := generation{p: s.p}
	err := s.pool.QueryRow(ctx, selectServing, s.p.Name, s.p.Version).Scan(&g.number)
	if err != nil {
		return "", fmt.Errorf("projection %s: no generation serves: %w", s.p.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables, s.read = g.tables(), time.Now()
	return s.tables, nil
}

// Work runs f in a transaction during which the tables it is given go on serving: what a worker claims must not be free
// in a generation that takes over meanwhile. It does not run f before the tables had caught up with the log once: while a
// database is being filled, they show work that was done long ago.
func (s *Serving) Work(ctx context.Context, f func(pgx.Tx, Tables) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		g := generation{p: s.p}
		batch := &pgx.Batch{}
		batch.Queue(`SELECT pg_advisory_xact_lock_shared(`+switchLock+`)`, s.p.Name)
		filled := false
		batch.Queue(`SELECT generation, filled IS NOT NULL FROM cis.serving JOIN cis.generation USING (name, version, generation) WHERE name = $1 AND version = $2`,
			s.p.Name, s.p.Version).QueryRow(func(row pgx.Row) error { return row.Scan(&g.number, &filled) })
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("projection %s: no generation serves: %w", s.p.Name, err)
		}
		if !filled {
			return nil
		}
		return f(tx, g.tables())
	})
}

// switchLock is held while another generation takes over; workers share it while they claim.
const switchLock = `hashtext('cis.switch'), hashtext($1)`
