package embedded

import (
	"slices"

	"github.com/google/uuid"
)

// recentIDs remembers the last appended event ids, for best-effort idempotency where no revision was expected.
type recentIDs struct {
	ring  []recentKey
	next  int
	where map[recentKey]*record
}

type recentKey struct {
	stream string
	id     uuid.UUID
}

func newRecentIDs(n int) *recentIDs {
	return &recentIDs{ring: make([]recentKey, n), where: map[recentKey]*record{}}
}

func (r *recentIDs) add(rec *record) {
	key := recentKey{rec.stream, rec.id}
	delete(r.where, r.ring[r.next])
	r.ring[r.next] = key
	r.next = (r.next + 1) % len(r.ring)
	r.where[key] = &record{position: rec.position, revision: rec.revision}
}

// repeated says where the events already stand, if all of them do.
func (r *recentIDs) repeated(stream string, events []proposal) (position, revision int64, ok bool) {
	ok = len(events) > 0 && !slices.ContainsFunc(events, func(p proposal) bool {
		rec := r.where[recentKey{stream, p.id}]
		if rec != nil {
			position, revision = rec.position, rec.revision
		}
		return rec == nil
	})
	return position, revision, ok
}
