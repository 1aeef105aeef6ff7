package events

import (
	"context"
	"errors"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Event is a row of the read model.
type Event struct {
	UID                 string
	OrganizerID         string
	OriginalOrganizerID string
	Status              string
	Sequence            int
	ProdID              string
	Summary             string
	Description         string
	Location            string
	Starts              time.Time
	Ends                time.Time
	Created             time.Time
	Changed             time.Time
	Position            int64
}

const columns = `uid, organizer_id, original_organizer_id, status, sequence, prodid, summary, description, location, starts, ends, created, changed, position`

// Reader reads events.
type Reader struct {
	pool    *pgxpool.Pool
	serving *projector.Serving
}

// NewReader makes a reader.
func NewReader(pool *pgxpool.Pool) *Reader {
	return &Reader{pool: pool, serving: projector.NewServing(pool, Projection())}
}

// Event returns one event of a tenant. It fails with event.ErrUnknown.
func (r *Reader) Event(ctx context.Context, tenant, uid string) (Event, error) {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return Event{}, err
	}
	rows, err := r.pool.Query(ctx, t.SQL(`SELECT `+columns+` FROM @.event WHERE tenant = $1 AND uid = $2`), tenant, uid)
	if err != nil {
		return Event{}, err
	}
	ev, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Event])
	if errors.Is(err, pgx.ErrNoRows) {
		err = event.ErrUnknown
	}
	return ev, err
}

// Newest returns a tenant's events, newest change first.
func (r *Reader) Newest(ctx context.Context, tenant string, limit int) ([]Event, error) {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.pool.Query(ctx, t.SQL(`SELECT `+columns+` FROM @.event WHERE tenant = $1 ORDER BY changed DESC, uid LIMIT $2`), tenant, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Event])
}
