// Package events is the read model of events.
package events

import (
	_ "embed" // tables.sql
	"strings"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

//go:embed tables.sql
var tables string

// Projection keeps the table event.
func Projection() projector.Projection {
	return projector.Projection{Name: "events", Version: 3, Prefixes: []string{event.StreamPrefix}, Tables: tables, Apply: projector.PerFact(queue)}
}

func queue(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
	defer seen(batch, t, rec)
	at, pos := rec.Created, int64(rec.Position)
	switch f := rec.Fact.(type) {
	case event.EventCreated:
		c := f.Content
		batch.Queue(t.SQL(`
			INSERT INTO @.event (tenant, uid, organizer_id, original_organizer_id, status, sequence, prodid,
				summary, description, location, starts, ends, created, changed, position, times, repeats, revision)
			VALUES ($1, $2, $3, $4, 'confirmed', 0, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, $14, 0)`),
			f.Tenant, f.UID, f.OrganizerID, f.OriginalOrganizerID, f.Source.ProdID, c.Summary, c.Description, c.Location, c.Start.UTC, c.End.UTC, at, pos, times(c), !c.Recurrence.IsZero())
	case event.EventUpdated:
		queueContent(batch, t, rec, f.UID, f.Sequence, f.Content, f.Source)
		if len(f.Dropped) > 0 {
			batch.Queue(t.SQL(`DELETE FROM @.exception WHERE uid = $1 AND instance = ANY($2)`), f.UID, f.Dropped)
		}
	case event.EventReinstated:
		queueContent(batch, t, rec, f.UID, f.Sequence, f.Content, f.Source)
		batch.Queue(t.SQL(`DELETE FROM @.exception WHERE uid = $1`), f.UID)
	case event.InstanceUpdated:
		batch.Queue(t.SQL(`
			INSERT INTO @.exception (uid, instance, cancelled, content, tenant) VALUES ($1, $2, false, $3, $4)
			ON CONFLICT (uid, instance) DO UPDATE SET cancelled = false, content = excluded.content`), f.UID, f.Instance, f.Content, f.Tenant)
		batch.Queue(t.SQL(`UPDATE @.event SET changed = $2, position = $3 WHERE uid = $1`), f.UID, at, pos)
	case event.InstanceCancelled:
		batch.Queue(t.SQL(`
			INSERT INTO @.exception (uid, instance, cancelled, tenant) VALUES ($1, $2, true, $3) ON CONFLICT (uid, instance) DO UPDATE SET cancelled = true`),
			f.UID, f.Instance, f.Tenant)
		batch.Queue(t.SQL(`UPDATE @.event SET changed = $2, position = $3 WHERE uid = $1`), f.UID, at, pos)
	case event.ChangeUndone:
		queueUndone(batch, t, rec, f)
	case event.EventCancelled:
		batch.Queue(t.SQL(`UPDATE @.event SET status = 'cancelled', sequence = $2, changed = $3, position = $4 WHERE uid = $1`),
			f.UID, f.Sequence, at, pos)
	case event.VisibilityChanged:
		batch.Queue(t.SQL(`UPDATE @.event SET public = $2, changed = $3, position = $4 WHERE uid = $1`), f.UID, f.Public, at, pos)
	}
}

// seen moves the revision on, whatever the fact was: it is what a change must name to be made.
func seen(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
	batch.Queue(t.SQL(`UPDATE @.event SET revision = $2 WHERE uid = $1`), strings.TrimPrefix(rec.Stream, event.StreamPrefix), int64(rec.Revision))
}

// queueUndone restores what an undone change had replaced.
func queueUndone(batch *pgx.Batch, t projector.Tables, rec facts.Recorded, f event.ChangeUndone) {
	if f.Instance != "" {
		batch.Queue(t.SQL(`
			INSERT INTO @.exception (uid, instance, cancelled, content, tenant) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (uid, instance) DO UPDATE SET cancelled = excluded.cancelled, content = excluded.content`), f.UID, f.Instance, f.Status == event.Cancelled, f.Content, f.Tenant)
		batch.Queue(t.SQL(`UPDATE @.event SET changed = $2, position = $3 WHERE uid = $1`), f.UID, rec.Created, int64(rec.Position))
		return
	}
	c := f.Content
	batch.Queue(t.SQL(`
		UPDATE @.event SET status = $2, sequence = $3, summary = $4, description = $5, location = $6, starts = $7, ends = $8, changed = $9, position = $10, times = $11, repeats = $12
		WHERE uid = $1`),
		f.UID, string(f.Status), f.Sequence, c.Summary, c.Description, c.Location, c.Start.UTC, c.End.UTC, rec.Created, int64(rec.Position), times(c), !c.Recurrence.IsZero())
}

func queueContent(batch *pgx.Batch, t projector.Tables, rec facts.Recorded, uid string, sequence int, c event.Content, s event.Source) {
	batch.Queue(t.SQL(`
		UPDATE @.event SET status = 'confirmed', sequence = $2, prodid = $3, summary = $4, description = $5, location = $6,
			starts = $7, ends = $8, changed = $9, position = $10, times = $11, repeats = $12
		WHERE uid = $1`),
		uid, sequence, s.ProdID, c.Summary, c.Description, c.Location, c.Start.UTC, c.End.UTC, rec.Created, int64(rec.Position), times(c), !c.Recurrence.IsZero())
}

// times is what says when an event takes place.
func times(c event.Content) event.Content {
	return event.Content{Start: c.Start, End: c.End, Recurrence: c.Recurrence}
}
