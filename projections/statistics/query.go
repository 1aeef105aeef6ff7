package statistics

import (
	"context"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Statistics are the counters of a scope. Values that count nothing are left out, but for the answers.
type Statistics struct {
	Attendees int64
	Events    int64
	RSVP      map[string]int64
	Origin    map[string]int64
	ProdID    map[string]int64
	Denied    map[string]int64 // requests for invitations, by the reason
	found     bool             // there is a counter at all
}

// Reader reads counters. Every query stays within a tenant, which the database enforces, too.
type Reader struct{ serving *projector.Serving }

// NewReader makes a reader.
func NewReader(pool *pgxpool.Pool) *Reader {
	return Of(projector.NewServing(pool, Projection()))
}

// Of makes a reader of certain tables.
func Of(s *projector.Serving) *Reader { return &Reader{serving: s} }

// Event returns an event's counters; all are zero for an event without attendees. It fails with event.ErrUnknown.
func (r *Reader) Event(ctx context.Context, tenant, uid string) (Statistics, error) {
	s, err := r.read(ctx, tenant, "event", uid)
	if err == nil && !s.found {
		err = event.ErrUnknown
	}
	return s, err
}

// Instance returns the counters of one instance of a series: as the series', but for those who answered it on its own.
func (r *Reader) Instance(ctx context.Context, tenant, uid string, id event.InstanceID) (Statistics, error) {
	s, err := r.Event(ctx, tenant, uid)
	if err != nil {
		return s, err
	}
	by, err := r.read(ctx, tenant, "instance", uid+"/"+string(id))
	for status, n := range by.RSVP {
		s.RSVP[status] += n
	}
	return s, err
}

// Organizer returns the counters over an organizer's events.
func (r *Reader) Organizer(ctx context.Context, tenant, id string) (Statistics, error) {
	return r.read(ctx, tenant, "organizer", id)
}

// System returns the counters over all of a tenant's events.
func (r *Reader) System(ctx context.Context, tenant string) (Statistics, error) {
	return r.read(ctx, tenant, "system", "")
}

func (r *Reader) read(ctx context.Context, tenant, scope, subject string) (Statistics, error) {
	s := Statistics{
		RSVP:   map[string]int64{"accepted": 0, "declined": 0, "noaction": 0, "tentative": 0},
		Origin: map[string]int64{}, ProdID: map[string]int64{}, Denied: map[string]int64{},
	}
	var facet, value string
	var n int64
	err := r.serving.ForEach(ctx, tenant, `SELECT facet, value, n FROM @.counter WHERE tenant = $1 AND scope = $2 AND subject = $3`, []any{tenant, scope, subject}, []any{&facet, &value, &n}, func() error {
		switch {
		case facet == "attendees":
			s.Attendees, s.found = n, true
		case facet == "events":
			s.Events = n
		case n == 0:
		case facet == "rsvp":
			s.RSVP[value] = n
		case facet == "origin":
			s.Origin[value] = n
		case facet == "prodid":
			s.ProdID[value] = n
		case facet == "denied":
			s.Denied[value] = n
		}
		return nil
	})
	return s, err
}
