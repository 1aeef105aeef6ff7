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
	Times               event.Content // start, end and recurrence
	Repeats             bool
	Revision            int64 // of its stream
	Public              bool  // everybody may see it
}

// Exception is an instance that differs from its series.
type Exception struct {
	Instance  event.InstanceID
	Cancelled bool
	Content   *event.Content // nil: as the series says
}

const columns = `uid, organizer_id, original_organizer_id, status, sequence, prodid, summary, description, location, starts, ends, created, changed, position, times, repeats, revision, public`

// Reader reads events. Every query stays within a tenant, which the database enforces, too.
type Reader struct{ serving *projector.Serving }

// NewReader makes a reader.
func NewReader(pool *pgxpool.Pool) *Reader {
	return Of(projector.NewServing(pool, Projection()))
}

// Of makes a reader of certain tables.
func Of(s *projector.Serving) *Reader { return &Reader{serving: s} }

// Event returns one event of a tenant. It fails with event.ErrUnknown.
func (r *Reader) Event(ctx context.Context, tenant, uid string) (Event, error) {
	ev, err := projector.One[Event](ctx, r.serving, tenant, `SELECT `+columns+` FROM @.event WHERE tenant = $1 AND uid = $2`, tenant, uid)
	if errors.Is(err, pgx.ErrNoRows) {
		err = event.ErrUnknown
	}
	return ev, err
}

// Exceptions returns the instances of an event that differ from it.
func (r *Reader) Exceptions(ctx context.Context, tenant, uid string) (map[event.InstanceID]Exception, error) {
	list, err := projector.Collect[Exception](ctx, r.serving, tenant, `SELECT instance, cancelled, content FROM @.exception WHERE tenant = $1 AND uid = $2`, tenant, uid)
	byID := make(map[event.InstanceID]Exception, len(list))
	for _, e := range list {
		byID[e.Instance] = e
	}
	return byID, err
}

// Filter narrows a list of events. Zero fields do not.
type Filter struct {
	OrganizerID string
	Status      string
	From, To    time.Time // that end after From and start before To
	Text        string    // in summary, description or location, in any case
	Public      bool      // only those everybody may see
	ByStart     bool      // sorted by start, the earliest first; else by change, the newest first
	After       Cursor
	Limit       int
}

// Cursor is where a list goes on.
type Cursor struct {
	At  time.Time `json:"a,omitzero"`
	UID string    `json:"u,omitempty"`
}

// Cursor is where a list goes on behind an event.
func (f Filter) Cursor(e Event) Cursor {
	if f.ByStart {
		return Cursor{e.Starts, e.UID}
	}
	return Cursor{e.Changed, e.UID}
}

// Find returns a tenant's events.
func (r *Reader) Find(ctx context.Context, tenant string, f Filter) ([]Event, error) {
	order, behind := `ORDER BY changed DESC, uid`, `(changed < $7 OR changed = $7 AND uid > $8)`
	if f.ByStart {
		order, behind = `ORDER BY starts, uid`, `(starts > $7 OR starts = $7 AND uid > $8)`
	}
	whose := `$2 = ''` // written out, so that the right index is used
	if f.OrganizerID != "" {
		whose = `organizer_id = $2`
	}
	to := f.To
	if to.IsZero() {
		to = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return projector.Collect[Event](ctx, r.serving, tenant, `
		SELECT `+columns+` FROM @.event WHERE tenant = $1 AND `+whose+` AND ($3 = '' OR status = $3)
		AND (repeats OR ends >= $4) AND starts <= $5 AND (NOT $6 OR public) AND ($8 = '' OR `+behind+`)
		AND ($9 = '' OR summary ILIKE $9 OR description ILIKE $9 OR location ILIKE $9) `+order+` LIMIT $10`,
		tenant, f.OrganizerID, f.Status, f.From, to, f.Public, f.After.At, f.After.UID, projector.Like(f.Text), f.Limit)
}
