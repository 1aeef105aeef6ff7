package projector

import (
	"context"
	"errors"
	"fmt"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/jackc/pgx/v5"
)

// Rebuild fills a new generation of a projection from the start of the log, beside the one that serves, and switches to
// it when it has caught up. progress is told the position after each page; it may be nil. On failure nothing changes.
func (r *Runner) Rebuild(ctx context.Context, name string, progress func(position uint64)) error {
	for _, p := range r.all {
		if p.p.Name == name {
			return p.rebuild(ctx, progress)
		}
	}
	return fmt.Errorf("there is no projection %q", name)
}

func (p *running) rebuild(ctx context.Context, progress func(uint64)) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	old, err := ensureServing(ctx, p.pool, p.p, p.logID)
	if err != nil {
		return err
	}
	next := generation{p: p.p, number: old.number + 1}
	if err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if err := next.drop(ctx, tx); err != nil { // what an earlier, interrupted rebuild left
			return err
		}
		return next.create(ctx, tx, p.logID)
	}); err != nil {
		return fmt.Errorf("rebuilding %s: %w", p.p.Name, err)
	}
	shadow := &running{Runner: p.Runner, p: p.p, reads: p.reads, gen: next, changed: make(chan struct{})}
	sub := p.store.NewSubscriber(eventstore.SubscriberOptions{
		StreamPrefixes: p.p.Prefixes, PageSize: 10 * p.p.PageSize,
		Checkpoint: func(context.Context) (uint64, error) { return shadow.at(), nil },
	})
	defer func() { _ = sub.Close() }()
	messages, err := sub.Subscribe(ctx, "rebuild/"+p.p.Name)
	if err != nil {
		return err
	}
	for msg := range messages {
		page := eventstore.PageOf(msg)
		if err := shadow.applyPage(ctx, page); err != nil {
			msg.Nack()
			return fmt.Errorf("rebuilding: %w", err)
		}
		if progress != nil {
			progress(page.Position)
		}
		if page.CaughtUp {
			switched, err := p.switchTo(ctx, old, next)
			if err != nil || switched {
				msg.Ack()
				return err
			}
		}
		msg.Ack()
	}
	return ctx.Err()
}

// switchTo makes a generation serve if it is at least as far as the one that does. The live runner sees that its
// checkpoint moved and goes on with the new generation.
func (p *running) switchTo(ctx context.Context, old, next generation) (bool, error) {
	errBehind := errors.New("behind")
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		var oldPos, newPos int64
		// Locking the old checkpoint keeps the live runner from moving it meanwhile.
		err := tx.QueryRow(ctx, `SELECT position FROM cis.generation WHERE name = $1 AND version = $2 AND generation = $3 FOR UPDATE`, p.p.Name, p.p.Version, old.number).Scan(&oldPos)
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT position FROM cis.generation WHERE name = $1 AND version = $2 AND generation = $3`, p.p.Name, p.p.Version, next.number).Scan(&newPos); err != nil {
			return err
		}
		if newPos < oldPos {
			return errBehind
		}
		if _, err := tx.Exec(ctx, `UPDATE cis.serving SET generation = $3 WHERE name = $1 AND version = $2`, p.p.Name, p.p.Version, next.number); err != nil {
			return err
		}
		// A position no page starts at: the live runner's next compare-and-set fails and it looks again.
		_, err = tx.Exec(ctx, `UPDATE cis.generation SET position = -1 WHERE name = $1 AND version = $2 AND generation = $3`, p.p.Name, p.p.Version, old.number)
		return err
	})
	if errors.Is(err, errBehind) {
		return false, nil
	}
	return err == nil, err
}
