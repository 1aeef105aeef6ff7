// Package events is the read model of events.
package events

import (
	"context"
	_ "embed" // tables.sql

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

//go:embed tables.sql
var tables string

// Projection keeps the table event.
func Projection() projector.Projection {
	return projector.Projection{Name: "events", Version: 1, Prefixes: []string{event.StreamPrefix}, Tables: tables, Apply: apply}
}

// apply writes one statement per fact, all in one round trip: events change far less often than answers come in.
func apply(ctx context.Context, tx projector.Tx, page []facts.Recorded) error {
	batch := &pgx.Batch{}
	for _, rec := range page {
		queue(batch, tx.Tables, rec)
	}
	return tx.SendBatch(ctx, batch).Close()
}

func queue(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
	at, pos := rec.Created, int64(rec.Position)
	switch f := rec.Fact.(type) {
	case event.EventCreated:
		c := f.Content
		batch.Queue(t.SQL(`
			INSERT INTO @.event (tenant, uid, organizer_id, original_organizer_id, status, sequence, prodid,
				summary, description, location, starts, ends, created, changed, position)
			VALUES ($1, $2, $3, $4, 'confirmed', 0, $5, $6, $7, $8, $9, $10, $11, $11, $12)`),
			f.Tenant, f.UID, f.OrganizerID, f.OriginalOrganizerID, f.Source.ProdID, c.Summary, c.Description, c.Location, c.Start.UTC, c.End.UTC, at, pos)
	case event.EventUpdated:
		queueContent(batch, t, rec, f.UID, f.Sequence, f.Content, f.Source)
	case event.EventReinstated:
		queueContent(batch, t, rec, f.UID, f.Sequence, f.Content, f.Source)
	case event.EventCancelled:
		batch.Queue(t.SQL(`UPDATE @.event SET status = 'cancelled', sequence = $2, changed = $3, position = $4 WHERE uid = $1`),
			f.UID, f.Sequence, at, pos)
	}
}

func queueContent(batch *pgx.Batch, t projector.Tables, rec facts.Recorded, uid string, sequence int, c event.Content, s event.Source) {
	batch.Queue(t.SQL(`
		UPDATE @.event SET status = 'confirmed', sequence = $2, prodid = $3, summary = $4, description = $5, location = $6,
			starts = $7, ends = $8, changed = $9, position = $10
		WHERE uid = $1`),
		uid, sequence, s.ProdID, c.Summary, c.Description, c.Location, c.Start.UTC, c.End.UTC, rec.Created, int64(rec.Position))
}
