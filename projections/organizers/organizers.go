// Package organizers is the read model of accounts.
package organizers

import (
	_ "embed" // tables.sql

	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

//go:embed tables.sql
var tables string

// Projection keeps the table organizer.
func Projection() projector.Projection {
	return projector.Projection{Name: "organizers", Version: 1, Prefixes: []string{organizer.StreamPrefix}, Tables: tables, Apply: projector.PerFact(queue)}
}

// queue is the table of what each fact changes.
func queue(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
	set := func(ref organizer.Ref, what string, args ...any) {
		batch.Queue(t.SQL(`UPDATE @.organizer SET changed = $2, `+what+` WHERE id = $1`), append([]any{ref.OrganizerID, rec.Created}, args...)...)
	}
	switch f := rec.Fact.(type) {
	case organizer.OrganizerRegistered:
		batch.Queue(t.SQL(`INSERT INTO @.organizer (tenant, id, first, changed) VALUES ($1, $2, $3, $3)`), f.Tenant, f.OrganizerID, rec.Created)
	case organizer.EventSlotTaken:
		set(f.Ref, `events = events + 1`)
	case organizer.ProfileChanged:
		set(f.Ref, `language = $3`, f.Language)
	case organizer.EventLimitChanged:
		set(f.Ref, `own_limit = nullif($3::int, -1)`, f.Limit)
	case organizer.SubscriptionStarted:
		set(f.Ref, `paid = paid + 1`)
	case organizer.SubscriptionEnded:
		set(f.Ref, `paid = paid - 1`)
	case organizer.OrganizerSuspended:
		set(f.Ref, `suspended = true`)
	case organizer.OrganizerReinstated:
		set(f.Ref, `suspended = false`)
	case organizer.BulkAllowed:
		set(f.Ref, `bulk = true`)
	case organizer.BulkForbidden:
		set(f.Ref, `bulk = false`)
	}
}
