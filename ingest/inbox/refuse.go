package inbox

import (
	"context"
	"errors"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/ingest/itip"
)

// Why a mail that is not about calendars leads to nothing.
var (
	errAutomatic = &fault.Error{Kind: fault.Invalid, Code: "automatic-answer", Title: "an automatic answer, which nobody needs"}
	errReport    = &fault.Error{Kind: fault.Invalid, Code: "report", Title: "a report that changes nothing"}
	errBounce    = &fault.Error{Kind: fault.NotFound, Code: "bounce-unknown", Title: "a delivery report for no mail of ours"}
	errMany      = &fault.Error{Kind: fault.Conflict, Code: "forward-limit", Title: "the sender has written to this organizer very often"}
	errNobody    = &fault.Error{Kind: fault.NotFound, Code: "organizer-unknown", Title: "the address belongs to no organizer"}
)

// people decides about mail without a calendar: a text answer goes on to the organizer, automatic ones to nobody.
func (w *Worker) people(ctx context.Context, l *letter, done mail.MailHandled) (schema.Fact, error) {
	token, answer := l.to(w, w.in.Addresses.Own().RSVP)
	for _, base := range []string{"postmaster", "abuse"} {
		if _, ok := l.to(w, base); ok {
			return w.operator(ctx, l, done)
		}
	}
	switch {
	case l.msg.Vacation, l.received.From == "" && (l.received.Door == "smtp" || l.received.Door == "lmtp"):
		return ignored(done, errAutomatic), nil
	case !answer:
		return ignored(done, itip.ErrNoCalendar), nil
	}
	owner, err := w.todo.organizer(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case owner == "":
		return ignored(done, errNobody), nil
	case l.from.Unproven && !l.from.Vouched:
		return w.refuse(ctx, l, done, itip.ErrUnproven)
	case !l.Released && !w.forwarded.allow(owner+" "+l.from.Address, time.Now()):
		return w.refuse(ctx, l, done, errMany)
	}
	done.Outcome = mail.Forwarded
	return done, w.notify(ctx, l, notice.Forward, l.MailID, owner, nil)
}

// report decides about a delivery report: one that says that an attendee's mail failed marks them.
func (w *Worker) report(ctx context.Context, l *letter, done mail.MailHandled) (schema.Fact, error) {
	token, ours := l.to(w, "bounce")
	if l.msg.Report.Complaint { // it comes to abuse@, or where the provider was told; what it returns names the mail
		_, token = w.in.Addresses.For(l.msg.Report.Sender).Token(l.msg.Report.Sender)
		return w.complaint(ctx, l, done, token)
	}
	prefix, person, ok := w.in.Keys.OpenAddressToken("bounce", token)
	switch {
	case !l.msg.Report.Failed():
		return ignored(done, errReport), nil
	case !ours || !ok:
		return ignored(done, errBounce), nil
	}
	uid, err := w.todo.eventWith(ctx, prefix)
	if err != nil || uid == "" {
		return ignored(done, errBounce), err
	}
	meta := commands.From("mail", l.Tenant, l.MailID, 1)
	report := l.msg.Report
	done.Method, done.EventUID = "BOUNCE", uid
	_, err = w.handler.ForInvitation(ctx, meta, commands.RecordBounce{
		Ref:    invitation.Ref{Tenant: l.Tenant, EventUID: uid, AttendeeID: person},
		Status: report.Status, Diagnostic: report.Diagnostic, Hard: report.Hard(),
	})
	if err == nil && report.Hard() {
		meta = commands.From("mail", l.Tenant, l.MailID, 2)
		_, err = w.handler.ForRecipient(ctx, meta, commands.SuppressRecipient{Tenant: l.Tenant, RecipientID: person, Status: report.Status})
	}
	if why, refusal := fault.From(err); refusal {
		return refused(done, why), nil
	}
	return done, err
}

// complaint stops all mail to somebody who reported one as unwanted.
func (w *Worker) complaint(ctx context.Context, l *letter, done mail.MailHandled, token string) (schema.Fact, error) {
	_, person, ok := w.in.Keys.OpenAddressToken("bounce", token)
	if !ok {
		return ignored(done, errBounce), nil
	}
	done.Method = "COMPLAINT"
	_, err := w.handler.ForRecipient(ctx, commands.From("mail", l.Tenant, l.MailID, 1), commands.SuppressRecipient{
		Tenant: l.Tenant, RecipientID: person, Status: recipient.Complaint,
	})
	return done, err
}

// refuse records why nothing happened; what somebody may still decide is held. A proven sender who asked for something
// is told, now and then.
func (w *Worker) refuse(ctx context.Context, l *letter, done mail.MailHandled, why *fault.Error) (schema.Fact, error) {
	if Held(why) && !l.Released { // who released it has decided
		return mail.MailHeld{Tenant: l.Tenant, MailID: l.MailID, Reason: why.Code, Detail: why.Detail}, nil
	}
	done = refused(done, why)
	_, asked := l.to(w, "create")
	if _, table := l.to(w, "bulk"); (asked || table) && done.Outcome == mail.Refused && l.from.Proof != "" && l.received.From != "" && l.msg.AutoSubmitted == "" && l.from.Address != "" {
		if id := w.in.Keys.PersonID(l.Tenant, l.from.Address); w.told.allow(id, time.Now()) {
			kind := notice.Refused
			if errors.Is(why, organizer.ErrLimit) { // whose account it is, by whatever address they wrote
				kind = notice.EventLimit
				var err error
				if id, _, err = w.account(ctx, l); err != nil {
					return nil, err
				}
			}
			return done, w.notify(ctx, l, kind, l.MailID, id, why)
		}
	}
	return done, nil
}

// notify asks that somebody be told something about a subject, because of this mail.
func (w *Worker) notify(ctx context.Context, l *letter, kind notice.Kind, subject, person string, why *fault.Error) error {
	c := commands.RequestNotice{Ref: notice.Ref{
		Tenant: l.Tenant, NoticeID: w.in.Keys.NoticeID(l.Tenant, string(kind), subject), Kind: kind, EventUID: subject, OrganizerID: person,
	}}
	if why != nil {
		c.Code, c.Reason, c.Detail = why.Code, why.Title, why.Detail
	}
	_, err := w.handler.ForNotice(ctx, commands.From("mail/notice", l.Tenant, l.MailID, 0), c)
	return err
}

// Held says whether a refusal is one that somebody may overrule.
func Held(why *fault.Error) bool {
	return errors.Is(why, itip.ErrUnproven) || errors.Is(why, invitation.ErrProof) || errors.Is(why, event.ErrCrasher) || errors.Is(why, itip.ErrDelegated) || errors.Is(why, errMany)
}

// refused records why nothing happened. Mail that is not about calendars is ignored rather than refused.
func refused(done mail.MailHandled, why *fault.Error) mail.MailHandled {
	if errors.Is(why, itip.ErrNoCalendar) || errors.Is(why, itip.ErrOwn) {
		return ignored(done, why)
	}
	done.Outcome, done.Reason, done.Detail = mail.Refused, why.Code, why.Detail
	return done
}

func ignored(done mail.MailHandled, why *fault.Error) mail.MailHandled {
	done.Outcome, done.Reason, done.Detail = mail.Ignored, why.Code, why.Detail
	return done
}
