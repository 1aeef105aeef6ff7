package notifier

import (
	"maps"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

// queueEvents raises revisions and makes the events due. Rows are written in the order of their keys, so that nobody
// waits in a circle.
func (p *ledgerPage) queueEvents(batch *pgx.Batch, t projector.Tables) {
	if len(p.events) == 0 {
		return
	}
	uids := slices.Sorted(maps.Keys(p.events))
	n := len(uids)
	tenants, organizers, revisions, edited := make([]string, n), make([]string, n), make([]int32, n), make([]*time.Time, n)
	reminders, reminderAts, since, positions := make([]int32, n), make([]int64, n), make([]*time.Time, n), make([]int64, n)
	for i, uid := range uids {
		e := p.events[uid]
		tenants[i], organizers[i], revisions[i] = e.tenant, e.organizer, int32(e.revision)
		reminders[i], reminderAts[i], positions[i] = int32(e.reminder), e.reminderAt, e.position
		if !e.edited.IsZero() {
			edited[i] = &e.edited
		}
		if !e.since.IsZero() {
			since[i] = &e.since
		}
	}
	// A change waits from the first one that was not told; one that is urgent takes those before it along.
	batch.Queue(t.SQL(`
		INSERT INTO @.event AS e (uid, tenant, organizer, revision, settled, held, reminder, reminder_at, since, look, position)
		SELECT uid, n.tenant, organizer, revision, coalesce(edited + $9::interval, '-infinity'), false, reminder, reminder_at,
			coalesce(since, '-infinity'), CASE WHEN position > 0 THEN '-infinity'::timestamptz ELSE 'infinity' END, position
		FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::timestamptz[], $6::int[], $7::bigint[], $8::timestamptz[], $10::bigint[])
			AS n (uid, tenant, organizer, revision, edited, reminder, reminder_at, since, position)
		ON CONFLICT (uid) DO UPDATE SET
			organizer = CASE WHEN excluded.organizer = '' THEN e.organizer ELSE excluded.organizer END,
			revision = greatest(e.revision, excluded.revision),
			settled = CASE
				WHEN excluded.settled = '-infinity' THEN e.settled
				WHEN e.settled > excluded.settled - $9::interval THEN e.settled
				ELSE excluded.settled END,
			reminder = greatest(e.reminder, excluded.reminder), reminder_at = greatest(e.reminder_at, excluded.reminder_at),
			since = greatest(e.since, excluded.since),
			look = least(e.look, excluded.look), position = greatest(e.position, excluded.position)`),
		uids, tenants, organizers, revisions, edited, reminders, reminderAts, since, p.window, positions)
	for _, uid := range uids {
		if e := p.events[uid]; e.urgent || e.cancelled != nil {
			batch.Queue(t.SQL(`UPDATE @.event SET settled = CASE WHEN $2 THEN '-infinity' ELSE settled END, cancelled = coalesce($3, cancelled) WHERE uid = $1`), uid, e.urgent, e.cancelled)
		}
	}
	var due []string
	var prompt []bool
	for _, uid := range uids {
		for _, q := range []bool{true, false} {
			if e := p.events[uid]; q && e.prompt || !q && e.mass {
				due, prompt = append(due, uid), append(prompt, q)
			}
		}
	}
	batch.Queue(t.SQL(`INSERT INTO @.queue (uid, prompt, due) SELECT uid, prompt, '-infinity' FROM unnest($1::text[], $2::bool[]) AS n (uid, prompt)`+dueNowConflict), due, prompt)
}

// dueNow puts events into queues.
const (
	dueNow         = `INSERT INTO @.queue (uid, prompt, due) SELECT n.uid, l.prompt, '-infinity'`
	dueNowConflict = ` ON CONFLICT (uid, prompt) DO UPDATE SET due = '-infinity'`
)

func (p *ledgerPage) queueMails(batch *pgx.Batch, t projector.Tables) {
	keys := slices.SortedFunc(maps.Keys(p.told), func(a, b mailKey) int {
		for _, d := range [][2]string{{a.subject, b.subject}, {a.recipient, b.recipient}, {a.kind, b.kind}} {
			if d[0] != d[1] {
				if d[0] < d[1] {
					return -1
				}
				return 1
			}
		}
		return 0
	})
	var fresh, known mailRows
	for _, k := range keys {
		if o, isNew := p.opened[k]; isNew {
			fresh.add(k, p.told[k])
			fresh.tenants, fresh.opened, fresh.bulks = append(fresh.tenants, o.tenant), append(fresh.opened, o.at), append(fresh.bulks, o.bulk)
		} else {
			known.add(k, p.told[k])
			known.again, known.minded = append(known.again, p.again[k]), append(known.minded, int32(p.minded[k]))
		}
	}
	if len(fresh.kinds) > 0 {
		batch.Queue(t.SQL(`
			INSERT INTO @.mail AS m (kind, subject, recipient, told, tenant, opened, bulk)
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bigint[], $7::text[])
			ON CONFLICT (kind, subject, recipient) DO UPDATE SET
				told = CASE WHEN m.kind = 'invite' THEN excluded.told ELSE greatest(m.told, excluded.told) END,
				opened = excluded.opened, bulk = excluded.bulk`),
			fresh.kinds, fresh.subjects, fresh.recipients, fresh.told, fresh.tenants, fresh.opened, fresh.bulks)
	}
	if len(known.kinds) > 0 {
		// What was settled is handed back. If there is more to tell by now, the event is due again.
		batch.Queue(t.SQL(`
			WITH settled AS (
				UPDATE @.mail AS m SET told = CASE WHEN n.again THEN n.told ELSE greatest(m.told, n.told) END, reminded = greatest(m.reminded, n.minded),
					attempts = 0, due = '-infinity', lease_until = '-infinity'
				FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bool[], $6::int[]) AS n (kind, subject, recipient, told, again, minded)
				WHERE m.kind = n.kind AND m.subject = n.subject AND m.recipient = n.recipient
				RETURNING m.subject, m.kind, m.told, m.reminded),
			due AS (
				SELECT e.uid FROM @.event AS e, (SELECT subject, min(told) AS told, min(reminded) AS reminded FROM settled WHERE kind = 'invite' GROUP BY subject) AS s
				WHERE e.uid = s.subject AND (s.told < e.revision OR s.reminded < e.reminder))
			`+dueNow+` FROM due AS n, (VALUES (true), (false)) AS l (prompt) ORDER BY 1, 2`+dueNowConflict),
			known.kinds, known.subjects, known.recipients, known.told, known.again, known.minded)
	}
}

// queuePeople writes who wants nothing, who may not act, and what waits.
func (p *ledgerPage) queuePeople(batch *pgx.Batch, t projector.Tables) {
	for _, id := range slices.Sorted(maps.Keys(p.organizers)) {
		batch.Queue(t.SQL(`INSERT INTO @.organizer (id, uid) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET uid = excluded.uid`), id, p.organizers[id])
	}
	for _, id := range slices.Sorted(maps.Keys(p.suspended)) {
		on := p.suspended[id]
		batch.Queue(t.SQL(`INSERT INTO @.organizer (id, suspended) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET suspended = excluded.suspended`), id, on)
		batch.Queue(t.SQL(`UPDATE @.event SET held = $2 WHERE organizer = $1`), id, on)
		if !on {
			batch.Queue(t.SQL(dueNow+` FROM @.event AS n, (VALUES (true), (false)) AS l (prompt) WHERE n.organizer = $1 ORDER BY 1, 2`+dueNowConflict), id)
		}
	}
	for id, s := range p.silent {
		batch.Queue(t.SQL(`
			INSERT INTO @.silent AS s (recipient, suppressed, unsubscribed, tenant) VALUES ($1, coalesce($2, false), coalesce($3, false), $4)
			ON CONFLICT (recipient) DO UPDATE SET suppressed = coalesce($2, s.suppressed), unsubscribed = coalesce($3, s.unsubscribed)`), id, s.suppressed, s.unsubscribed, s.tenant)
	}
	for pair, on := range p.blocked {
		if on {
			batch.Queue(t.SQL(`INSERT INTO @.blocked (recipient, organizer) VALUES ($1, $2) ON CONFLICT DO NOTHING`), pair[0], pair[1])
		} else {
			batch.Queue(t.SQL(`DELETE FROM @.blocked WHERE recipient = $1 AND organizer = $2`), pair[0], pair[1])
		}
	}
	for id, on := range p.paused {
		if on {
			batch.Queue(t.SQL(`INSERT INTO @.paused (bulk) VALUES ($1) ON CONFLICT DO NOTHING`), id)
			continue
		}
		batch.Queue(t.SQL(`DELETE FROM @.paused WHERE bulk = $1`), id)
		batch.Queue(t.SQL(`UPDATE @.queue SET due = '-infinity' WHERE NOT prompt AND uid IN (SELECT DISTINCT subject FROM @.mail WHERE bulk = $1)`), id)
	}
	for day, n := range p.days {
		batch.Queue(t.SQL(`INSERT INTO @.day AS d (day, mails) VALUES ($1, $2) ON CONFLICT (day) DO UPDATE SET mails = d.mails + excluded.mails`), day, n)
	}
}

// mailRows are rows as columns, for unnest.
type mailRows struct {
	kinds, subjects, recipients []string
	told                        []int32

	tenants, bulks []string // of new ones
	opened         []int64
	again          []bool // of known ones
	minded         []int32
}

func (r *mailRows) add(k mailKey, told int) {
	r.kinds, r.subjects, r.recipients = append(r.kinds, k.kind), append(r.subjects, k.subject), append(r.recipients, k.recipient)
	r.told = append(r.told, int32(told))
}
