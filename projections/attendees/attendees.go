// Package attendees is the read model of invitations, and of the people behind them and behind events.
package attendees

import (
	"context"
	_ "embed" // the SQL files beside this
	"sort"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/member"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

//go:embed tables.sql
var tables string

//go:embed stage.sql
var stage string

//go:embed place_attendee.sql
var placeAttendee string

//go:embed place_person.sql
var placePerson string

// Projection keeps the tables attendee and person. It needs the log to open addresses and names.
func Projection(log *facts.Log) projector.Projection {
	return projector.Projection{
		Name: "attendees", Version: 4, Prefixes: []string{event.StreamPrefix, invitation.StreamPrefix, organizer.StreamPrefix, member.StreamPrefix, recipient.StreamPrefix}, Tables: tables,
		Reads: []schema.Fact{event.EventCreated{}, invitation.InviteRequested{}, invitation.RsvpReceived{}, invitation.Bounced{}, invitation.InviteWithdrawn{}, organizer.OrganizerRegistered{}, member.RoleGranted{}, recipient.RecipientErased{}},
		Stage: &projector.Stage{
			Open: stage, Place: map[string]string{"attendee": placeAttendee, "person": placePerson}, Close: `DROP TABLE @.attendee_op, @.person_op`,
		},
		Personal: []string{"person.address", "person.name", "comment.comment"},
		Apply: func(ctx context.Context, tx projector.Tx, page []facts.Recorded) error {
			return apply(ctx, log, tx, page)
		},
	}
}

type attendeeKey struct{ uid, person string }

type attendee struct {
	tenant                 string
	status, origin, prodid string // empty: as it was
	position               int64  // of the fact that made them one
	at                     int64  // of the last fact
	changed                time.Time
	answered               *time.Time
	stale                  bool
	fresh                  bool
}

type instanceKey struct {
	attendeeKey
	id event.InstanceID
}

type instance struct {
	tenant string
	status invitation.Status
	stale  bool
}

type comment struct{ tenant, text string }

type person struct {
	tenant, address, name string
	at                    int64 // position of the fact
}

// fold is a page folded per row, so that every row is written once.
type fold struct {
	attendees map[attendeeKey]*attendee
	instances map[instanceKey]instance
	comments  map[attendeeKey]comment
	bounced   map[attendeeKey]int64 // position
	withdrawn map[attendeeKey]int64 // position
	people    map[string]person
	erased    map[string]string // tenants of who was
}

func apply(ctx context.Context, log *facts.Log, tx projector.Tx, page []facts.Recorded) error {
	if err := log.Vault().Preload(ctx, facts.Whose(page)); err != nil {
		return err
	}
	f := fold{
		attendees: map[attendeeKey]*attendee{}, instances: map[instanceKey]instance{}, comments: map[attendeeKey]comment{},
		bounced: map[attendeeKey]int64{}, withdrawn: map[attendeeKey]int64{},
		people: map[string]person{}, erased: map[string]string{},
	}
	for _, rec := range page {
		opened, err := log.Open(ctx, rec)
		if err != nil {
			return err
		}
		rec.Fact = opened
		f.add(rec)
	}
	batch := &pgx.Batch{}
	f.queueErased(batch, tx.Tables)
	f.queuePeople(batch, tx)
	f.queueWithdrawn(batch, tx.Tables, "instance", "comment") // before what came after
	if tx.Staged {
		f.stageAttendees(batch, tx.Tables)
	} else {
		f.queueAttendees(batch, tx.Tables)
	}
	f.queueRest(batch, tx.Tables)
	if batch.Len() == 0 {
		return nil
	}
	return tx.SendBatch(ctx, batch).Close()
}

func (f *fold) add(rec facts.Recorded) {
	at := int64(rec.Position)
	switch fact := rec.Fact.(type) {
	case event.EventCreated:
		f.person(fact.OrganizerID, person{fact.Tenant, fact.OrganizerAddress, fact.OrganizerName, at})
		if fact.OriginalOrganizerID != "" && fact.OriginalOrganizerID != fact.OrganizerID {
			f.person(fact.OriginalOrganizerID, person{fact.Tenant, fact.OriginalOrganizer, "", at})
		}
	case organizer.OrganizerRegistered:
		f.person(fact.OrganizerID, person{fact.Tenant, fact.Address, fact.Name, at})
	case member.RoleGranted:
		f.person(fact.PersonID, person{fact.Tenant, fact.Address, "", at})
	case invitation.InviteRequested:
		f.person(fact.AttendeeID, person{fact.Tenant, fact.Address, fact.Name, at})
		f.attendees[attendeeKey{fact.EventUID, fact.AttendeeID}] = &attendee{
			tenant: fact.Tenant, status: string(invitation.NoAction), origin: string(fact.Origin), position: at, at: at, changed: rec.Created, fresh: true,
		}
	case invitation.RsvpReceived:
		f.answer(rec, fact)
	case invitation.InviteWithdrawn:
		key := attendeeKey{fact.EventUID, fact.AttendeeID}
		delete(f.attendees, key)
		delete(f.comments, key)
		delete(f.bounced, key)
		for k := range f.instances {
			if k.attendeeKey == key {
				delete(f.instances, k)
			}
		}
		f.withdrawn[key] = at
	case recipient.RecipientErased:
		f.erase(fact.Tenant, fact.RecipientID)
	case invitation.Bounced:
		f.bounced[attendeeKey{fact.EventUID, fact.AttendeeID}] = at
	}
}

func (f *fold) answer(rec facts.Recorded, fact invitation.RsvpReceived) {
	key := attendeeKey{fact.EventUID, fact.AttendeeID}
	if _, erased := f.erased[fact.AttendeeID]; fact.Comment != "" && !erased {
		f.comments[key] = comment{fact.Tenant, fact.Comment}
	}
	if fact.Instance != "" {
		f.instances[instanceKey{key, fact.Instance}] = instance{fact.Tenant, fact.Status, fact.Stale}
		if fact.Origin == "" {
			return
		}
	}
	a := f.attendees[key]
	if a == nil || fact.Origin != "" {
		a = &attendee{tenant: fact.Tenant}
		f.attendees[key] = a
	}
	a.changed, a.answered, a.at = rec.Created, &rec.Created, int64(rec.Position)
	if fact.Origin != "" {
		f.person(fact.AttendeeID, person{fact.Tenant, fact.Address, fact.Name, a.at})
		a.origin, a.position, a.fresh, a.status = string(fact.Origin), a.at, true, string(invitation.NoAction)
	}
	if fact.Instance == "" {
		a.status, a.prodid, a.stale = string(fact.Status), fact.ProdID, fact.Stale
	}
}

// erase forgets what is personal of somebody whose key was still there when it was read.
func (f *fold) erase(tenant, id string) {
	delete(f.people, id)
	for k := range f.comments {
		if k.person == id {
			delete(f.comments, k)
		}
	}
	f.erased[id] = tenant
}

// queueErased removes what is personal of who was erased. What was recorded while their key was being destroyed adds
// nothing: they are remembered.
func (f *fold) queueErased(batch *pgx.Batch, t projector.Tables) {
	for id, tenant := range f.erased {
		batch.Queue(t.SQL(`INSERT INTO @.erased (tenant, id) VALUES ($1, $2) ON CONFLICT DO NOTHING`), tenant, id)
		batch.Queue(t.SQL(`DELETE FROM @.person WHERE id = $1`), id)
		batch.Queue(t.SQL(`DELETE FROM @.comment WHERE person_id = $1`), id)
	}
}

// queueRest writes what few attendees have.
func (f *fold) queueRest(batch *pgx.Batch, t projector.Tables) {
	for k, i := range f.instances {
		batch.Queue(t.SQL(`
			INSERT INTO @.instance (event_uid, person_id, instance, status, stale, tenant) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (event_uid, person_id, instance) DO UPDATE SET status = excluded.status, stale = excluded.stale`),
			k.uid, k.person, string(k.id), string(i.status), i.stale, i.tenant)
	}
	for k, c := range f.comments {
		batch.Queue(t.SQL(`
			INSERT INTO @.comment (event_uid, person_id, comment, tenant)
			SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM @.erased WHERE id = $2)
			ON CONFLICT (event_uid, person_id) DO UPDATE SET comment = excluded.comment`), k.uid, k.person, c.text, c.tenant)
	}
}

// person keeps the latest address, and the latest name that was said; an erased person has neither.
func (f *fold) person(id string, p person) {
	if _, erased := f.erased[id]; p.address == "" || erased {
		return
	}
	if p.name == "" {
		p.name = f.people[id].name
	}
	f.people[id] = p
}

func (f *fold) queuePeople(batch *pgx.Batch, tx projector.Tx) {
	ids := make([]string, 0, len(f.people))
	for id := range f.people {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return
	}
	sort.Strings(ids)
	tenants, addresses, people, at := make([]string, len(ids)), make([]string, len(ids)), make([]string, len(ids)), make([]int64, len(ids))
	for i, id := range ids {
		p := f.people[id]
		tenants[i], addresses[i], people[i], at[i] = p.tenant, p.address, p.name, p.at
	}
	if tx.Staged {
		batch.Queue(tx.Tables.SQL(stagePeople), tenants, ids, addresses, people, at)
		return
	}
	batch.Queue(tx.Tables.SQL(`
		INSERT INTO @.person AS p (tenant, id, address, name)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS n (tenant, id, address, name)
		WHERE NOT EXISTS (SELECT FROM @.erased AS e WHERE e.id = n.id)
		ON CONFLICT (id) DO UPDATE SET address = excluded.address, name = CASE WHEN excluded.name = '' THEN p.name ELSE excluded.name END`),
		tenants, ids, addresses, people)
}

func (f *fold) queueWithdrawn(batch *pgx.Batch, t projector.Tables, tables ...string) {
	for k := range f.withdrawn {
		for _, table := range tables {
			batch.Queue(t.SQL(`DELETE FROM @.`+table+` WHERE event_uid = $1 AND person_id = $2`), k.uid, k.person)
		}
	}
}

func (f *fold) queueAttendees(batch *pgx.Batch, t projector.Tables) {
	f.queueWithdrawn(batch, t, "attendee")
	keys := make([]attendeeKey, 0, len(f.attendees))
	for k := range f.attendees {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		return keys[i].uid < keys[j].uid || keys[i].uid == keys[j].uid && keys[i].person < keys[j].person
	})
	var fresh, known columns
	for _, k := range keys {
		if a := f.attendees[k]; a.fresh {
			fresh.add(k, a)
		} else {
			known.add(k, a)
		}
	}
	if len(fresh.uids) > 0 {
		batch.Queue(t.SQL(`
			INSERT INTO @.attendee (tenant, event_uid, person_id, status, origin, prodid, position, changed, stale, answered)
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[], $9::bool[], $10::timestamptz[])`),
			fresh.tenants, fresh.uids, fresh.people, fresh.statuses, fresh.origins, fresh.prodids, fresh.positions, fresh.changed, fresh.stale, fresh.answered)
	}
	if len(known.uids) > 0 {
		batch.Queue(t.SQL(`
			UPDATE @.attendee AS a SET status = n.status, prodid = n.prodid, changed = n.changed, stale = n.stale, answered = coalesce(n.answered, a.answered)
			FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bool[], $7::timestamptz[]) AS n (uid, person, status, prodid, changed, stale, answered)
			WHERE a.event_uid = n.uid AND a.person_id = n.person`),
			known.uids, known.people, known.statuses, known.prodids, known.changed, known.stale, known.answered)
	}
	for k := range f.bounced {
		batch.Queue(t.SQL(`UPDATE @.attendee SET bounced = true WHERE event_uid = $1 AND person_id = $2`), k.uid, k.person)
	}
}

// columns are rows as columns, for unnest.
type columns struct {
	tenants, uids, people, statuses, origins, prodids []string
	positions                                         []int64
	changed                                           []time.Time
	stale                                             []bool
	answered                                          []*time.Time
}

func (c *columns) add(k attendeeKey, a *attendee) {
	c.tenants, c.uids, c.people = append(c.tenants, a.tenant), append(c.uids, k.uid), append(c.people, k.person)
	c.statuses, c.origins, c.prodids = append(c.statuses, a.status), append(c.origins, a.origin), append(c.prodids, a.prodid)
	c.positions, c.changed, c.stale = append(c.positions, a.position), append(c.changed, a.changed), append(c.stale, a.stale)
	c.answered = append(c.answered, a.answered)
}
