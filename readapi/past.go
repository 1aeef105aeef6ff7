package readapi

import (
	"context"
	"strconv"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/statistics"
)

// ErrAsOf refuses what is neither a time nor a position.
var ErrAsOf = &fault.Error{Kind: fault.Invalid, Code: "as-of-invalid", Title: "asOf is a time like 2026-11-21T09:00:00Z, or a position in the log"}

// AsOfQuery asks how something was at a moment.
type AsOfQuery struct {
	AsOf string `query:"asOf" maxLength:"40" doc:"As it was then, from the log: a time like 2026-11-21T09:00:00Z (what was recorded up to it counts), or a position (X-Position of an answer)"`
}

// pastSlots is how many looks into the past there are at a time: each makes tables.
const pastSlots = 2

// turn waits until not too many go through the log.
func (a *API) turn(ctx context.Context) (done func(), err error) {
	select {
	case a.past <- struct{}{}:
		return func() { <-a.past }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// asOf has do answer from what an event was like at a moment; without one, from what it is like now. It goes through the
// event's facts, so what it takes depends on how many there are.
func asOf[O any](ctx context.Context, a *API, uid string, q AsOfQuery, do func(*API) (*O, error)) (out *O, err error) {
	if q.AsOf == "" {
		return do(a)
	}
	while, err := q.while()
	if err != nil {
		return nil, err
	}
	done, err := a.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	records := func(ctx context.Context, each func([]eventstore.Recorded) error) error {
		found, err := a.opts.History.Event(ctx, uid, while, each)
		if err == nil && !found {
			err = event.ErrUnknown
		}
		return err
	}
	err = a.opts.Keeper.Past(ctx, []string{viewEvents, viewAttendees, viewStatistics}, records, func(serving func(string) *projector.Serving) (err error) {
		then := *a
		then.events, then.attendees, then.statistics = events.Of(serving(viewEvents)), attendees.Of(serving(viewAttendees)), statistics.Of(serving(viewStatistics))
		out, err = do(&then)
		return err
	})
	return out, err
}

// while says which facts count.
func (q AsOfQuery) while() (func(eventstore.Recorded) bool, error) {
	if position, err := strconv.ParseUint(q.AsOf, 10, 63); err == nil {
		return func(r eventstore.Recorded) bool { return r.Position <= position }, nil
	}
	at, err := time.Parse(time.RFC3339Nano, q.AsOf)
	if err != nil {
		return nil, ErrAsOf.With(q.AsOf)
	}
	return func(r eventstore.Recorded) bool { return !r.Created.After(at) }, nil
}
