package facts

import (
	"context"
	"slices"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/eventstore"
)

// History reads what happened as it stands in the log, for audit.
type History struct{ Log *Log }

// Records returns a stream's records; none if there is no such stream.
func (h History) Records(ctx context.Context, stream string) ([]eventstore.Recorded, error) {
	records, err := h.Log.store.ReadStream(ctx, stream, 0)
	if isNotFound(err) {
		return nil, nil
	}
	return records, err
}

// Stream returns a stream's facts, what is personal in them still sealed; none if there is no such stream.
func (h History) Stream(ctx context.Context, stream string) ([]Recorded, error) {
	records, err := h.Records(ctx, stream)
	if err != nil {
		return nil, err
	}
	out := make([]Recorded, 0, len(records))
	for _, r := range records {
		rec, err := Decode(r)
		if err != nil {
			return nil, err
		}
		out = append(out, rec)
	}
	return out, nil
}

// pastPage is how many records [History.Event] reads at a time.
const pastPage = 4_000

// Event goes through the records of an event and its invitations in log order, as long as while says so, from the event's
// beginning. found says whether there was such an event then.
func (h History) Event(ctx context.Context, uid string, while func(eventstore.Recorded) bool, each func([]eventstore.Recorded) error) (found bool, err error) {
	first, err := h.Log.store.ReadStream(ctx, event.Stream(uid), 0)
	if isNotFound(err) || err == nil && (len(first) == 0 || !while(first[0])) {
		return false, nil
	}
	if err == nil {
		err = each(first[:1])
	}
	if err != nil {
		return false, err
	}
	own := []string{event.Stream(uid), invitation.StreamPrefix + uid}
	err = h.Log.store.Follow(ctx, own, first[0].Position, pastPage, func(page eventstore.Page) error {
		end := slices.IndexFunc(page.Records, func(r eventstore.Recorded) bool { return !while(r) })
		if end >= 0 {
			page.Records = page.Records[:end]
		}
		if err := each(page.Records); err != nil {
			return err
		}
		if page.CaughtUp || end >= 0 {
			return eventstore.ErrDone
		}
		return nil
	})
	return true, err
}

// maxLook is how many facts a look at the history goes through at most.
const maxLook = 20_000

// After returns facts of all streams behind a position in log order, at most limit of those that keep wants, and how far
// it has looked: to the end of the log, or so far that it was enough for one time.
func (h History) After(ctx context.Context, position uint64, limit int, keep func(Recorded) bool) (list []Recorded, to uint64, err error) {
	looked := 0
	to = position
	err = h.Log.store.Follow(ctx, prefixes, position, 1000, func(page eventstore.Page) error {
		for _, r := range page.Records {
			rec, err := Decode(r)
			if err != nil {
				return err
			}
			looked++
			to = rec.Position
			if keep(rec) {
				if list = append(list, rec); len(list) == limit {
					return eventstore.ErrDone
				}
			}
		}
		to = max(to, page.Position)
		if page.CaughtUp || looked >= maxLook {
			return eventstore.ErrDone
		}
		return nil
	})
	return list, to, err
}

// Each goes through all facts there are, in log order, and returns where the log ended.
func (h History) Each(ctx context.Context, each func(Recorded) error) (end uint64, err error) {
	err = h.Log.store.Follow(ctx, prefixes, 0, 1000, func(page eventstore.Page) error {
		for _, r := range page.Records {
			rec, err := Decode(r)
			if err != nil {
				return err
			}
			if err := each(rec); err != nil {
				return err
			}
		}
		end = page.Position
		if page.CaughtUp {
			return eventstore.ErrDone
		}
		return nil
	})
	return end, err
}

// Open returns a fact with what is personal in it readable.
func (h History) Open(ctx context.Context, rec Recorded) (Recorded, error) {
	opened, err := h.Log.Open(ctx, rec)
	if err == nil {
		rec.Fact = opened
	}
	return rec, err
}
