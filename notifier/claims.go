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
	Reminder  int // to be told; 0: none

	Suppressed bool // the address does not work
	Unwanted   bool // they want no invitations, of this organizer or of anybody
}

// silent says that nothing goes to the recipient. Who wants no invitations still hears about what they do themselves.
func (o owed) silent() bool { return o.Suppressed || o.Unwanted && o.Kind == kindInvite }

// claim leases up to n rows of one queue. Events take turns, so that a large one does not hold up the others. The lease is
// on disk before anything is sent, even where other commits need not be: forgetting it could send a mail twice.
func (c claims) claim(ctx context.Context, prompt bool, n int, lease time.Duration) (all []owed, err error) {
	err = c.serving.Work(ctx, func(tx pgx.Tx, t projector.Tables) error {
		if _, err := tx.Exec(ctx, projector.ByIndex); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, t.SQL(`
			SELECT uid FROM @.queue WHERE prompt = $1 AND due <= now() AND due < 'infinity' ORDER BY due, uid LIMIT 16 FOR UPDATE SKIP LOCKED`), prompt)
		if err != nil {
			return err
		}
		uids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(uids) == 0 {
			return err
		}
		share := max(1, n/len(uids))
		if all, err = c.claimRows(ctx, tx, t, prompt, uids, share, lease); err != nil {
			return err
		}
		return requeue(ctx, tx, t, prompt, uids, all, share)
	})
	return all, err
}

// What of an event's rows is owed. A change waits until it is settled; who was never told gets it with the invitation. A
// suspended organizer's invitations wait, as does a paused table.
const (
	untold     = `m.told < e.revision AND (m.kind = 'invite' OR m.told < 1)`
	unreminded = `m.kind = 'invite' AND m.reminded < e.reminder AND m.opened < e.reminder_at`

	owes = `NOT m.fenced AND ` + untold + `
		AND NOT (e.held AND NOT e.cancelled AND m.kind = 'invite') AND NOT EXISTS (SELECT FROM @.paused AS p WHERE p.bulk = m.bulk)`
	owesContent  = owes + ` AND (m.told = 0 OR e.settled <= now())`
	owesReminder = `NOT m.fenced AND ` + unreminded + ` AND m.told >= e.revision AND NOT e.held`
)

// claimRows leases up to share rows of each event.
func (c claims) claimRows(ctx context.Context, tx pgx.Tx, t projector.Tables, prompt bool, uids []string, share int, lease time.Duration) (all []owed, err error) {
	batch := &pgx.Batch{}
	batch.Queue(`SET LOCAL synchronous_commit = on`)
	pick := func(what, uid string) {
		batch.Queue(t.SQL(`
			UPDATE @.mail AS m SET lease_until = now() + $3, lease_owner = $4
			FROM @.event AS e, (
				SELECT m.kind, m.recipient FROM @.mail AS m JOIN @.event AS e ON e.uid = m.subject
				WHERE m.subject = $1 AND m.prompt = $5 AND `+what+` AND m.due <= now() AND m.lease_until = '-infinity'
				LIMIT $2 FOR UPDATE OF m SKIP LOCKED) AS pick
			WHERE e.uid = $1 AND m.subject = $1 AND m.kind = pick.kind AND m.recipient = pick.recipient
			RETURNING m.kind, m.subject, m.recipient, m.tenant, m.told, m.attempts, e.revision,
				CASE WHEN m.kind = 'invite' AND m.opened < e.reminder_at AND m.reminded < e.reminder THEN e.reminder ELSE 0 END,
				EXISTS (SELECT FROM @.silent AS s WHERE s.recipient = m.recipient AND s.suppressed),
				EXISTS (SELECT FROM @.silent AS s WHERE s.recipient = m.recipient AND s.unsubscribed)
					OR EXISTS (SELECT FROM @.blocked AS b WHERE b.recipient = m.recipient AND b.organizer = e.organizer)`), uid, share, lease, c.owner, prompt).
			Query(func(rows pgx.Rows) error {
				got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[owed])
				all = append(all, got...)
				return err
			})
	}
	for _, uid := range uids {
		pick(owesContent, uid)
		if !prompt {
			pick(owesReminder, uid)
		}
	}
	err = tx.SendBatch(ctx, batch).Close() // runs the functions above
	return all, err
}

