package attendees

import (
	"context"
	"errors"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Attendee is an invitation with the person behind it.
type Attendee struct {
	ID       string
	Address  string // empty: erased
	Name     string
	Status   string
	Origin   string
	ProdID   string
	Stale    bool   // the answer is to an older version of the event
	Bounced  bool   // their mail came back
	Comment  string // with their last answer
	Position int64  // of the fact that made them an attendee
	Changed  time.Time
	Answered *time.Time // nil: they did not
}

// Person is somebody's address and name.
type Person struct {
	ID      string
	Address string
	Name    string
}

// Reader reads attendees and people. Every query stays within a tenant, which the database enforces, too.
type Reader struct{ serving *projector.Serving }

// NewReader makes a reader.
func NewReader(pool *pgxpool.Pool) *Reader {
	return Of(projector.NewServing(pool, Projection(nil)))
}

// Of makes a reader of certain tables.
func Of(s *projector.Serving) *Reader { return &Reader{serving: s} }

// Filter narrows a list of attendees. Zero fields do not.
type Filter struct {
	Instance event.InstanceID // whose answers: to one instance of the series the event is
	Status   string
	Origin   string
	Text     string // in address or name, in any case
	Answers  bool   // only who answered, the newest answer first; else everybody in the order in which they became attendees
	After    Cursor
	Limit    int
}

// Cursor is where a list goes on.
type Cursor struct {
	Position int64     `json:"p,omitempty"`
	At       time.Time `json:"a,omitzero"`
	ID       string    `json:"i,omitempty"`
}

// Cursor is where a list goes on behind an attendee.
func (f Filter) Cursor(a Attendee) Cursor {
	if f.Answers && a.Answered != nil {
		return Cursor{At: *a.Answered, ID: a.ID}
	}
	return Cursor{Position: a.Position, ID: a.ID}
}

// Selected is how attendees are read: $1 is the tenant, $2 the event, $3 the date of a series.
const Selected = `
	SELECT a.person_id, coalesce(p.address, ''), coalesce(p.name, ''), coalesce(i.status, a.status) AS said, a.origin, a.prodid, coalesce(i.stale, a.stale), a.bounced,
		coalesce(c.comment, ''), a.position, a.changed, a.answered
	FROM @.attendee AS a LEFT JOIN @.person AS p ON p.id = a.person_id
	LEFT JOIN @.instance AS i ON i.event_uid = a.event_uid AND i.person_id = a.person_id AND i.instance = $3
	LEFT JOIN @.comment AS c ON c.event_uid = a.event_uid AND c.person_id = a.person_id
	WHERE a.tenant = $1 AND a.event_uid = $2 `

// Of returns an event's first attendees, in the order in which they became ones, with their answers to it, or to one
// instance of the series it is.
func (r *Reader) Of(ctx context.Context, tenant, uid string, instance event.InstanceID, limit int) ([]Attendee, error) {
	return projector.Collect[Attendee](ctx, r.serving, tenant, Selected+`ORDER BY a.position LIMIT $4`, tenant, uid, string(instance), limit)
}

// Find returns attendees of an event.
func (r *Reader) Find(ctx context.Context, tenant, uid string, f Filter) ([]Attendee, error) {
	sql := Selected + ` AND ($4 = '' OR coalesce(i.status, a.status) = $4) AND ($5 = '' OR a.origin = $5) AND ($6 = '' OR p.address ILIKE $6 OR p.name ILIKE $6) `
	args := []any{tenant, uid, string(f.Instance), f.Status, f.Origin, projector.Like(f.Text), f.Limit}
	if f.Answers {
		sql += `AND a.answered IS NOT NULL AND ($9 = '' OR a.answered < $8 OR a.answered = $8 AND a.person_id > $9) ORDER BY a.answered DESC, a.person_id LIMIT $7`
		args = append(args, f.After.At, f.After.ID)
	} else {
		sql += `AND (a.position > $8 OR a.position = $8 AND a.person_id > $9) ORDER BY a.position, a.person_id LIMIT $7`
		args = append(args, f.After.Position, f.After.ID)
	}
	return projector.Collect[Attendee](ctx, r.serving, tenant, sql, args...)
}

// One returns one attendee of an event. It fails with invitation.ErrUnknown.
func (r *Reader) One(ctx context.Context, tenant, uid, id string) (Attendee, error) {
	a, err := projector.One[Attendee](ctx, r.serving, tenant, Selected+`AND a.person_id = $4`, tenant, uid, "", id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = invitation.ErrUnknown
	}
	return a, err
}

// Each calls f for all of an event's attendees, in the order in which they became ones, without holding them all.
func (r *Reader) Each(ctx context.Context, tenant, uid string, f func(Attendee) error) error {
	var a Attendee
	return r.serving.ForEach(ctx, tenant, `
		SELECT coalesce(p.address, ''), coalesce(p.name, ''), a.status, a.origin, a.prodid
		FROM @.attendee AS a LEFT JOIN @.person AS p ON p.id = a.person_id
		WHERE a.tenant = $1 AND a.event_uid = $2 ORDER BY a.position`,
		[]any{tenant, uid}, []any{&a.Address, &a.Name, &a.Status, &a.Origin, &a.ProdID}, func() error { return f(a) })
}

// People returns the people of the given ids that are known, by id.
func (r *Reader) People(ctx context.Context, tenant string, ids []string) (map[string]Person, error) {
	people, err := projector.Collect[Person](ctx, r.serving, tenant, `SELECT id, address, name FROM @.person WHERE tenant = $1 AND id = ANY($2)`, tenant, ids)
	byID := make(map[string]Person, len(people))
	for _, p := range people {
		byID[p.ID] = p
	}
	return byID, err
}
