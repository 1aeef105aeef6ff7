package bulk

import (
	"context"
	_ "embed" // tables.sql
	"time"

	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed tables.sql
var tables string

// Projection keeps what there is to work off. wake is called after every page.
func Projection(wake func(caughtUp bool)) projector.Projection {
	return projector.Projection{
		Name: "bulk", Version: 2, Prefixes: []string{bulk.StreamPrefix, logbook.Stream}, Tables: tables, Apply: projector.PerFact(queue),
		Working: []projector.Working{{Table: "bulk", Kept: []string{"attempts", "due", "lease_until", "lease_owner"}}},
		Applied: func(_ uint64, caughtUp bool) { wake(caughtUp) },
	}
}

func queue(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
	set := func(id, what string, args ...any) {
		batch.Queue(t.SQL(`UPDATE @.bulk SET `+what+` WHERE bulk_id = $1`), append([]any{id}, args...)...)
	}
	switch f := rec.Fact.(type) {
	case bulk.BulkStarted:
		batch.Queue(t.SQL(`INSERT INTO @.bulk (bulk_id, tenant, organizer, rows, started) VALUES ($1, $2, $3, $4, $5)`), f.BulkID, f.Tenant, f.OrganizerID, f.Rows, rec.Created)
	case bulk.BulkBlockDone:
		n := map[bulk.Kind]int{}
		for _, r := range f.Refused {
			n[bulk.KindOf(r.Reason)]++
		}
		set(f.BulkID, `done = done + $2, accepted = accepted + $3, rejected = rejected + $4, duplicate = duplicate + $5, suppressed = suppressed + $6`,
			f.Rows, f.Accepted, n[bulk.Rejected], n[bulk.Duplicate], n[bulk.Suppressed])
	case bulk.BulkPaused:
		set(f.BulkID, `paused = true`)
	case bulk.BulkResumed:
		set(f.BulkID, `paused = false, due = '-infinity', lease_until = '-infinity'`)
	case bulk.BulkStopped:
		set(f.BulkID, `stopped = true, paused = false, due = '-infinity', lease_until = '-infinity'`)
	case bulk.BulkFinished:
		set(f.BulkID, `finished = $2`, rec.Created)
	case logbook.LogRestored:
		batch.Queue(t.SQL(`UPDATE @.bulk SET fenced = true WHERE finished IS NULL`))
	case logbook.OwedReleased:
		if f.What == "" || f.What == logbook.Tables {
			batch.Queue(t.SQL(`UPDATE @.bulk SET fenced = false, due = '-infinity' WHERE fenced`))
		}
	}
}

// Progress is how far a table was worked off.
type Progress struct {
	ID         string     `json:"id"`
	Organizer  string     `json:"organizer_id"`
	Rows       int        `json:"rows"`
	Done       int        `json:"done"`
	Accepted   int        `json:"accepted"`
	Rejected   int        `json:"rejected"`
	Duplicate  int        `json:"duplicate"`
	Suppressed int        `json:"suppressed"`
	Paused     bool       `json:"paused,omitempty"`
	Stopped    bool       `json:"stopped,omitempty"`
	Started    time.Time  `json:"started"`
	Finished   *time.Time `json:"finished,omitempty"`
}

// List returns a tenant's tables, the newest first, or the one with an id if it is not empty.
func List(ctx context.Context, pool *pgxpool.Pool, tenant, id string, limit int) ([]Progress, error) {
	return projector.Collect[Progress](ctx, projector.NewServing(pool, Projection(nil)), tenant, `
		SELECT bulk_id, organizer, rows, done, accepted, rejected, duplicate, suppressed, paused, stopped, started, finished
		FROM @.bulk WHERE tenant = $1 AND (bulk_id = $2 OR $2 = '') ORDER BY started DESC LIMIT $3`, tenant, id, limit)
}

// todo is what there is to work off as the worker uses it.
type todo struct {
	pool    *pgxpool.Pool
	serving *projector.Serving
	owner   string // this process
	alone   bool   // no other process can be alive: their leases are over
}

type task struct {
	ID       string
	Tenant   string
	Attempts int
}

// claim leases the oldest table that nobody works on.
func (l todo) claim(ctx context.Context) (tasks []task, err error) {
	err = l.serving.Work(ctx, func(tx pgx.Tx, t projector.Tables) error {
		rows, err := tx.Query(ctx, t.SQL(`
		UPDATE @.bulk SET lease_until = now() + $1, lease_owner = $2, attempts = attempts + 1 WHERE bulk_id = (
			SELECT bulk_id FROM @.bulk WHERE finished IS NULL AND (NOT paused OR stopped) AND NOT fenced AND due <= now() AND (lease_until <= now() OR $3 AND lease_owner <> $2)
			ORDER BY started LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING bulk_id, tenant, attempts`), lease, l.owner, l.alone)
		if err == nil {
			tasks, err = pgx.CollectRows(rows, pgx.RowToStructByPos[task])
		}
		return err
	})
	return tasks, err
}

// Fenced counts tables that are held since the log was brought back, of all tenants.
func Fenced(ctx context.Context, pool *pgxpool.Pool) (n int, err error) {
	t, err := projector.NewServing(pool, Projection(nil)).Tables(ctx)
	if err != nil {
		return 0, err
	}
	err = pool.QueryRow(ctx, t.SQL(`SELECT count(*) FROM @.bulk WHERE fenced AND finished IS NULL`)).Scan(&n)
	return n, err
}

// keep renews a lease: there is progress.
func (l todo) keep(ctx context.Context, id string) error {
	return l.set(ctx, `lease_until = now() + $2, attempts = 0`, id, lease)
}

// postpone gives a table back, to be worked on later.
func (l todo) postpone(ctx context.Context, id string, pause time.Duration) error {
	return l.set(ctx, `lease_until = '-infinity', due = now() + $2`, id, pause)
}

func (l todo) set(ctx context.Context, what, id string, args ...any) error {
	t, err := l.serving.Tables(ctx)
	if err != nil {
		return err
	}
	_, err = l.pool.Exec(ctx, t.SQL(`UPDATE @.bulk SET `+what+` WHERE bulk_id = $1`), append([]any{id}, args...)...)
	return err
}
