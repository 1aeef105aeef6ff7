package notifier

import (
	"context"
	_ "embed" // tables.sql
	"sync/atomic"
	"time"

	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

//go:embed tables.sql
var ledgerTables string

// kindInvite is the kind of everything an attendee's calendar gets: REQUEST, update, CANCEL and reminder share a row, so
// that they cannot overtake each other.
const kindInvite = "invite"

// notSingle marks rows that no single request and no table asked for.
const notSingle = "-"

// mailKey names a row of the ledger.
type mailKey struct{ kind, subject, recipient string }

// ledgerPage is a page of facts folded per row: a key may stand only once in a statement, and a row that changes five
// times in a page is written once.
type ledgerPage struct {
	window time.Duration
	events map[string]*eventChange
	opened map[mailKey]opening // new rows
	told   map[mailKey]int     // settled up to
	again  map[mailKey]bool    // to be told anew, from told on
	minded map[mailKey]int     // reminded up to

	silent     map[string]silence
	blocked    map[[2]string]bool // recipient, organizer; false: no longer
	organizers map[string]string  // → the UID of their newest event
	suspended  map[string]bool
	paused     map[string]bool
	days       map[time.Time]int64
}

// eventChange is what a page says about an event, or about what else a notice is about.
type eventChange struct {
	tenant, organizer string
	revision          int
	edited            time.Time // first told then that it changed; zero: it did not
	urgent            bool      // nothing waits for further changes
	cancelled         *bool     // from now on; nil: as it was
	reminder          int
	reminderAt        int64
	since             time.Time
	position          int64 // of the last fact about the event itself; 0: there is none
	prompt, mass      bool  // which of the queues may have something now
}

type opening struct {
	tenant string
	at     int64
	bulk   string
}

type silence struct {
	tenant                   string
	suppressed, unsubscribed *bool
}

// Projection is the ledger as a projection. wake is called after every page, and told whether it changed anything; a change
// is told when window has passed since the first one that was not.
func Projection(window time.Duration, wake func(caughtUp, changed bool)) projector.Projection {
	var changed atomic.Bool
	return projector.Projection{
		Name: "ledger", Version: 5, Tables: ledgerTables,
		Apply: func(ctx context.Context, tx projector.Tx, page []facts.Recorded) error {
			n, err := applyLedger(ctx, tx, page, window)
			if n > 0 {
				changed.Store(true)
			}
			return err
		},
		Prefixes: []string{
			event.StreamPrefix, invitation.StreamPrefix, notice.StreamPrefix, recipient.StreamPrefix, organizer.StreamPrefix, bulk.StreamPrefix, logbook.Stream,
		},
		Working: []projector.Working{
			// A courier settles what is over without a fact: told may be ahead of what the log says.
			{Table: "mail", Kept: []string{"attempts", "due", "lease_until", "lease_owner"}, Ahead: []string{"told", "reminded"}},
			{Table: "event", Scratch: []string{"look", "settled"}},
			{Table: "queue", Scratch: []string{"due"}},
		},
		Indexed: true,
		Applied: func(_ uint64, caughtUp bool) { wake(caughtUp, changed.Swap(false)) },
	}
}

// applyLedger returns how many statements a page took: answers of the invited, which are most of what comes, take none.
func applyLedger(ctx context.Context, tx projector.Tx, page []facts.Recorded, window time.Duration) (statements int, err error) {
	batch := &pgx.Batch{}
	p := newLedgerPage(window)
	for _, rec := range page {
		if fact, ok := rec.Fact.(logbook.Fact); ok { // about all rows there are by then
			p.queue(batch, tx.Tables)
			p = newLedgerPage(window)
			queueFence(batch, tx.Tables, rec, fact)
			continue
		}
		p.add(rec)
	}
	p.queue(batch, tx.Tables)
	if batch.Len() == 0 {
		return 0, nil
	}
	return batch.Len(), tx.SendBatch(ctx, batch).Close()
}

func newLedgerPage(window time.Duration) *ledgerPage {
	return &ledgerPage{
		window: window, events: map[string]*eventChange{}, opened: map[mailKey]opening{}, told: map[mailKey]int{}, again: map[mailKey]bool{}, minded: map[mailKey]int{},
		silent: map[string]silence{}, blocked: map[[2]string]bool{}, organizers: map[string]string{}, suspended: map[string]bool{}, paused: map[string]bool{},
		days: map[time.Time]int64{},
	}
}

func (p *ledgerPage) queue(batch *pgx.Batch, t projector.Tables) {
	p.queueEvents(batch, t)
	p.queueMails(batch, t)
	p.queuePeople(batch, t)
}

// add is the table of what each fact means to the ledger.
func (p *ledgerPage) add(rec facts.Recorded) {
	at := int64(rec.Position)
	switch f := rec.Fact.(type) {
	case event.Fact:
		p.addEvent(rec, f)
	case invitation.InviteRequested:
		how := f.Bulk
		if how == "" && f.Origin.InBulk() {
			how = notSingle
		}
		p.open(inviteKey(f.Ref), opening{f.Tenant, at, how}, 0)
	case invitation.RsvpReceived:
		if f.Origin != "" { // they became an attendee by answering, and know what they answered to
			p.open(inviteKey(f.Ref), opening{f.Tenant, at, ""}, f.Told)
		}
	case invitation.InviteSent:
		p.handedOver(rec, inviteKey(f.Ref), f.Handover)
	case invitation.UpdateSent:
		p.handedOver(rec, inviteKey(f.Ref), f.Handover)
	case invitation.CancellationSent:
		p.handedOver(rec, inviteKey(f.Ref), f.Handover)
	case invitation.ReminderSent:
		p.count(rec)
		p.settle(inviteKey(f.Ref), 0)
		p.minded[inviteKey(f.Ref)] = max(p.minded[inviteKey(f.Ref)], f.Number)
	case invitation.DeliveryFailed:
		p.settle(inviteKey(f.Ref), f.Revision)
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
	case notice.NoticeSent:
		p.settle(mailKey{string(f.Kind), f.EventUID, f.OrganizerID}, 1)
	case notice.NoticeFailed:
		p.settle(mailKey{string(f.Kind), f.EventUID, f.OrganizerID}, 1)
	case organizer.SubscriptionStarted:
		p.notice(notice.Enrolled, f.OrderID+"."+itoa(f.Item), f.OrganizerID, f.Tenant)
	case organizer.SubscriptionEnded:
		p.notice(notice.SubscriptionEnded, f.OrderID+"."+itoa(f.Item), f.OrganizerID, f.Tenant)
	case organizer.OrganizerSuspended:
		p.suspended[f.OrganizerID] = true
	case organizer.OrganizerReinstated:
		p.suspended[f.OrganizerID] = false
	case bulk.BulkPaused:
		p.paused[f.BulkID] = true
	case bulk.BulkResumed:
		p.paused[f.BulkID] = false
	case bulk.BulkFinished:
		p.notice(notice.BulkSummary, f.BulkID, f.OrganizerID, f.Tenant)
	case recipient.Fact:
		p.addRecipient(f)
	}
}

func (p *ledgerPage) addEvent(rec facts.Recorded, fact event.Fact) {
	switch f := fact.(type) {
	case event.EventCreated:
		e := p.revise(rec, f.UID, f.Tenant, 1)
		e.organizer, e.since = f.OrganizerID, rec.Created
		p.organizers[f.OrganizerID] = f.UID
		p.open(mailKey{string(notice.EventCreated), f.UID, f.OrganizerID}, opening{f.Tenant, e.position, ""}, 0)
	case event.EventUpdated:
		p.edit(rec, f.UID, f.Tenant, f.Revision)
	case event.ChangeUndone:
		p.edit(rec, f.UID, f.Tenant, f.Revision)
		if f.Instance == "" {
			p.events[f.UID].takesPlace(f.Status != event.Cancelled)
		}
	case event.InstanceUpdated:
		p.edit(rec, f.UID, f.Tenant, f.Revision)
	case event.InstanceCancelled:
		p.revise(rec, f.UID, f.Tenant, f.Revision).urgent = true
	case event.EventCancelled:
		if f.Revision > 0 { // else the event is not known
			p.revise(rec, f.UID, f.Tenant, f.Revision).takesPlace(false)
		}
	case event.EventReinstated:
		e := p.revise(rec, f.UID, f.Tenant, f.Revision)
		e.takesPlace(true)
		e.urgent, e.since = true, rec.Created
	case event.RemindersChanged:
		p.revise(rec, f.UID, f.Tenant, 0).since = rec.Created
	case event.RemindersDue:
		e := p.revise(rec, f.UID, f.Tenant, 0)
		e.reminder, e.reminderAt = f.Number, e.position
	}
}

func (p *ledgerPage) addRecipient(fact recipient.Fact) {
	yes, no := true, false
	switch f := fact.(type) {
	case recipient.RecipientErased:
		p.silent[f.RecipientID] = silence{f.Tenant, &yes, &yes}
	case recipient.RecipientSuppressed:
		p.silent[f.RecipientID] = silence{f.Tenant, &yes, p.silent[f.RecipientID].unsubscribed}
	case recipient.RecipientRestored:
		p.silent[f.RecipientID] = silence{f.Tenant, &no, p.silent[f.RecipientID].unsubscribed}
	case recipient.RecipientUnsubscribed:
		p.silent[f.RecipientID] = silence{f.Tenant, p.silent[f.RecipientID].suppressed, &yes}
	case recipient.RecipientResubscribed:
		p.silent[f.RecipientID] = silence{f.Tenant, p.silent[f.RecipientID].suppressed, &no}
	case recipient.OrganizerBlocked:
		p.blocked[[2]string{f.RecipientID, f.OrganizerID}] = true
	case recipient.OrganizerUnblocked:
		p.blocked[[2]string{f.RecipientID, f.OrganizerID}] = false
	}
}

func inviteKey(r invitation.Ref) mailKey { return mailKey{kindInvite, r.EventUID, r.AttendeeID} }

// subject is what the page says about an event, or what else is told about.
func (p *ledgerPage) subject(uid, tenant string) *eventChange {
	e := p.events[uid]
	if e == nil {
		e = &eventChange{tenant: tenant}
		p.events[uid] = e
	}
	return e
}

// revise makes an event due, and looked at for reminders.
func (p *ledgerPage) revise(rec facts.Recorded, uid, tenant string, revision int) *eventChange {
	e := p.subject(uid, tenant)
	e.revision, e.position, e.mass = max(e.revision, revision), int64(rec.Position), true
	return e
}

// takesPlace says whether the event does, from now on. That it does not is told at once.
func (e *eventChange) takesPlace(yes bool) {
	off := !yes
	e.cancelled, e.urgent = &off, off
}

// edit is revise for changes that may be followed by others.
func (p *ledgerPage) edit(rec facts.Recorded, uid, tenant string, revision int) {
	e := p.revise(rec, uid, tenant, revision)
	if e.edited.IsZero() || rec.Created.Sub(e.edited) > p.window {
		e.edited = rec.Created
	}
}

func (p *ledgerPage) open(k mailKey, o opening, told int) {
	p.opened[k] = o
	p.told[k] = max(p.told[k], told)
	e := p.subject(k.subject, o.tenant)
	if k.kind == kindInvite && (told > 0 || o.bulk != "") {
		e.mass = true
	} else {
		e.prompt = true
	}
}

func (p *ledgerPage) settle(k mailKey, revision int) { p.told[k] = max(p.told[k], revision) }

// handedOver settles a row, or, when mails about other instances follow, only hands it back.
func (p *ledgerPage) handedOver(rec facts.Recorded, k mailKey, h invitation.Handover) {
	p.count(rec)
	if h.Pending {
		p.settle(k, 0)
	} else {
		p.settle(k, h.Revision)
	}
}

func (p *ledgerPage) count(rec facts.Recorded) { p.days[rec.Created.UTC().Truncate(24*time.Hour)]++ }

// resend makes somebody who knows everything somebody who knows nothing.
func (p *ledgerPage) resend(k mailKey, tenant string) {
	p.told[k], p.again[k] = 0, true
	e := p.subject(k.subject, tenant)
	e.prompt, e.mass = true, true
}

// notice opens a row of its own kind; there is one thing to tell about its subject.
func (p *ledgerPage) notice(kind notice.Kind, subject, to, tenant string) {
	e := p.subject(subject, tenant)
	e.revision = max(e.revision, 1)
	p.open(mailKey{string(kind), subject, to}, opening{tenant: tenant}, 0)
}

// numbered names the n-th thing an attendee did about an event.
func numbered(r invitation.Ref, n int) string {
	return r.EventUID + "." + r.AttendeeID + "." + itoa(n)
}
