package notifier

import (
	"context"
	"errors"
	"time"

	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// claims is the ledger as couriers use it.
type claims struct {
	pool    *pgxpool.Pool
	serving *projector.Serving
	owner   string // this process
	alone   bool   // no other process can be alive: their leases are over
}

// owed is a claimed row: somebody who was told less than there is to tell.
type owed struct {
	Kind      string
	Subject   string
	Recipient string
	Tenant    string
	Told      int
	Attempts  int
	Revision  int // to be told

	Suppressed bool // the address does not work
}

// claim leases up to n rows. Events take turns, so that a large one does not hold up the others. The lease is on disk
// before anything is sent, even where other commits need not be: forgetting it could send a mail twice.
func (c claims) claim(ctx context.Context, n int, lease time.Duration) (all []owed, err error) {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, projector.ByIndex); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, t.SQL(`SELECT uid FROM @.event WHERE due <= now() ORDER BY due, uid LIMIT 16 FOR UPDATE SKIP LOCKED`))
		if err != nil {
			return err
		}
		uids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(uids) == 0 {
			return err
		}
		if all, err = c.claimRows(ctx, tx, t, uids, max(1, n/len(uids)), lease); err != nil {
			return err
		}
		return requeue(ctx, tx, t, uids, all, max(1, n/len(uids)))
	})
	return all, err
}

// claimRows leases up to share rows of each event.
func (c claims) claimRows(ctx context.Context, tx pgx.Tx, t projector.Tables, uids []string, share int, lease time.Duration) (all []owed, err error) {
	batch := &pgx.Batch{}
	batch.Queue(`SET LOCAL synchronous_commit = on`)
	for _, uid := range uids {
		batch.Queue(t.SQL(`
			UPDATE @.mail AS m SET lease_until = now() + $3, lease_owner = $4
			FROM @.event AS e, (
				SELECT m.kind, m.recipient FROM @.mail AS m JOIN @.event AS e ON e.uid = m.subject
				WHERE m.subject = $1 AND m.told < e.revision AND (m.kind = 'invite' OR m.told < 1)
				AND m.due <= now() AND m.lease_until = '-infinity'
				LIMIT $2 FOR UPDATE OF m SKIP LOCKED) AS pick
			WHERE e.uid = $1 AND m.subject = $1 AND m.kind = pick.kind AND m.recipient = pick.recipient
			RETURNING m.kind, m.subject, m.recipient, m.tenant, m.told, m.attempts, e.revision,
				EXISTS (SELECT FROM @.suppressed AS s WHERE s.recipient = m.recipient)`), uid, share, lease, c.owner).
			Query(func(rows pgx.Rows) error {
				got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[owed])
				all = append(all, got...)
				return err
			})
	}
	err = tx.SendBatch(ctx, batch).Close() // runs the functions above
	return all, err
}

// requeue sends an event that may have more to the end of the queue; the others sleep until their next retry, or until
// a fact wakes them.
func requeue(ctx context.Context, tx pgx.Tx, t projector.Tables, uids []string, claimed []owed, share int) error {
	count := map[string]int{}
	for _, o := range claimed {
		count[o.Subject]++
	}
	batch := &pgx.Batch{}
	for _, uid := range uids {
		if count[uid] >= share {
			batch.Queue(t.SQL(`UPDATE @.event SET due = now() WHERE uid = $1`), uid)
			continue
		}
		batch.Queue(t.SQL(`
			UPDATE @.event AS e SET due = coalesce((
				SELECT min(m.due) FROM @.mail AS m
				WHERE m.subject = e.uid AND m.told < e.revision AND (m.kind = 'invite' OR m.told < 1) AND m.lease_until = '-infinity'), 'infinity')
			WHERE uid = $1`), uid)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// postpone hands a row back, to be tried again later.
func (c claims) postpone(ctx context.Context, o owed, pause time.Duration, countAttempt bool) error {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return err
	}
	attempts := o.Attempts
	if countAttempt {
		attempts++
	}
	return c.release(ctx, t, `due = now() + $4, attempts = $5`, o, pause, attempts)
}

// skip settles a row without a mail and without a fact: nothing is owed to somebody whose event is over. A rebuilt
// ledger finds that out again.
func (c claims) skip(ctx context.Context, o owed, revision int) error {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return err
	}
	return c.release(ctx, t, `told = greatest(told, $4::int), due = now() + make_interval(secs => $5::int)`, o, revision, 0)
}

// release ends a lease and makes the event due when the row is.
func (c claims) release(ctx context.Context, t projector.Tables, set string, o owed, args ...any) error {
	_, err := c.pool.Exec(ctx, t.SQL(`
		WITH freed AS (
			UPDATE @.mail SET lease_until = '-infinity', `+set+`
			WHERE kind = $1 AND subject = $2 AND recipient = $3 RETURNING subject, due)
		UPDATE @.event AS e SET due = least(e.due, f.due) FROM freed AS f WHERE e.uid = f.subject`),
		append([]any{o.Kind, o.Subject, o.Recipient}, args...)...)
	return err
}

// eventOf finds an event of an organizer; empty if there is none.
func (c claims) eventOf(ctx context.Context, organizer string) (string, error) {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return "", err
	}
	var uid string
	err = c.pool.QueryRow(ctx, t.SQL(`SELECT uid FROM @.organizer WHERE id = $1`), organizer).Scan(&uid)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return uid, err
}

// expired returns rows whose courier has been silent past its lease, or is known to be dead.
func (c claims) expired(ctx context.Context, n int) ([]owed, error) {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.pool.Query(ctx, t.SQL(`
		SELECT m.kind, m.subject, m.recipient, m.tenant, m.told, m.attempts, e.revision, false
		FROM @.mail AS m JOIN @.event AS e ON e.uid = m.subject
		WHERE m.lease_until > '-infinity' AND (m.lease_until < now() OR $2 AND m.lease_owner <> $3) LIMIT $1`), n, c.alone, c.owner)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[owed])
}