// requeue sends an event that may have more to the end of the queue; the others sleep until their next retry, until what
// changed is settled, or until a fact wakes them.
func requeue(ctx context.Context, tx pgx.Tx, t projector.Tables, prompt bool, uids []string, claimed []owed, share int) error {
	count := map[string]int{}
	for _, o := range claimed {
		count[o.Subject]++
	}
	next := func(what string) string {
		return `(SELECT min(greatest(m.due, CASE WHEN m.told > 0 THEN e.settled END)) FROM @.mail AS m
			WHERE m.subject = e.uid AND m.prompt = $2 AND m.lease_until = '-infinity' AND ` + what + `)`
	}
	batch := &pgx.Batch{}
	for _, uid := range uids {
		if count[uid] >= share {
			batch.Queue(t.SQL(`UPDATE @.queue SET due = now() WHERE uid = $1 AND prompt = $2`), uid, prompt)
			continue
		}
		due := next(owes)
		if !prompt {
			due = `least(` + due + `, ` + next(owesReminder) + `)`
		}
		batch.Queue(t.SQL(`UPDATE @.queue AS q SET due = coalesce(`+due+`, 'infinity') FROM @.event AS e WHERE q.uid = $1 AND e.uid = $1 AND q.prompt = $2`), uid, prompt)
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
func (c claims) skip(ctx context.Context, o owed, revision, reminder int) error {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return err
	}
	return c.release(ctx, t, `told = greatest(told, $4::int), reminded = greatest(reminded, $5::int), due = '-infinity'`, o, revision, reminder)
}

// release ends a lease and makes the event due when the row is.
func (c claims) release(ctx context.Context, t projector.Tables, set string, o owed, args ...any) error {
	_, err := c.pool.Exec(ctx, t.SQL(`
		WITH freed AS (
			UPDATE @.mail SET lease_until = '-infinity', `+set+`
			WHERE kind = $1 AND subject = $2 AND recipient = $3 RETURNING subject, prompt, due)
		UPDATE @.queue AS q SET due = least(q.due, f.due) FROM freed AS f WHERE q.uid = f.subject AND q.prompt = f.prompt`),
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
		SELECT m.kind, m.subject, m.recipient, m.tenant, m.told, m.attempts, e.revision, 0, false, false
		FROM @.mail AS m JOIN @.event AS e ON e.uid = m.subject
		WHERE m.lease_until > '-infinity' AND (m.lease_until < now() OR $2 AND m.lease_owner <> $3) LIMIT $1`), n, c.alone, c.owner)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[owed])
}

// today is how many mails were handed to attendees since midnight, UTC.
func (c claims) today(ctx context.Context, now time.Time) (n int64, err error) {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return 0, err
	}
	err = c.pool.QueryRow(ctx, t.SQL(`SELECT coalesce((SELECT mails FROM @.day WHERE day = $1), 0)`), now.UTC().Truncate(24*time.Hour)).Scan(&n)
	return n, err
}

// alarm is an event whose reminders are to be looked at.
type alarm struct {
	UID      string
	Tenant   string
	Since    time.Time
	Position int64
}

// alarms returns events to look at.
func (c claims) alarms(ctx context.Context, n int) ([]alarm, error) {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := c.pool.Query(ctx, t.SQL(`SELECT uid, tenant, since, position FROM @.event WHERE look <= now() AND look < 'infinity' ORDER BY look LIMIT $1`), n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[alarm])
}

// looked sets when to look again, unless something happened to the event meanwhile. The zero time is never.
func (c claims) looked(ctx context.Context, a alarm, next time.Time) error {
	t, err := c.serving.Tables(ctx)
	if err != nil {
		return err
	}
	var at *time.Time
	if !next.IsZero() {
		at = &next
	}
	_, err = c.pool.Exec(ctx, t.SQL(`UPDATE @.event SET look = coalesce($3, 'infinity') WHERE uid = $1 AND position = $2`), a.UID, a.Position, at)
	return err
}

// Progress is how many of a table's invitations were sent, and how many are still to be.
func Progress(ctx context.Context, pool *pgxpool.Pool, bulkID string) (sent, owed int64, err error) {
	t, err := projector.NewServing(pool, Projection(0, nil)).Tables(ctx)
	if err != nil {
		return 0, 0, err
	}
	err = pool.QueryRow(ctx, t.SQL(`SELECT count(*) FILTER (WHERE told > 0), count(*) FILTER (WHERE told = 0) FROM @.mail WHERE bulk = $1`), bulkID).Scan(&sent, &owed)
	return sent, owed, err
}

// Silent is somebody who gets nothing.
type Silent struct {
	Recipient    string
	Suppressed   bool
	Unsubscribed bool
}

// ListSilent lists people of a tenant who get nothing because their address does not work or because they want nothing.
func ListSilent(ctx context.Context, pool *pgxpool.Pool, tenant string, limit int) ([]Silent, error) {
	return projector.Collect[Silent](ctx, projector.NewServing(pool, Projection(0, nil)), tenant,
		`SELECT recipient, suppressed, unsubscribed FROM @.silent WHERE tenant = $1 AND (suppressed OR unsubscribed) ORDER BY recipient LIMIT $2`, tenant, limit)
}

// Owed is a mail that is to be sent.
type Owed struct {
	Kind, Subject, Recipient string
	Attempts                 int
	Due                      time.Time
	Sending                  bool
}

// ListOwed lists mails of a tenant that are to be sent, the one that is due first in front. What an event's organizer may
// not send, or somebody made wait, is among them.
func ListOwed(ctx context.Context, pool *pgxpool.Pool, tenant string, limit int) ([]Owed, error) {
	return projector.Collect[Owed](ctx, projector.NewServing(pool, Projection(0, nil)), tenant, `
		SELECT m.kind, m.subject, m.recipient, m.attempts, greatest(m.due, e.since, '1970-01-01'::timestamptz), m.lease_until > now()
		FROM @.mail AS m JOIN @.event AS e ON e.uid = m.subject
		WHERE m.tenant = $1 AND `+untold+` ORDER BY 5, m.subject, m.recipient LIMIT $2`, tenant, limit)
}
