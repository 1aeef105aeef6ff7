package embedded

import (
	"slices"
	"strings"

	"github.com/google/uuid"
)

// recentIDs remembers the last appended event ids, for best-effort idempotency where no revision was expected.
type recentIDs struct {
	ring  []recentKey
	next  int
	where map[recentKey]place
}

// place is where an event stands.
type place struct{ position, revision int64 }

type recentKey struct {
	stream string
	id     uuid.UUID
}

func newRecentIDs(n int) *recentIDs {
	return &recentIDs{ring: make([]recentKey, n), where: map[recentKey]place{}}
}

func (r *recentIDs) add(rec *record) {
	key := recentKey{strings.Clone(rec.stream), rec.id} // the name is part of a whole request otherwise
	delete(r.where, r.ring[r.next])
	r.ring[r.next] = key
	r.next = (r.next + 1) % len(r.ring)
	r.where[key] = place{rec.position, rec.revision}
}

// repeated says where the events already stand, if all of them do.
func (r *recentIDs) repeated(stream string, events []proposal) (position, revision int64, ok bool) {
	ok = len(events) > 0 && !slices.ContainsFunc(events, func(p proposal) bool {
		at, known := r.where[recentKey{stream, p.id}]
		if known {
			position, revision = at.position, at.revision
		}
		return !known
	})
	return position, revision, ok
}
