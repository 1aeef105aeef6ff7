package notifier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/calendar-invite-server/cis/internal/vault"
	"github.com/google/uuid"
)

// letter is a mail to be written: which template, to whom, about what.
type letter struct {
	kind     string // template, see mails
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
	reason   string             // of a refusal
	original []byte             // the mail a notice is about
}

type person struct{ Address, Name string }

// verdict is what the log says about a claimed row.
type verdict struct {
	letter *letter // nil: nothing is to be sent
	done   int     // then: settled up to this revision
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
	switch notice.Kind(o.Kind) {
	case notice.Forward, notice.Refused:
		return c.aboutMail(ctx, o)
	case notice.Counter, notice.DeclineCounter, notice.Crasher:
		return c.aboutAttendee(ctx, o)
	}
	ev, err := c.opts.Handler.Event(ctx, o.Subject)
	if err == nil && ev.Revision < o.Revision {
		ev, err = c.opts.Handler.FreshEvent(ctx, o.Subject)
	}
	if err != nil {
		return verdict{}, err
	}
	if o.Kind == kindInvite {
		seen, err := c.opts.Handler.Invitation(ctx, o.Subject, o.Recipient)
		if err != nil {
			return verdict{}, err
		}
		return c.toAttendee(o, ev, seen, now), nil
	}
	if !ev.Exists || ev.OrganizerAddress == "" {
		return verdict{done: 1}, nil
	}
	return c.notice(o, &letter{to: person{ev.OrganizerAddress, ev.OrganizerName}, event: ev}), nil
}

// toAttendee is the table of what an attendee gets next.
func (c *Couriers) toAttendee(o owed, ev event.State, seen commands.Invitation, now time.Time) verdict {
	inv := seen.State
	id, pending, owes := next(ev, inv)
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
	switch {
	case !ev.Exists, !owes, o.Suppressed:
		return verdict{done: max(ev.Revision, o.Revision)}
	case inv.Address == "": // erased
		return verdict{done: ev.Revision}
	case recur.Over(ev.Content, now) && recur.Over(here.Content, now): // nothing is sent for events wholly in the past
		return verdict{done: ev.Revision}
	case ev.Cancelled() && inv.Told == 0: // never heard of it, need not hear that it is off
		return verdict{done: ev.Revision}
	case inv.Withdrawn:
		l.kind, method = "withdrawn", "CANCEL"
		l.token = c.opts.Keys.MessageID(l.token, l.kind) // the event has not changed since they were invited; this is another mail
	case here.Cancelled():
		l.kind, method = "cancel", "CANCEL"
	case id == "" && inv.Told > 0:
		l.kind = "update"
	}
	ref := invitation.Ref{Tenant: o.Tenant, EventUID: o.Subject, AttendeeID: o.Recipient}
	l.bounce = l.token[:32] // a report to this one would tell us nothing
	if token, err := c.opts.Keys.BounceToken(o.Subject, o.Recipient); err == nil {
		l.bounce = token
	}
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

// aboutAttendee writes notices about what an attendee did: a proposal, its refusal, an answer without an invitation.
func (c *Couriers) aboutAttendee(ctx context.Context, o owed) (verdict, error) {
	parts := strings.Split(o.Subject, ".")
	if len(parts) != 3 {
		return verdict{}, fmt.Errorf("a notice about %q", o.Subject)
	}
	number, _ := strconv.Atoi(parts[2])
	ev, err := c.opts.Handler.Event(ctx, parts[0])
	if err != nil {
		return verdict{}, err
	}
	seen, err := c.opts.Handler.Invitation(ctx, parts[0], parts[1])
	if err != nil {
		return verdict{}, err
	}
	inv := seen.State
	attendee := person{inv.Address, inv.Name}
	l := &letter{to: attendee, event: ev, about: attendee, counter: inv.Counter, partstat: partStat(ev, inv, "")}
	superseded := inv.Counter.Number != number
	switch notice.Kind(o.Kind) {
	case notice.Counter:
		l.to = person{ev.OrganizerAddress, ev.OrganizerName}
	case notice.DeclineCounter:
		l.instance, l.zone = inv.Counter.Instance, ev.Content.Start.TZID
		l.event = ev.At(l.instance, recur.Instance)
	case notice.Crasher:
		superseded = inv.Exists // invited meanwhile
		l.event.Sequence++
	}
	if superseded || !ev.Exists || l.to.Address == "" || o.Suppressed {
		return verdict{done: 1}, nil
	}
	return c.notice(o, l), nil
}

// aboutMail writes notices about a mail that came in.
func (c *Couriers) aboutMail(ctx context.Context, o owed) (verdict, error) {
	asked, err := c.opts.Handler.Notice(ctx, c.noticeRef(o))
	if err != nil {
		return verdict{}, err
	}
	raw, err := c.opts.Mails.LoadRaw(ctx, o.Subject)
	switch {
	case errors.Is(err, eventstore.ErrStreamNotFound), errors.Is(err, vault.ErrNoKey): // no longer kept: nobody can be told about it
		return verdict{done: 1}, nil
	case err != nil:
		return verdict{}, err
	}
	from, subject := headline(raw)
	l := &letter{reason: asked.Reason, original: raw, about: from, to: from}
	l.event.Content.Summary = subject
	if notice.Kind(o.Kind) == notice.Forward {
		if l.to, err = c.organizer(ctx, o); err != nil {
			return verdict{}, err
		}
	}
	if l.to.Address == "" || o.Suppressed {
		return verdict{done: 1}, nil
	}
	return c.notice(o, l), nil
}

// organizer finds the address of a forwarded mail's organizer, by one of their events.
func (c *Couriers) organizer(ctx context.Context, o owed) (person, error) {
	uid, err := c.claims.eventOf(ctx, o.Recipient)
	if err != nil || uid == "" {
		return person{}, err
	}
	ev, err := c.opts.Handler.Event(ctx, uid)
	return person{ev.OrganizerAddress, ev.OrganizerName}, err
}

// notice completes a letter that is no invitation.
func (c *Couriers) notice(o owed, l *letter) verdict {
	ref := c.noticeRef(o)
	l.kind, l.token = o.Kind, c.opts.Keys.MessageID(ref.NoticeID)
	l.bounce = l.token[:32]
	return verdict{letter: l, record: func(ctx context.Context, out outcome) error {
		_, err := c.opts.Handler.ForNotice(ctx, c.meta(o), commands.RecordNotice{
			Ref: ref, MessageID: out.messageID, Answer: out.answer, Failed: out.failed, Code: out.code,
		})
		return err
	}}
}

func (c *Couriers) noticeRef(o owed) notice.Ref {
	return notice.Ref{
		Tenant: o.Tenant, Kind: notice.Kind(o.Kind), EventUID: o.Subject, OrganizerID: o.Recipient,
		NoticeID: c.opts.Keys.NoticeID(o.Tenant, o.Kind, o.Subject),
	}
}

// meta names the recording of one hand-over. Every hand-over is one of its own, so its id is new.
func (c *Couriers) meta(o owed) commands.Meta {
	return commands.From("courier", o.Tenant, uuid.NewString(), 0)
}
