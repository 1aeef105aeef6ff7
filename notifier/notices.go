package notifier

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/calendar-invite-server/cis/internal/vault"
)

// Numbers are what reports are made of.
type Numbers interface {
	// Counts are an event's.
	Counts(ctx context.Context, tenant, uid string) (Counts, error)
	// Attendees calls each for everybody who was invited to an event or answered.
	Attendees(ctx context.Context, tenant, uid string, each func(Attendee) error) error
	// Table calls each for every row of a table of people, with its line from 1.
	Table(ctx context.Context, bulkID string, each func(line int, uid, email, name string) error) error
}

// Counts are an event's counters.
type Counts struct {
	Attendees int64
	RSVP      map[string]int64 // by answer
	Denied    map[string]int64 // requests, by reason
}

// Attendee is a row of a report.
type Attendee struct{ Email, Name, Status, Origin, ProdID string }

// decideNotice is the table of what is no invitation.
func (c *Couriers) decideNotice(ctx context.Context, o owed) (verdict, error) {
	l := &letter{}
	var err error
	switch notice.Kind(o.Kind) {
	case notice.Counter, notice.DeclineCounter, notice.Crasher:
		return c.aboutAttendee(ctx, o)
	case notice.EventCreated:
		err = c.aboutEvent(ctx, o, l, o.Subject)
	case notice.Status, notice.Report, notice.Undone, notice.Help:
		err = c.answer(ctx, o, l)
	case notice.Enrolled, notice.SubscriptionEnded:
		err = c.aboutOrder(ctx, o, l)
	case notice.BulkSummary:
		err = c.aboutTable(ctx, o, l)
	case notice.SignIn:
		err = c.aboutSignIn(ctx, o, l)
	default:
		err = c.aboutMail(ctx, o, l)
	}
	if err != nil {
		return verdict{}, err
	}
	if l.to.Address == "" || o.silent() && o.Kind != string(notice.SignIn) {
		return verdict{done: 1}, nil
	}
	return c.notice(o, l), nil
}

// aboutSignIn writes a link to sign in with. One that is not good any more is not worth a mail.
func (c *Couriers) aboutSignIn(ctx context.Context, o owed, l *letter) error {
	s, err := c.opts.Handler.SignIn(ctx, o.Subject)
	if err == nil && s.Good(time.Now()) {
		l.to, l.code = person{Address: s.Address}, s.Code
	}
	return err
}

// toOrganizer addresses a letter to an organizer.
func (c *Couriers) toOrganizer(ctx context.Context, o owed, l *letter) (err error) {
	if l.own, err = c.opts.Handler.Organizer(ctx, o.Recipient); err != nil {
		return err
	}
	if l.limit, err = c.opts.Handler.EventLimit(ctx, l.own); err != nil {
		return err
	}
	l.to = person{l.own.Address, l.own.Name}
	if l.own.Address != "" {
		return nil
	}
	uid, err := c.claims.eventOf(ctx, o.Recipient) // from before there were accounts
	if err != nil || uid == "" {
		return err
	}
	ev, err := c.opts.Handler.Event(ctx, uid)
	l.to = person{ev.OrganizerAddress, ev.OrganizerName}
	return err
}

// aboutEvent writes to the organizer about an event, so that they can write back.
func (c *Couriers) aboutEvent(ctx context.Context, o owed, l *letter, uid string) (err error) {
	if err := c.toOrganizer(ctx, o, l); err != nil {
		return err
	}
	if l.event, err = c.opts.Handler.Event(ctx, uid); err != nil {
		return err
	}
	if !l.event.Exists { // nobody can be told about it
		l.to.Address = ""
		return nil
	}
	token, err := c.opts.Keys.AddressToken("event", uid, o.Recipient)
	l.reply = c.opts.Addresses.Of(o.Tenant).Dialogue(token)
	return err
}

// answer writes what an organizer asked for by writing back; the subject is the event and the mail that asked.
func (c *Couriers) answer(ctx context.Context, o owed, l *letter) error {
	uid, _, _ := strings.Cut(o.Subject, ".")
	if err := c.aboutEvent(ctx, o, l, uid); err != nil {
		return err
	}
	asked, err := c.opts.Handler.Notice(ctx, c.noticeRef(o))
	if err != nil {
		return err
	}
	l.code, l.reason, l.detail = asked.Code, asked.Reason, asked.Detail
	counts, err := c.opts.Numbers.Counts(ctx, o.Tenant, uid)
	if err != nil && !errors.Is(err, event.ErrUnknown) {
		return err
	}
	l.numbers = &counts
	if o.Kind == string(notice.Report) {
		l.file, err = c.report(ctx, o.Tenant, uid)
		return err
	}
	return nil
}

