package notifier

import (
	"context"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/google/uuid"
)

// letter is a mail to be written: which template, to whom, about what.
type letter struct {
	kind     string // template: invite, update, cancel, event-created
	to       person
	event    event.State
	partstat string
	token    string // stands for the mail in its Message-ID and envelope sender
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
	return c.toOrganizer(o, ev), nil
}

// toAttendee is the table of what an attendee gets.
func (c *Couriers) toAttendee(o owed, ev event.State, seen commands.Invitation, now time.Time) verdict {
	inv := seen.State
	l := &letter{kind: "invite", to: person{inv.Address, inv.Name}, event: ev, partstat: partStat(ev, inv), token: c.opts.Keys.MessageID(o.Subject, o.Recipient, itoa(ev.Revision), "0")}
	method := "REQUEST"
	switch {
	case inv.Settled(ev.Revision), !ev.Exists:
		return verdict{done: max(ev.Revision, o.Revision)}
	case inv.Address == "": // erased
		return verdict{done: ev.Revision}
	case ev.Content.End.UTC.Before(now): // nothing is sent for events wholly in the past
		return verdict{done: ev.Revision}
	case ev.Cancelled() && inv.Told == 0: // never heard of it, need not hear that it is off
		return verdict{done: ev.Revision}
	case ev.Cancelled():
		l.kind, method = "cancel", "CANCEL"
	case inv.Told > 0:
		l.kind = "update"
	}
	ref := invitation.Ref{Tenant: o.Tenant, EventUID: o.Subject, AttendeeID: o.Recipient}
	return verdict{letter: l, record: func(ctx context.Context, out outcome) error {
		_, err := c.opts.Handler.RecordDelivery(ctx, c.meta(o), commands.RecordDelivery{
			Ref: ref, Method: method, Failed: out.failed, Code: out.code,
			Handover: invitation.Handover{Revision: ev.Revision, Sequence: ev.Sequence, MessageID: out.messageID, Answer: out.answer},
		}, seen)
		return err
	}}
}

// partStat is the answer the attendee's calendar should show: the one they gave, unless it was to another time.
func partStat(ev event.State, inv invitation.State) string {
	if inv.LastReply.IsZero() || inv.LastReply.Sequence < ev.TimeSequence {
		return invitation.NoAction.PartStat()
	}
	return inv.Status.PartStat()
}

// toOrganizer is the table of notices.
func (c *Couriers) toOrganizer(o owed, ev event.State) verdict {
	if !ev.Exists || ev.OrganizerAddress == "" {
		return verdict{done: 1}
	}
	ref := notice.Ref{
		Tenant: o.Tenant, Kind: notice.Kind(o.Kind), EventUID: o.Subject, OrganizerID: o.Recipient,
		NoticeID: c.opts.Keys.NoticeID(o.Tenant, o.Kind, o.Subject),
	}
	l := &letter{kind: o.Kind, to: person{ev.OrganizerAddress, ev.OrganizerName}, event: ev, token: c.opts.Keys.MessageID(ref.NoticeID)}
	return verdict{letter: l, record: func(ctx context.Context, out outcome) error {
		_, err := c.opts.Handler.RecordNotice(ctx, c.meta(o), commands.RecordNotice{
			Ref: ref, MessageID: out.messageID, Answer: out.answer, Failed: out.failed, Code: out.code,
		})
		return err
	}}
}

// meta names the recording of one hand-over. Every hand-over is one of its own, so its id is new.
func (c *Couriers) meta(o owed) commands.Meta {
	return commands.From("courier", o.Tenant, uuid.NewString(), 0)
}
