package attendees

import (
	"context"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Attendee is an invitation with the person behind it.
type Attendee struct {
	Address string // empty: erased
	Name    string
	Status  string
	Origin  string
	ProdID  string
	Stale   bool   // the answer is to an older version of the event
	Bounced bool   // their mail came back
	Comment string // with their last answer
}

// Person is somebody's address and name.
type Person struct {
	ID      string
	Address string
	Name    string
}

// Reader reads attendees and people.
type Reader struct {
	pool    *pgxpool.Pool
	serving *projector.Serving
}

// NewReader makes a reader.
func NewReader(pool *pgxpool.Pool) *Reader {
	return &Reader{pool: pool, serving: projector.NewServing(pool, Projection(nil))}
}

// Of returns an event's first attendees, in the order in which they became ones, with their answers to it, or to one
// instance of the series it is.
func (r *Reader) Of(ctx context.Context, tenant, uid string, instance event.InstanceID, limit int) ([]Attendee, error) {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.pool.Query(ctx, t.SQL(`
		SELECT coalesce(p.address, ''), coalesce(p.name, ''), coalesce(i.status, a.status), a.origin, a.prodid, coalesce(i.stale, a.stale), a.bounced,
			coalesce(c.comment, '')
		FROM @.attendee AS a LEFT JOIN @.person AS p ON p.id = a.person_id
		LEFT JOIN @.instance AS i ON i.event_uid = a.event_uid AND i.person_id = a.person_id AND i.instance = $4
		LEFT JOIN @.comment AS c ON c.event_uid = a.event_uid AND c.person_id = a.person_id
		WHERE a.tenant = $1 AND a.event_uid = $2 ORDER BY a.position LIMIT $3`), tenant, uid, limit, string(instance))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Attendee])
}

// Each calls f for all of an event's attendees, in the order in which they became ones, without holding them all.
func (r *Reader) Each(ctx context.Context, tenant, uid string, f func(Attendee) error) error {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return err
	}
	rows, err := r.pool.Query(ctx, t.SQL(`
		SELECT coalesce(p.address, ''), coalesce(p.name, ''), a.status, a.origin, a.prodid
		FROM @.attendee AS a LEFT JOIN @.person AS p ON p.id = a.person_id
		WHERE a.tenant = $1 AND a.event_uid = $2 ORDER BY a.position`), tenant, uid)
	if err != nil {
		return err
	}
	var a Attendee
	_, err = pgx.ForEachRow(rows, []any{&a.Address, &a.Name, &a.Status, &a.Origin, &a.ProdID}, func() error { return f(a) })
	return err
}

// People returns the people of the given ids that are known, by id.
func (r *Reader) People(ctx context.Context, tenant string, ids []string) (map[string]Person, error) {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.pool.Query(ctx, t.SQL(`SELECT id, address, name FROM @.person WHERE tenant = $1 AND id = ANY($2)`), tenant, ids)
	if err != nil {
		return nil, err
	}
	people, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Person])
	byID := make(map[string]Person, len(people))
	for _, p := range people {
		byID[p.ID] = p
	}
	return byID, err
}
