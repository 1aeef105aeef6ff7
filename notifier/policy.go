package notifier

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/order"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/google/uuid"
)

// letter is a mail to be written: which template, to whom, about what.
type letter struct {
	kind     string // template, see methods
	tenant   string
	to       person
	event    event.State      // as the mail tells it; of an instance, that instance
	instance event.InstanceID // of a series; empty: the event itself
	zone     string           // of the series an instance belongs to
	partstat string
	token    string    // stands for the mail in its Message-ID
	bounce   string    // and in its envelope sender
	stamp    time.Time // DTSTAMP; zero: when it is written

	about    person             // whom a notice is about
	counter  invitation.Counter // what they propose
	code     string             // of a refusal
	reason   string             // in words
	detail   string
	original []byte // the mail a notice is about

	before  event.State     // what they were told last, if they were
	own     organizer.State // whose event it is
	limit   int             // of their events; 0: none
	numbers *Counts         // of the event
	bulk    bulk.State
	order   order.State
	item    order.ItemOrdered
	unsub   pass   // lets the recipient want no more
	reply   string // where an answer to it goes; empty: nowhere special
	file    *file
}

// pass stands for a recipient and an event, in a link and in an address.
type pass struct{ link, mail, rsvp string }

// file is attached to a mail.
type file struct {
	name, kind string
	data       []byte
}

type person struct{ Address, Name string }

// verdict is what the log says about a claimed row.
type verdict struct {
	letter *letter       // nil: nothing is to be sent
	wait   time.Duration // then: not now
	done   int           // then: settled up to this revision
	minded int           // and this reminder
	record func(context.Context, outcome) error
}

// outcome is what became of a letter.
type outcome struct {
	messageID string
	answer    string
	failed    bool
	code      int
}

// decide looks at the log once more before anything is sent: the ledger may be behind.
func (c *Couriers) decide(ctx context.Context, o owed, now time.Time) (verdict, error) {
	if o.Kind != kindInvite {
		return c.decideNotice(ctx, o)
	}
	ev, err := c.opts.Handler.Event(ctx, o.Subject)
	if err == nil && (ev.Revision < o.Revision || ev.ReminderNumber < o.Reminder) {
		ev, err = c.opts.Handler.FreshEvent(ctx, o.Subject)
	}
	if err != nil {
		return verdict{}, err
	}
	own, err := c.opts.Handler.Organizer(ctx, ev.OrganizerID)
	if err != nil {
		return verdict{}, err
	}
	seen, err := c.opts.Handler.Invitation(ctx, o.Subject, o.Recipient)
	if err != nil {
		return verdict{}, err
	}
	v := c.toAttendee(o, ev, seen, now)
	switch {
	case v.letter == nil:
		return v, nil
	case own.Suspended && !ev.Cancelled() && v.letter.kind != "withdrawn":
		return verdict{wait: heldPause}, nil // the ledger will know in a moment
	}
	v.letter.own, v.letter.tenant = own, o.Tenant
	v.letter.unsub, err = c.passes(o.Tenant, o.Subject, o.Recipient)
	if err == nil && v.letter.kind == "update" {
		err = c.compare(ctx, o, v.letter, seen.State)
	}
	if err == nil && v.letter.kind == "update" && v.letter.reverted() {
		v = verdict{done: ev.Revision}
		if o.Reminder > 0 {
			v = c.reminder(o, ev, seen.State, now)
		}
		if v.letter == nil {
			return v, nil
		}
		v.letter.own, v.letter.tenant = own, o.Tenant
		v.letter.unsub, err = c.passes(o.Tenant, o.Subject, o.Recipient)
	}
	return v, err
}

// compare finds what the attendee of an update knows: what they were told last of it, or, of an instance they were told
// nothing about, what its series says.
func (c *Couriers) compare(ctx context.Context, o owed, l *letter, inv invitation.State) (err error) {
	told := inv.Told
	if l.instance != "" && inv.Instances[l.instance].Told > 0 {
		told = max(told, inv.Instances[l.instance].Told)
	}
	if l.before, err = c.past.at(ctx, c.opts.Handler, o.Subject, told); err == nil && l.instance != "" && inv.Instances[l.instance].Told == 0 {
		l.before.Instances = nil
	}
	return err
}

