package projector

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// leaderLock is held by whoever leads the projection $1.
const leaderLock = `hashtext('cis.leader'), hashtext($1)`

// leader elects one process per projection with an advisory lock on a connection of its own. It only elects: a leader
// that does not know yet that it lost is stopped by the checkpoint.
type leader struct {
	pool *pgxpool.Pool
	name string
	log  *slog.Logger
	held atomic.Bool
	got  chan struct{} // one token whenever the lock was won
}

func newLeader(pool *pgxpool.Pool, name string, log *slog.Logger) *leader {
	return &leader{pool: pool, name: name, log: log, got: make(chan struct{}, 1)}
}

// run competes until ctx ends.
func (l *leader) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.term(ctx); err != nil && ctx.Err() == nil {
			l.log.Info("projector: leadership lost", "projection", l.name, "reason", err)
		}
		l.held.Store(false)
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// term waits for the lock and holds it as long as the connection lives.
func (l *leader) term(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	for {
		var won bool
		if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(`+leaderLock+`)`, l.name).Scan(&won); err != nil {
			return err
		}
		if won {
			break
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.held.Store(true)
	select {
	case l.got <- struct{}{}:
	default:
	}
	for {
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := conn.Ping(ctx); err != nil {
			return err
		}
	}
}

// wait returns when this process leads.
func (l *leader) wait(ctx context.Context) error {
	for !l.held.Load() {
		select {
		case <-l.got:
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