// report is everybody who was invited, as CSV in the columns of the published report.
func (c *Couriers) report(ctx context.Context, tenant, uid string) (*file, error) {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	_ = w.Write([]string{"email", "name", "status", "origin", "prodid"})
	err := c.opts.Numbers.Attendees(ctx, tenant, uid, func(a Attendee) error {
		return w.Write([]string{cell(a.Email), cell(a.Name), a.Status, a.Origin, cell(a.ProdID)})
	})
	w.Flush()
	return &file{name: "attendees.csv", kind: "text/csv; charset=UTF-8", data: buf.Bytes()}, errors.Join(err, w.Error())
}

// cell keeps a spreadsheet from taking somebody's name for a formula.
func cell(s string) string {
	if strings.HasPrefix(s, "=") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "@") || strings.HasPrefix(s, "\t") || strings.HasPrefix(s, "\r") {
		return "'" + s
	}
	return s
}

// aboutOrder writes about a subscription; the subject is the order and its item.
func (c *Couriers) aboutOrder(ctx context.Context, o owed, l *letter) error {
	if err := c.toOrganizer(ctx, o, l); err != nil {
		return err
	}
	id, item, _ := strings.Cut(o.Subject, ".")
	number, _ := strconv.Atoi(item)
	bought, err := c.opts.Handler.Order(ctx, id)
	if err != nil {
		return err
	}
	l.order = bought
	for _, i := range bought.Items {
		if i.Item == number {
			l.item, l.reason = i, bought.Over(i)
		}
	}
	return nil
}

// aboutTable writes what became of a table of people, row by row.
func (c *Couriers) aboutTable(ctx context.Context, o owed, l *letter) (err error) {
	if err := c.toOrganizer(ctx, o, l); err != nil {
		return err
	}
	if l.bulk, err = c.opts.Handler.Bulk(ctx, o.Subject); err != nil {
		return err
	}
	refused := map[int]string{}
	for _, r := range l.bulk.Refused {
		refused[r.Line] = r.Reason
	}
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	_ = w.Write([]string{"line", "uid", "email", "name", "result", "reason"})
	n := 0
	err = c.opts.Numbers.Table(ctx, o.Subject, func(line int, uid, email, name string) error {
		result, reason := "accepted", refused[line]
		switch n++; {
		case n > l.bulk.Done:
			result, reason = "not worked off", "stopped"
		case reason != "":
			result = string(bulk.KindOf(reason))
		}
		return w.Write([]string{strconv.Itoa(line), cell(uid), cell(email), cell(name), result, reason})
	})
	w.Flush()
	l.file = &file{name: "result.csv", kind: "text/csv; charset=UTF-8", data: buf.Bytes()}
	if errors.Is(err, eventstore.ErrStreamNotFound) || errors.Is(err, vault.ErrNoKey) { // the table is no longer kept
		l.file, err = nil, nil
	}
	return errors.Join(err, w.Error())
}

// aboutMail writes about a mail that came in.
func (c *Couriers) aboutMail(ctx context.Context, o owed, l *letter) error {
	asked, err := c.opts.Handler.Notice(ctx, c.noticeRef(o))
	if err != nil {
		return err
	}
	raw, err := c.opts.Mails.LoadRaw(ctx, o.Subject)
	switch {
	case errors.Is(err, eventstore.ErrStreamNotFound), errors.Is(err, vault.ErrNoKey): // no longer kept: nobody can be told about it
		return nil
	case err != nil:
		return err
	}
	from, subject := headline(raw)
	if notice.Kind(o.Kind) == notice.Operator {
		l.to = person{c.opts.Operator, ""}
	} else if err := c.toOrganizer(ctx, o, l); err != nil {
		return err
	}
	l.code, l.reason, l.detail, l.original, l.about = asked.Code, asked.Reason, asked.Detail, raw, from
	l.event.Content.Summary = subject
	if k := notice.Kind(o.Kind); k == notice.Refused || k == notice.EventLimit { // to whom wrote it
		l.to = from
	}
	return nil
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

// notice completes a letter that is no invitation.
func (c *Couriers) notice(o owed, l *letter) verdict {
	ref := c.noticeRef(o)
	l.kind, l.tenant, l.token = o.Kind, o.Tenant, c.opts.Keys.MessageID(ref.NoticeID)
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