// heldPause is for how long a row is handed back when its organizer is suspended and the ledger does not know it yet.
const heldPause = 2 * time.Second

// reverted says that an update would tell somebody what they know: a change was taken back before it was told.
func (l *letter) reverted() bool {
	was := l.before.At(l.instance, recur.Instance)
	single := l.instance == "" && l.event.Content.Recurrence.IsZero() // a series is told with what differs from it
	return single && l.before.Exists && was.Status == l.event.Status && was.Sequence == l.event.Sequence && was.Content.Equal(l.event.Content)
}

// passes are what lets a recipient say that they want no more.
func (c *Couriers) passes(tenant, uid, recipient string) (pass, error) {
	link, err := c.opts.Keys.InvitationToken(unsubscribe, uid, recipient)
	if err != nil {
		return pass{}, err
	}
	rsvp, err := c.opts.Keys.InvitationToken("rsvp", uid, recipient)
	if err != nil {
		return pass{}, err
	}
	tag, err := c.opts.Keys.PersonToken(unsubscribe, recipient)
	return pass{link: link, rsvp: rsvp, mail: c.opts.Addresses.Of(tenant).Unsubscribe(tag)}, err
}

// unsubscribe is what the passes are good for.
const unsubscribe = "unsubscribe"

// toAttendee is the table of what an attendee gets next.
func (c *Couriers) toAttendee(o owed, ev event.State, seen commands.Invitation, now time.Time) verdict {
	inv := seen.State
	id, pending, owes := next(ev, inv)
	if !owes && o.Reminder > 0 && !o.silent() {
		return c.reminder(o, ev, inv, now)
	}
	here := ev.At(id, recur.Instance)
	l := &letter{
		kind: "invite", to: person{inv.Address, inv.Name}, event: here, instance: id, partstat: partStat(here, inv, id),
		token: c.messageToken(o, ev.Revision, id, inv.Resends), stamp: now,
	}
	if !now.After(inv.Stamp.Add(time.Second)) { // DTSTAMP has seconds, and every mail's is later than the one before
		l.stamp = inv.Stamp.Add(time.Second)
	}
	if id != "" {
		l.kind, l.zone = "update", ev.Content.Start.TZID
	} else {
		l.event.Content = withoutCancelled(ev)
	}
	method := "REQUEST"
	nothing := verdict{done: max(ev.Revision, o.Revision), minded: o.Reminder} // not even to be reminded
	switch {
	case !ev.Exists, !owes, o.silent():
		return nothing
	case inv.Address == "": // erased
		return nothing
	case recur.Over(ev.Content, now) && recur.Over(here.Content, now): // nothing is sent for events wholly in the past
		return nothing
	case ev.Cancelled() && inv.Told == 0: // never heard of it, need not hear that it is off
		return nothing
	case inv.Withdrawn:
		l.kind, method = "withdrawn", "CANCEL"
		l.token = c.opts.Keys.MessageID(l.token, l.kind) // the event has not changed since they were invited; this is another mail
	case here.Cancelled():
		l.kind, method = "cancel", "CANCEL"
	case id == "" && inv.Told > 0:
		l.kind = "update"
	}
	ref := invitation.Ref{Tenant: o.Tenant, EventUID: o.Subject, AttendeeID: o.Recipient}
	l.bounce = c.bounce(o, l.token)
	return verdict{letter: l, record: func(ctx context.Context, out outcome) error {
		_, err := c.opts.Handler.RecordDelivery(ctx, c.meta(o), commands.RecordDelivery{
			Ref: ref, Method: method, Failed: out.failed, Code: out.code,
			Handover: invitation.Handover{
				Revision: ev.Revision, Sequence: here.Sequence, MessageID: out.messageID, Answer: out.answer, Instance: id, Pending: pending,
				DTStamp: l.stamp.UTC().Truncate(time.Second),
			},
		}, seen)
		return err
	}}
}

// bounce is what the address that reports about a mail come to says about it.
func (c *Couriers) bounce(o owed, token string) string {
	if sealed, err := c.opts.Keys.AddressToken("bounce", o.Subject, o.Recipient); err == nil {
		return sealed
	}
	return token[:32] // a report to this one would tell us nothing
}

