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
	Series              *event.Content // when it takes place, of a series
}

// Exception is an instance that differs from its series.
type Exception struct {
	Instance  event.InstanceID
	Cancelled bool
	Content   *event.Content // nil: as the series says
}

const columns = `uid, organizer_id, original_organizer_id, status, sequence, prodid, summary, description, location, starts, ends, created, changed, position, series`

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

// Exceptions returns the instances of an event that differ from it.
func (r *Reader) Exceptions(ctx context.Context, uid string) (map[event.InstanceID]Exception, error) {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.pool.Query(ctx, t.SQL(`SELECT instance, cancelled, content FROM @.exception WHERE uid = $1`), uid)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Exception])
	byID := make(map[event.InstanceID]Exception, len(list))
	for _, e := range list {
		byID[e.Instance] = e
	}
	return byID, err
}

// Of returns an organizer's events, newest change first.
func (r *Reader) Of(ctx context.Context, tenant, organizerID string, limit int) ([]Event, error) {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.pool.Query(ctx, t.SQL(`SELECT `+columns+` FROM @.event WHERE tenant = $1 AND organizer_id = $2 ORDER BY changed DESC, uid LIMIT $3`), tenant, organizerID, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Event])
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
