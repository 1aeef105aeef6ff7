// Package statistics counts: attendees by answer, origin and calendar client, per event, per organizer and in all.
// A fact carries what it replaces, so counting looks nothing up and a page is added up before it is written.
package statistics

import (
	"context"
	_ "embed" // tables.sql
	"sort"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
)

//go:embed tables.sql
var tables string

// Projection keeps the table counter.
func Projection() projector.Projection {
	return projector.Projection{
		Name: "statistics", Version: 3, Prefixes: []string{event.StreamPrefix, invitation.StreamPrefix}, Tables: tables, Apply: apply,
		Reads: []schema.Fact{event.EventCreated{}, invitation.InviteRequested{}, invitation.RsvpReceived{}, invitation.InviteWithdrawn{}, invitation.InviteDenied{}},
	}
}

type counter struct{ tenant, scope, subject, facet, value string }

type sums map[counter]int64

// everywhere adds to the counters of an event, of its organizer, and of the system.
func (s sums) everywhere(tenant, uid, organizer, facet, value string, n int64) {
	if uid != "" {
		s[counter{tenant, "event", uid, facet, value}] += n
	}
	s[counter{tenant, "organizer", organizer, facet, value}] += n
	s[counter{tenant, "system", "", facet, value}] += n
}

func apply(ctx context.Context, tx projector.Tx, page []facts.Recorded) error {
	s := sums{}
	for _, rec := range page {
		s.add(rec)
	}
	return s.write(ctx, tx)
}

// add moves one attendee from the old to the new value; it never only adds.
func (s sums) add(rec facts.Recorded) {
	switch f := rec.Fact.(type) {
	case event.EventCreated:
		s.everywhere(f.Tenant, "", f.OrganizerID, "events", "", 1)
		s[counter{f.Tenant, "event", f.UID, "attendees", ""}] += 0 // the row that says that the event exists
	case invitation.InviteRequested:
		s.attendee(f.Ref, f.OrganizerID, f.Origin, invitation.NoAction)
	case invitation.InviteDenied:
		s.everywhere(f.Tenant, f.EventUID, f.OrganizerID, "denied", f.Reason, 1)
	case invitation.RsvpReceived:
		s.answer(f)
	case invitation.InviteWithdrawn:
		s.withdrawn(f)
	}
}

// withdrawn takes an attendee out of all counters.
func (s sums) withdrawn(f invitation.InviteWithdrawn) {
	s.everywhere(f.Tenant, f.EventUID, f.OrganizerID, "attendees", "", -1)
	s.everywhere(f.Tenant, f.EventUID, f.OrganizerID, "origin", string(f.Origin), -1)
	s.everywhere(f.Tenant, f.EventUID, f.OrganizerID, "rsvp", string(f.Status), -1)
	s.move(f.Ref, f.OrganizerID, "prodid", f.ProdID, "")
	for i, id := range f.Apart {
		s.instance(f.Ref, id, f.Answers[i], f.Status)
	}
}

// answer moves an attendee in the counters of the event, or, of an answer to one instance, in what that instance differs
// by. An answer to the series leaves those of its instances that were answered on their own where they are.
func (s sums) answer(f invitation.RsvpReceived) {
	previous := f.Previous
	switch {
	case f.Origin != "" && f.Instance == "":
		s.attendee(f.Ref, f.OrganizerID, f.Origin, f.Status)
	case f.Origin != "":
		previous = invitation.NoAction
		s.attendee(f.Ref, f.OrganizerID, f.Origin, previous)
	case f.Instance == "":
		s.move(f.Ref, f.OrganizerID, "rsvp", string(f.Previous), string(f.Status))
	}
	if f.Instance != "" {
		s.instance(f.Ref, f.Instance, previous, f.Status)
		return
	}
	for _, id := range f.Apart {
		s.instance(f.Ref, id, f.Status, f.Previous)
	}
	s.move(f.Ref, f.OrganizerID, "prodid", f.PreviousProdID, f.ProdID)
}

// instance changes what an instance differs by.
func (s sums) instance(r invitation.Ref, id event.InstanceID, from, to invitation.Status) {
	if from == to {
		return
	}
	subject := r.EventUID + "/" + string(id)
	s[counter{r.Tenant, "instance", subject, "rsvp", string(from)}]--
	s[counter{r.Tenant, "instance", subject, "rsvp", string(to)}]++
}

func (s sums) attendee(r invitation.Ref, organizer string, origin invitation.Origin, status invitation.Status) {
	s.everywhere(r.Tenant, r.EventUID, organizer, "attendees", "", 1)
	s.everywhere(r.Tenant, r.EventUID, organizer, "origin", string(origin), 1)
	s.everywhere(r.Tenant, r.EventUID, organizer, "rsvp", string(status), 1)
}

func (s sums) move(r invitation.Ref, organizer, facet, from, to string) {
	if from == to {
		return
	}
	if from != "" {
		s.everywhere(r.Tenant, r.EventUID, organizer, facet, from, -1)
	}
	if to != "" {
		s.everywhere(r.Tenant, r.EventUID, organizer, facet, to, 1)
	}
}

func (s sums) write(ctx context.Context, tx projector.Tx) error {
	keys := make([]counter, 0, len(s))
	for k, n := range s {
		if n != 0 || k.facet == "attendees" {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	sort.Slice(keys, func(i, j int) bool { return less(keys[i], keys[j]) })
	cols := make([][]string, 5)
	counts := make([]int64, len(keys))
	for i, k := range keys {
		for c, v := range []string{k.tenant, k.scope, k.subject, k.facet, k.value} {
			cols[c] = append(cols[c], v)
		}
		counts[i] = s[k]
	}
	var zero int64
	err := tx.QueryRow(ctx, tx.Tables.SQL(`
		WITH counted AS (
		INSERT INTO @.counter AS c (tenant, scope, subject, facet, value, n)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
		ON CONFLICT (tenant, scope, subject, facet, value) DO UPDATE SET n = c.n + excluded.n RETURNING n)
		SELECT count(*) FROM counted WHERE n = 0`),
		cols[0], cols[1], cols[2], cols[3], cols[4], counts).Scan(&zero)
	if err != nil || zero == 0 {
		return err
	}
	// A counter that is back at zero goes, so that the rows say the same however the log was cut into pages.
	_, err = tx.Exec(ctx, tx.Tables.SQL(`
		DELETE FROM @.counter AS c USING unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS k (tenant, scope, subject, facet, value)
		WHERE c.n = 0 AND c.facet <> 'attendees'
		AND (c.tenant, c.scope, c.subject, c.facet, c.value) = (k.tenant, k.scope, k.subject, k.facet, k.value)`),
		cols[0], cols[1], cols[2], cols[3], cols[4])
	return err
}

func less(a, b counter) bool {
	for _, p := range [][2]string{{a.tenant, b.tenant}, {a.scope, b.scope}, {a.subject, b.subject}, {a.facet, b.facet}} {
		if p[0] != p[1] {
			return p[0] < p[1]
		}
	}
	return a.value < b.value
}
