package attendees

import (
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

// While a generation is filled, what becomes of attendees and people is noted down in the order of the log, and the SQL in
// place_*.sql makes rows of it: the same that queueAttendees and queuePeople would have written.

const stagePeople = `
	INSERT INTO @.person_op (tenant, id, address, name, n)
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])`

// stageAttendees notes down what a page says of attendees.
func (f *fold) stageAttendees(batch *pgx.Batch, t projector.Tables) {
	var c columns
	var ops []string
	var at []int64
	note := func(op string, n int64, k attendeeKey, a *attendee) {
		c.add(k, a)
		ops, at = append(ops, op), append(at, n)
	}
	for k, n := range f.withdrawn {
		note("gone", n, k, &attendee{})
	}
	for k, n := range f.bounced {
		note("bounced", n, k, &attendee{})
	}
	for k, a := range f.attendees {
		if a.fresh {
			note("made", a.position, k, a)
		} else {
			note("answered", a.at, k, a)
		}
	}
	if len(ops) == 0 {
		return
	}
	batch.Queue(t.SQL(`
		INSERT INTO @.attendee_op (n, op, tenant, event_uid, person_id, status, origin, prodid, changed, stale, answered)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::bool[], $11::timestamptz[])`),
		at, ops, c.tenants, c.uids, c.people, c.statuses, c.origins, c.prodids, c.changed, c.stale, c.answered)
}