// reminder reminds an attendee of what is about to begin, unless that is off, has begun, or they said no.
func (c *Couriers) reminder(o owed, ev event.State, inv invitation.State, now time.Time) verdict {
	here := ev.At(ev.ReminderOf, recur.Instance)
	status, _ := inv.Answer(ev.ReminderOf)
	if inv.Reminded >= o.Reminder || ev.ReminderNumber != o.Reminder || here.Cancelled() || !here.Content.Start.UTC.After(now) ||
		status == invitation.Declined || inv.Withdrawn || inv.Told == 0 || inv.Address == "" || inv.Bounced {
		return verdict{done: max(o.Told, ev.Revision), minded: o.Reminder}
	}
	l := &letter{
		kind: "reminder", to: person{inv.Address, inv.Name}, event: here, instance: ev.ReminderOf, partstat: partStat(here, inv, ev.ReminderOf),
		token: c.opts.Keys.MessageID("reminder", o.Subject, o.Recipient, itoa(o.Reminder)),
	}
	l.bounce = c.bounce(o, l.token)
	ref := invitation.Ref{Tenant: o.Tenant, EventUID: o.Subject, AttendeeID: o.Recipient}
	return verdict{letter: l, record: func(ctx context.Context, out outcome) error {
		_, err := c.opts.Handler.ForInvitation(ctx, c.meta(o), commands.RecordReminder{Ref: ref, Number: o.Reminder, MessageID: out.messageID, Answer: out.answer, Refused: out.code})
		return err
	}}
}

// next finds what an attendee is to be told first: the event itself, then its exceptions in the order in which they
// arose, a mail each (an exception beside its series is ignored by Outlook). pending says that more is owed behind it.
func next(ev event.State, inv invitation.State) (id event.InstanceID, pending, owes bool) {
	if inv.Withdrawn { // only that is left to tell, if they heard of it at all
		return "", false, inv.Told > 0 && !inv.TakenBack
	}
	var list []event.InstanceID
	told := inv.Told
	if ev.SeriesRevision > max(inv.Told, inv.Failed) {
		list, told = append(list, ""), ev.Revision
	}
	if !ev.Cancelled() {
		var exceptions []event.InstanceID
		for id, inst := range ev.Instances {
			known := max(inv.Instances[id].Told, inv.Failed)
			if inst.Cancelled { // the series leaves it out
				known = max(known, told)
			}
			if inst.Revision > known {
				exceptions = append(exceptions, id)
			}
		}
		slices.SortFunc(exceptions, func(a, b event.InstanceID) int {
			if d := ev.Instances[a].Revision - ev.Instances[b].Revision; d != 0 {
				return d
			}
			return strings.Compare(string(a), string(b))
		})
		list = append(list, exceptions...)
	}
	if len(list) == 0 {
		return "", false, false
	}
	return list[0], len(list) > 1, true
}

// withoutCancelled is a series' content with its cancelled instances left out.
func withoutCancelled(ev event.State) event.Content {
	content := ev.Content
	content.Recurrence.Without = slices.Clone(content.Recurrence.Without)
	for _, id := range slices.Sorted(maps.Keys(ev.Instances)) {
		if ev.Instances[id].Cancelled {
			content.Recurrence.Without = append(content.Recurrence.Without, recur.Instance(ev.Content, id).Start)
		}
	}
	return content
}

// partStat is the answer the attendee's calendar should show: the one they gave, unless it was to another time.
func partStat(ev event.State, inv invitation.State, id event.InstanceID) string {
	status, reply := inv.Answer(id)
	if reply.IsZero() || reply.Sequence < ev.TimeSequence {
		return invitation.NoAction.PartStat()
	}
	return status.PartStat()
}

// messageToken stands for a content revision in a Message-ID. Sent again because a record was lost it is the same, sent
// again because somebody asked it is another.
func (c *Couriers) messageToken(o owed, revision int, id event.InstanceID, resends int) string {
	parts := []string{o.Subject, o.Recipient, itoa(revision), itoa(resends)}
	if id != "" {
		parts = append(parts, string(id))
	}
	return c.opts.Keys.MessageID(parts...)
}

// meta names the recording of one hand-over. Every hand-over is one of its own, so its id is new.
func (c *Couriers) meta(o owed) commands.Meta {
	return commands.From("courier", o.Tenant, uuid.NewString(), 0)
}
