package inbox

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/schema"
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
	held        text        NOT NULL DEFAULT '', -- why somebody must decide first
	released    boolean     NOT NULL DEFAULT false, -- somebody vouched for it
	fenced      boolean     NOT NULL DEFAULT false, -- received before the log was brought back: it may have been handled since
	attempts    int         NOT NULL DEFAULT 0,
	due         timestamptz NOT NULL DEFAULT '-infinity',
	lease_until timestamptz NOT NULL DEFAULT '-infinity',
	lease_owner text        NOT NULL DEFAULT '', -- the process it is handled in
	poison      boolean     NOT NULL DEFAULT false -- not tried again; the server's log says why: the reason may quote a mail
);
CREATE INDEX ON @.todo (lane, position);
CREATE INDEX ON @.todo (position) WHERE NOT poison AND held = '';
-- Whose events there are, to find an organizer by the address answers come to, and an event by a bounce address.
CREATE TABLE @.event (
	uid          text COLLATE "C" PRIMARY KEY,
	organizer_id text NOT NULL,
	token        text NOT NULL -- of the reply address
);
CREATE INDEX ON @.event (token);`

// Projection is the to-do list: mails received minus mails handled. wake is called after every page.
func Projection(wake func(caughtUp bool)) projector.Projection {
	return projector.Projection{
		Name: "inbox", Version: 3, Prefixes: []string{mail.StreamPrefix, event.StreamPrefix, logbook.Stream}, Tables: todoTables, Apply: apply,
		Reads: []schema.Fact{
			mail.MailReceived{}, mail.MailHandled{}, mail.MailHeld{}, mail.MailReleased{}, mail.MailDropped{}, event.EventCreated{}, logbook.LogRestored{}, logbook.OwedReleased{},
		},
		Working: []projector.Working{{Table: "todo", Kept: []string{"attempts", "due", "lease_until", "lease_owner", "poison"}}},
		Applied: func(_ uint64, caughtUp bool) { wake(caughtUp) },
	}
}

// todoPage is a page of facts folded per mail.
type todoPage struct {
	received []mail.MailReceived
	position []int64
	held     map[string]string // mail → reason; empty: released
	done     map[string]bool
	events   map[string]event.EventCreated
}

func apply(ctx context.Context, tx projector.Tx, page []facts.Recorded) error {
	batch := &pgx.Batch{}
	p := newTodoPage()
	for _, rec := range page {
		switch f := rec.Fact.(type) {
		case mail.MailReceived:
			p.received, p.position = append(p.received, f), append(p.position, int64(rec.Position))
		case mail.MailHeld:
			p.held[f.MailID] = f.Reason
		case mail.MailReleased:
			p.held[f.MailID] = ""
		case mail.MailDropped:
			p.done[f.MailID] = true
		case mail.MailHandled:
			p.done[f.MailID] = true
		case event.EventCreated:
			p.events[f.UID] = f
		case logbook.LogRestored: // about all rows there are by then
			p.queue(batch, tx.Tables)
			p = newTodoPage()
			batch.Queue(tx.Tables.SQL(`UPDATE @.todo SET fenced = true`))
		case logbook.OwedReleased:
			p.queue(batch, tx.Tables)
			p = newTodoPage()
			if f.What == "" || f.What == logbook.Inbox {
				batch.Queue(tx.Tables.SQL(`UPDATE @.todo SET fenced = false, due = '-infinity'`))
			}
		}
	}
	p.queue(batch, tx.Tables)
	return tx.SendBatch(ctx, batch).Close()
}

func newTodoPage() *todoPage {
	return &todoPage{held: map[string]string{}, done: map[string]bool{}, events: map[string]event.EventCreated{}}
}

func (p *todoPage) queue(batch *pgx.Batch, t projector.Tables) {
	if len(p.received) > 0 {
		var ids, tenants, lanes []string
		var received []time.Time
		for _, f := range p.received {
			ids, tenants, lanes, received = append(ids, f.MailID), append(tenants, f.Tenant), append(lanes, f.Lane), append(received, f.Received)
		}
		batch.Queue(t.SQL(`
			INSERT INTO @.todo (mail_id, tenant, position, lane, received)
			SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[])
			ON CONFLICT DO NOTHING`), ids, tenants, p.position, lanes, received)
	}
	if len(p.held) > 0 {
		var ids, reasons []string
		for id, reason := range p.held {
			ids, reasons = append(ids, id), append(reasons, reason)
		}
		batch.Queue(t.SQL(`
			UPDATE @.todo AS t SET held = n.reason, released = n.reason = '', attempts = 0, due = '-infinity', lease_until = '-infinity'
			FROM unnest($1::text[], $2::text[]) AS n (id, reason) WHERE t.mail_id = n.id`), ids, reasons)
	}
	if len(p.done) > 0 {
		var ids []string
		for id := range p.done {
			ids = append(ids, id)
		}
		batch.Queue(t.SQL(`DELETE FROM @.todo WHERE mail_id = ANY($1)`), ids)
	}
	p.queueEvents(batch, t)
}

func (p *todoPage) queueEvents(batch *pgx.Batch, t projector.Tables) {
	if len(p.events) == 0 {
		return
	}
	var uids, organizers, tokens []string
	for uid := range p.events {
		uids = append(uids, uid)
	}
	sort.Strings(uids)
	for _, uid := range uids {
		local, _, _ := strings.Cut(p.events[uid].ReplyTo, "@")
		_, token, _ := strings.Cut(local, "+")
		organizers, tokens = append(organizers, p.events[uid].OrganizerID), append(tokens, token)
	}
	batch.Queue(t.SQL(`
		INSERT INTO @.event (uid, organizer_id, token) SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING`),
		uids, organizers, tokens)
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
	Released bool
}

// claim leases up to n mails, the oldest of each lane.
func (l todo) claim(ctx context.Context, n int, lease time.Duration) ([]task, error) {
	var tasks []task
	err := l.serving.Work(ctx, func(tx pgx.Tx, t projector.Tables) error {
		batch := &pgx.Batch{}
		batch.Queue(projector.ByIndex)
		batch.Queue(t.SQL(`
			UPDATE @.todo SET lease_until = now() + $2, lease_owner = $3, attempts = attempts + 1
			WHERE mail_id IN (
				SELECT mail_id FROM @.todo t
				WHERE NOT poison AND held = '' AND NOT fenced AND due <= now() AND (lease_until <= now() OR $4 AND lease_owner <> $3)
				AND NOT EXISTS (SELECT FROM @.todo e WHERE e.lane = t.lane AND e.position < t.position AND NOT e.poison AND e.held = '')
				ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED)
			RETURNING mail_id, tenant, received, attempts, released`), n, lease, l.owner, l.alone).
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
	return l.set(ctx, `due = now() + $2, lease_until = '-infinity'`, id, pause)
}

// poison takes a mail that cannot be handled out of its lane's way.
func (l todo) poison(ctx context.Context, id string) error {
	return l.set(ctx, `poison = true`, id)
}

func (l todo) set(ctx context.Context, what, id string, args ...any) error {
	t, err := l.serving.Tables(ctx)
	if err != nil {
		return err
	}
	_, err = l.pool.Exec(ctx, t.SQL(`UPDATE @.todo SET `+what+` WHERE mail_id = $1`), append([]any{id}, args...)...)
	return err
}

// organizer finds who the address with this token belongs to; empty if nobody.
func (l todo) organizer(ctx context.Context, token string) (id string, err error) {
	err = l.row(ctx, `SELECT organizer_id FROM @.event WHERE token = $1 LIMIT 1`, token, &id)
	return id, err
}

// eventWith finds the event whose UID begins with prefix; empty if there is none.
func (l todo) eventWith(ctx context.Context, prefix string) (uid string, err error) {
	err = l.row(ctx, `SELECT uid FROM @.event WHERE uid >= $1 AND uid < $1 || '~' LIMIT 1`, prefix, &uid)
	return uid, err
}

func (l todo) row(ctx context.Context, sql, arg string, out *string) error {
	t, err := l.serving.Tables(ctx)
	if err != nil {
		return err
	}
	rows, err := l.pool.Query(ctx, t.SQL(sql), arg)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if len(found) > 0 {
		*out = found[0]
	}
	return err
}

// Fenced counts mails that are held since the log was brought back, of all tenants.
func Fenced(ctx context.Context, pool *pgxpool.Pool) (n int, err error) {
	t, err := projector.NewServing(pool, Projection(nil)).Tables(ctx)
	if err != nil {
		return 0, err
	}
	err = pool.QueryRow(ctx, t.SQL(`SELECT count(*) FROM @.todo WHERE fenced AND held = '' AND NOT poison`)).Scan(&n)
	return n, err
}

// PoisonMail is a mail that could not be handled and was set aside.
type PoisonMail struct {
	MailID   string    `json:"mail"`
	Tenant   string    `json:"tenant"`
	Received time.Time `json:"received"`
	Attempts int       `json:"attempts"`
}

// ListPoison lists mails of all tenants that were set aside.
func ListPoison(ctx context.Context, pool *pgxpool.Pool) ([]PoisonMail, error) {
	t, err := projector.NewServing(pool, Projection(nil)).Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, t.SQL(`SELECT mail_id, tenant, received, attempts FROM @.todo WHERE poison ORDER BY position`))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[PoisonMail])
}

// Retry has a mail that was set aside tried again, and says whether it was.
func Retry(ctx context.Context, pool *pgxpool.Pool, mailID string) (bool, error) {
	t, err := projector.NewServing(pool, Projection(nil)).Tables(ctx)
	if err != nil {
		return false, err
	}
	tag, err := pool.Exec(ctx, t.SQL(`UPDATE @.todo SET poison = false, attempts = 0, due = '-infinity', lease_until = '-infinity' WHERE mail_id = $1 AND poison`), mailID)
	return err == nil && tag.RowsAffected() == 1, err
}

// HeldMail is a mail that somebody must decide about.
type HeldMail struct {
	MailID   string
	Reason   string
	Received time.Time
}

// ListHeld lists a tenant's held mails, oldest first.
func ListHeld(ctx context.Context, pool *pgxpool.Pool, tenant string, limit int) ([]HeldMail, error) {
	return projector.Collect[HeldMail](ctx, projector.NewServing(pool, Projection(nil)), tenant,
		`SELECT mail_id, held, received FROM @.todo WHERE held <> '' AND tenant = $1 ORDER BY position LIMIT $2`, tenant, limit)
}
