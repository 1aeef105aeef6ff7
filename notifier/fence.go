package notifier

import (
	"context"

	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// queueFence holds what is owed when the log was brought back from a backup, and lets it go. Reminders whose time came
// before the log was brought back are not asked for any more.
func queueFence(batch *pgx.Batch, t projector.Tables, rec facts.Recorded, fact logbook.Fact) {
	switch f := fact.(type) {
	case logbook.LogRestored:
		batch.Queue(t.SQL(`UPDATE @.mail AS m SET fenced = true FROM @.event AS e WHERE e.uid = m.subject AND (` + untold + ` OR ` + unreminded + `)`))
		batch.Queue(t.SQL(`UPDATE @.event SET since = greatest(since, $1)`), rec.Created)
	case logbook.OwedReleased:
		if f.What != "" && f.What != logbook.Mails {
			return
		}
		const which = ` m.fenced AND ($1 = '' OR m.kind = $1) AND ($2 = '' OR m.subject = $2)`
		if f.Drop {
			batch.Queue(t.SQL(`
				UPDATE @.mail AS m SET fenced = false, told = greatest(m.told, e.revision), reminded = greatest(m.reminded, e.reminder)
				FROM @.event AS e WHERE e.uid = m.subject AND`+which), f.Kind, f.Subject)
			return
		}
		batch.Queue(t.SQL(`UPDATE @.mail AS m SET fenced = false WHERE`+which), f.Kind, f.Subject)
		batch.Queue(t.SQL(`UPDATE @.queue SET due = '-infinity'`))
	}
}

// Fenced is how many mails of a kind about something are held since the log was brought back.
type Fenced struct {
	Tenant  string `json:"tenant"`
	Kind    string `json:"kind"`    // invite: invitations, updates, cancellations, reminders
	Subject string `json:"subject"` // the event, or what a notice is about
	Mails   int    `json:"mails"`
}

// ListFenced lists what is held, of all tenants.
func ListFenced(ctx context.Context, pool *pgxpool.Pool) ([]Fenced, error) {
	t, err := projector.NewServing(pool, Projection(0, nil)).Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, t.SQL(`SELECT tenant, kind, subject, count(*)::int FROM @.mail WHERE fenced GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Fenced])
}
