package inbox

import (
	"context"
	"time"

	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const todoTables = `
-- Mails received and not handled. Losing this table loses nothing: it is filled again from the log.
CREATE TABLE @.todo (
	mail_id     text        PRIMARY KEY,
	tenant      text        NOT NULL,
	position    bigint      NOT NULL,
	lane        text        NOT NULL,
	received    timestamptz NOT NULL,
	attempts    int         NOT NULL DEFAULT 0,
	due         timestamptz NOT NULL DEFAULT '-infinity',
	lease_until timestamptz NOT NULL DEFAULT '-infinity',
	lease_owner text        NOT NULL DEFAULT '', -- the process it is handled in
	poison      boolean     NOT NULL DEFAULT false -- not tried again; the server's log says why: the reason may quote a mail
);
CREATE INDEX ON @.todo (lane, position);
CREATE INDEX ON @.todo (position) WHERE NOT poison;`

// Projection is the to-do list: mails received minus mails handled. wake is called after every page.
func Projection(wake func(caughtUp bool)) projector.Projection {
	return projector.Projection{
		Name: "inbox", Version: 1, Prefixes: []string{mail.StreamPrefix}, Tables: todoTables, Apply: apply,
		Applied: func(_ uint64, caughtUp bool) { wake(caughtUp) },
	}
}

func apply(ctx context.Context, tx projector.Tx, page []facts.Recorded) error {
	var ids, tenants, lanes, handled []string
	var positions []int64
	var received []time.Time
	for _, rec := range page {
		switch f := rec.Fact.(type) {
		case mail.MailReceived:
			ids, tenants, lanes = append(ids, f.MailID), append(tenants, f.Tenant), append(lanes, f.Lane)
			positions, received = append(positions, int64(rec.Position)), append(received, f.Received)
		case mail.MailHandled:
			handled = append(handled, f.MailID)
		}
	}
	batch := &pgx.Batch{}
	if len(ids) > 0 {
		batch.Queue(tx.Tables.SQL(`
			INSERT INTO @.todo (mail_id, tenant, position, lane, received)
			SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[])
			ON CONFLICT DO NOTHING`), ids, tenants, positions, lanes, received)
	}
	if len(handled) > 0 {
		batch.Queue(tx.Tables.SQL(`DELETE FROM @.todo WHERE mail_id = ANY($1)`), handled)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// todo is the list as the worker uses it.
type todo struct {
	pool    *pgxpool.Pool
	serving *projector.Serving
	owner   string // this process
	alone   bool   // no other process can be alive: their leases are over
}

// task is a claimed mail.
type task struct {
	MailID   string
	Tenant   string
	Received time.Time
	Attempts int
}

// claim leases up to n mails, the oldest of each lane.
func (l todo) claim(ctx context.Context, n int, lease time.Duration) ([]task, error) {
	t, err := l.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	var tasks []task
	err = pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(projector.ByIndex)
		batch.Queue(t.SQL(`
			UPDATE @.todo SET lease_until = now() + $2, lease_owner = $3, attempts = attempts + 1
			WHERE mail_id IN (
				SELECT mail_id FROM @.todo t
				WHERE NOT poison AND due <= now() AND (lease_until <= now() OR $4 AND lease_owner <> $3)
				AND NOT EXISTS (SELECT FROM @.todo e WHERE e.lane = t.lane AND e.position < t.position AND NOT e.poison)
				ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED)
			RETURNING mail_id, tenant, received, attempts`), n, lease, l.owner, l.alone).
			Query(func(rows pgx.Rows) (err error) {
				tasks, err = pgx.CollectRows(rows, pgx.RowToStructByPos[task])
				return err
			})
		return tx.SendBatch(ctx, batch).Close()
	})
	return tasks, err
}

// postpone gives a mail back, to be tried again later.
func (l todo) postpone(ctx context.Context, id string, pause time.Duration) error {
	t, err := l.serving.Tables(ctx)
	if err != nil {
		return err
	}
	_, err = l.pool.Exec(ctx, t.SQL(`UPDATE @.todo SET due = now() + $2, lease_until = '-infinity' WHERE mail_id = $1`), id, pause)
	return err
}

// poison takes a mail that cannot be handled out of its lane's way.
func (l todo) poison(ctx context.Context, id string) error {
	t, err := l.serving.Tables(ctx)
	if err != nil {
		return err
	}
	_, err = l.pool.Exec(ctx, t.SQL(`UPDATE @.todo SET poison = true WHERE mail_id = $1`), id)
	return err
}
