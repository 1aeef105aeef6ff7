package notifier

import (
	"context"
	"sort"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

const ledgerTables = `
-- What there is to tell about an event.
CREATE TABLE @.event (
	uid      text        PRIMARY KEY, -- or what a notice is about
	tenant   text        NOT NULL,
	revision int         NOT NULL, -- the content revision everybody should know
	due      timestamptz NOT NULL DEFAULT 'infinity' -- when something may be owed; infinity: nothing is
);
CREATE INDEX ON @.event (due) WHERE due < 'infinity';
-- An event of each organizer, by which their address is found.
CREATE TABLE @.organizer (id text PRIMARY KEY, uid text NOT NULL);
-- What a recipient was told.
CREATE TABLE @.mail (
	kind        text        NOT NULL, -- invite, or a notice's kind
	subject     text        NOT NULL, -- the event, or what a notice is about
	recipient   text        NOT NULL, -- a person
	tenant      text        NOT NULL,
	told        int         NOT NULL, -- the content revision they know, or cannot be told
	attempts    int         NOT NULL DEFAULT 0, -- failed ones since the last success
	due         timestamptz NOT NULL DEFAULT '-infinity',
	lease_until timestamptz NOT NULL DEFAULT '-infinity', -- later: a courier has it
	lease_owner text        NOT NULL DEFAULT '', -- the process it works in
	PRIMARY KEY (kind, subject, recipient)
);
-- People whose address does not work.
CREATE TABLE @.suppressed (recipient text PRIMARY KEY);
CREATE INDEX ON @.mail (subject, told);
CREATE INDEX ON @.mail (lease_until) WHERE lease_until > '-infinity';`

// kindInvite is the kind of everything an attendee's calendar gets: REQUEST, update and CANCEL share a row, so that
// they cannot overtake each other.
const kindInvite = "invite"

// mailKey names a row of the ledger.
type mailKey struct{ kind, subject, recipient string }

// ledgerPage is a page of facts folded per row: a key may stand only once in a statement, and a row that changes five
// times in a page is written once.
type ledgerPage struct {
	revisions map[string]int
	tenants   map[string]string
	opened    map[mailKey]string // new rows → tenant
	told      map[mailKey]int    // settled up to
	again     map[mailKey]bool   // to be told anew, from told on

	suppressed map[string]bool   // recipients; false: no longer
	organizers map[string]string // → the UID of their newest event
}

// Projection is the ledger as a projection. wake is called after every page.
func Projection(wake func(caughtUp bool)) projector.Projection {
	return projector.Projection{
		Name: "ledger", Version: 2, Tables: ledgerTables, Apply: applyLedger,
		Prefixes: []string{event.StreamPrefix, invitation.StreamPrefix, notice.StreamPrefix, recipient.StreamPrefix},
		Applied:  func(_ uint64, caughtUp bool) { wake(caughtUp) },
	}
}

func applyLedger(ctx context.Context, tx projector.Tx, page []facts.Recorded) error {
	p := ledgerPage{
		revisions: map[string]int{}, tenants: map[string]string{}, opened: map[mailKey]string{}, told: map[mailKey]int{}, again: map[mailKey]bool{},
		suppressed: map[string]bool{}, organizers: map[string]string{},
	}
	for _, rec := range page {
		p.add(rec)
	}
	batch := &pgx.Batch{}
	p.queueEvents(batch, tx.Tables)
	p.queueMails(batch, tx.Tables)
	p.queuePeople(batch, tx.Tables)
	return tx.SendBatch(ctx, batch).Close()
}

// add is the table of what each fact means to the ledger.
func (p *ledgerPage) add(rec facts.Recorded) {
	switch f := rec.Fact.(type) {
	case event.EventCreated:
		p.revise(f.UID, f.Tenant, 1)
		p.organizers[f.OrganizerID] = f.UID
		p.open(mailKey{string(notice.EventCreated), f.UID, f.OrganizerID}, f.Tenant, 0)
	case event.EventUpdated:
		p.revise(f.UID, f.Tenant, f.Revision)
	case event.EventCancelled:
		if f.Revision > 0 { // else the event is not known
			p.revise(f.UID, f.Tenant, f.Revision)
		}
	case event.EventReinstated:
		p.revise(f.UID, f.Tenant, f.Revision)
	case invitation.InviteRequested:
		p.open(inviteKey(f.Ref), f.Tenant, 0)
	case invitation.RsvpReceived:
		if f.Origin != "" { // they became an attendee by answering, and know what they answered to
			p.open(inviteKey(f.Ref), f.Tenant, f.Told)
		}
	case invitation.InviteSent:
		p.handedOver(inviteKey(f.Ref), f.Handover)
	case invitation.UpdateSent:
		p.handedOver(inviteKey(f.Ref), f.Handover)
	case invitation.CancellationSent:
		p.handedOver(inviteKey(f.Ref), f.Handover)
	case invitation.DeliveryFailed:
		p.settle(inviteKey(f.Ref), f.Revision)
	case event.InstanceUpdated:
		p.revise(f.UID, f.Tenant, f.Revision)
	case event.InstanceCancelled:
		p.revise(f.UID, f.Tenant, f.Revision)
	case invitation.InviteWithdrawn:
		p.resend(inviteKey(f.Ref), f.Tenant) // of what they know only the end is left to tell
	case invitation.ResendRequested:
		p.resend(inviteKey(f.Ref), f.Tenant)
	case invitation.CounterReceived:
		p.notice(notice.Counter, numbered(f.Ref, f.Number), f.OrganizerID, f.Tenant)
	case invitation.CounterDeclined:
		p.notice(notice.DeclineCounter, numbered(f.Ref, f.Number), f.AttendeeID, f.Tenant)
	case invitation.CrasherTurnedAway:
		p.notice(notice.Crasher, numbered(f.Ref, 1), f.AttendeeID, f.Tenant)
	case notice.NoticeRequested:
		p.notice(f.Kind, f.EventUID, f.OrganizerID, f.Tenant)
	case recipient.RecipientSuppressed:
		p.suppressed[f.RecipientID] = true
	case recipient.RecipientRestored:
		p.suppressed[f.RecipientID] = false
	case notice.NoticeSent:
		p.settle(mailKey{string(f.Kind), f.EventUID, f.OrganizerID}, 1)
	case notice.NoticeFailed:
		p.settle(mailKey{string(f.Kind), f.EventUID, f.OrganizerID}, 1)
	}
}

func inviteKey(r invitation.Ref) mailKey { return mailKey{kindInvite, r.EventUID, r.AttendeeID} }

func (p *ledgerPage) revise(uid, tenant string, revision int) {
	p.revisions[uid], p.tenants[uid] = max(p.revisions[uid], revision), tenant
}

func (p *ledgerPage) open(k mailKey, tenant string, told int) {
	p.opened[k] = tenant
	p.told[k] = max(p.told[k], told)
	if _, ok := p.revisions[k.subject]; !ok {
		p.revisions[k.subject], p.tenants[k.subject] = 0, tenant // makes the event due
	}
}

func (p *ledgerPage) settle(k mailKey, revision int) { p.told[k] = max(p.told[k], revision) }

// handedOver settles a row, or, when mails about other instances follow, only hands it back.
func (p *ledgerPage) handedOver(k mailKey, h invitation.Handover) {
	if h.Pending {
		p.settle(k, 0)
	} else {
		p.settle(k, h.Revision)
	}
}

// resend makes somebody who knows everything somebody who knows nothing.
func (p *ledgerPage) resend(k mailKey, tenant string) {
	p.told[k], p.again[k] = 0, true
	if _, ok := p.revisions[k.subject]; !ok {
		p.revisions[k.subject], p.tenants[k.subject] = 0, tenant
	}
}

// notice opens a row of its own kind; there is one thing to tell about its subject.
func (p *ledgerPage) notice(kind notice.Kind, subject, to, tenant string) {
	p.revise(subject, tenant, 1)
	p.open(mailKey{string(kind), subject, to}, tenant, 0)
}

// numbered names the n-th thing an attendee did about an event.
func numbered(r invitation.Ref, n int) string {
	return r.EventUID + "." + r.AttendeeID + "." + itoa(n)
}

func (p *ledgerPage) queuePeople(batch *pgx.Batch, t projector.Tables) {
	for id, uid := range p.organizers {
		batch.Queue(t.SQL(`INSERT INTO @.organizer (id, uid) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET uid = excluded.uid`), id, uid)
	}
	for id, on := range p.suppressed {
		if on {
			batch.Queue(t.SQL(`INSERT INTO @.suppressed (recipient) VALUES ($1) ON CONFLICT DO NOTHING`), id)
		} else {
			batch.Queue(t.SQL(`DELETE FROM @.suppressed WHERE recipient = $1`), id)
		}
	}
}

// queueEvents raises revisions and makes the events due. Rows are locked in the order of their keys, here and in the
// couriers, so that nobody waits in a circle.
func (p *ledgerPage) queueEvents(batch *pgx.Batch, t projector.Tables) {
	if len(p.revisions) == 0 {
		return
	}
	uids := make([]string, 0, len(p.revisions))
	for uid := range p.revisions {
		uids = append(uids, uid)
	}
	sort.Strings(uids)
	tenants, revisions := make([]string, len(uids)), make([]int32, len(uids))
	for i, uid := range uids {
		tenants[i], revisions[i] = p.tenants[uid], int32(p.revisions[uid])
	}
	batch.Queue(t.SQL(`
		INSERT INTO @.event AS e (uid, tenant, revision, due)
		SELECT uid, tenant, revision, '-infinity' FROM unnest($1::text[], $2::text[], $3::int[]) AS n (uid, tenant, revision)
		ON CONFLICT (uid) DO UPDATE SET revision = greatest(e.revision, excluded.revision), due = '-infinity'`), uids, tenants, revisions)
}

func (p *ledgerPage) queueMails(batch *pgx.Batch, t projector.Tables) {
	keys := make([]mailKey, 0, len(p.told))
	for k := range p.told {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		a, b := keys[i], keys[j]
		return a.subject < b.subject || a.subject == b.subject && (a.recipient < b.recipient || a.recipient == b.recipient && a.kind < b.kind)
	})
	var fresh, known mailRows
	for _, k := range keys {
		if tenant, isNew := p.opened[k]; isNew {
			fresh.add(k, tenant, p.told[k], false)
		} else {
			known.add(k, "", p.told[k], p.again[k])
		}
	}
	if len(fresh.kinds) > 0 {
		batch.Queue(t.SQL(`
			INSERT INTO @.mail AS m (kind, subject, recipient, tenant, told)
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[])
			ON CONFLICT (kind, subject, recipient) DO UPDATE SET told = CASE WHEN m.kind = 'invite' THEN excluded.told ELSE greatest(m.told, excluded.told) END`),
			fresh.kinds, fresh.subjects, fresh.recipients, fresh.tenants, fresh.told)
	}
	if len(known.kinds) > 0 {
		// What was settled is handed back. If there is more to tell by now, the event is due again.
		batch.Queue(t.SQL(`
			WITH settled AS (
				UPDATE @.mail AS m SET told = CASE WHEN n.again THEN n.told ELSE greatest(m.told, n.told) END,
					attempts = 0, due = '-infinity', lease_until = '-infinity'
				FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::bool[]) AS n (kind, subject, recipient, told, again)
				WHERE m.kind = n.kind AND m.subject = n.subject AND m.recipient = n.recipient
				RETURNING m.subject, m.kind, m.told)
			UPDATE @.event AS e SET due = '-infinity'
			FROM (SELECT subject, min(told) AS told FROM settled WHERE kind = 'invite' GROUP BY subject) AS s
			WHERE e.uid = s.subject AND s.told < e.revision`),
			known.kinds, known.subjects, known.recipients, known.told, known.again)
	}
}

// mailRows are rows as columns, for unnest.
type mailRows struct {
	kinds, subjects, recipients, tenants []string
	told                                 []int32
	again                                []bool
}

func (r *mailRows) add(k mailKey, tenant string, told int, again bool) {
	r.kinds, r.subjects, r.recipients = append(r.kinds, k.kind), append(r.subjects, k.subject), append(r.recipients, k.recipient)
	r.tenants, r.told, r.again = append(r.tenants, tenant), append(r.told, int32(told)), append(r.again, again)
}
