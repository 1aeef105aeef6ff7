package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/notice"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/ingest/senderauth"
	"github.com/calendar-invite-server/cis/internal/eventstore"
)

// checkFor is how long a sender is looked up again while the DNS does not answer.
const checkFor = 24 * time.Hour

// Why a mail that is not about calendars leads to nothing.
var (
	errAutomatic = &fault.Error{Kind: fault.Invalid, Code: "automatic-answer", Title: "an automatic answer, which nobody needs"}
	errReport    = &fault.Error{Kind: fault.Invalid, Code: "report", Title: "a report that changes nothing"}
	errBounce    = &fault.Error{Kind: fault.NotFound, Code: "bounce-unknown", Title: "a delivery report for no mail of ours"}
	errMany      = &fault.Error{Kind: fault.Conflict, Code: "forward-limit", Title: "the sender has written to this organizer very often"}
	errNobody    = &fault.Error{Kind: fault.NotFound, Code: "organizer-unknown", Title: "the address belongs to no organizer"}
)

// letter is a mail while it is handled.
type letter struct {
	task
	raw      []byte
	received mail.MailReceived
	msg      *message.Message
	revision eventstore.Revision // of its stream
	proof    mail.MailAuthenticated
	from     itip.Sender
	reading  itip.Reading
}

// to says whether the mail came for one of our addresses by its base, and returns the tag.
func (l *letter) to(w *Worker, base string) (token string, ok bool) {
	for rcpt := range strings.FieldsSeq(l.received.Recipients) {
		if b, t := w.in.Addresses.Token(rcpt); b == base {
			return t, true
		}
	}
	return "", false
}

// relayed says whether the mail came through a mail server of ours: by a door only that one uses, or from an address
// that is trusted.
func (w *Worker) relayed(m mail.MailReceived) bool {
	switch m.Door {
	case "lmtp", "imap", "import":
		return true
	case "smtp":
		host, _, _ := net.SplitHostPort(m.Client)
		ip := net.ParseIP(host)
		return ip != nil && (ip.IsLoopback() || slices.ContainsFunc(w.relays, func(n *net.IPNet) bool { return n.Contains(ip) }))
	}
	return false
}

// client is who brought the mail, where that is its sender's mail server.
func (l *letter) client() string {
	if l.received.Door == "smtp" {
		return l.received.Client
	}
	return ""
}

// handle interprets a mail, carries out what it asks for, and records the outcome. Running it again is harmless.
func (w *Worker) handle(ctx context.Context, t task) (err error) {
	defer func() {
		if p := recover(); p != nil { // a reader's panic costs one mail, not the server
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	l := &letter{task: t}
	if err := w.load(ctx, l); err != nil {
		return err
	}
	outcome, err := w.carryOut(ctx, l)
	if err != nil {
		return err
	}
	return w.record(ctx, l, outcome)
}

// load brings what is known about the mail: from memory if it has just come, else from the log.
func (w *Worker) load(ctx context.Context, l *letter) (err error) {
	recent, ok := w.receiver.recent.take(l.MailID)
	if ok && !l.Released {
		l.raw, l.received = recent.raw, recent.received
		return nil
	}
	if l.raw, err = w.receiver.log.LoadRaw(ctx, l.MailID); err != nil {
		return err
	}
	list, revision, err := w.receiver.log.Load(ctx, mail.Stream(l.MailID))
	if err != nil {
		return err
	}
	l.revision = revision
	for _, f := range list {
		switch f := f.(type) {
		case mail.MailReceived:
			l.received = f
		case mail.MailAuthenticated:
			l.proof = f
		}
	}
	return nil
}

// carryOut returns what the mail led to: a MailHandled or a MailHeld. An error means that it must be tried again.
func (w *Worker) carryOut(ctx context.Context, l *letter) (schema.Fact, error) {
	done := mail.MailHandled{Tenant: l.Tenant, MailID: l.MailID, Outcome: mail.Done, Reader: itip.Version}
	var err error
	if l.msg, err = message.Parse(l.raw); err != nil {
		l.proof = mail.MailAuthenticated{Tenant: l.Tenant, MailID: l.MailID, Verdict: mail.VerdictFail, Reason: "it has no header"}
		return refused(done, itip.ErrUnreadable.With(err.Error())), nil
	}
	if l.msg.Report != nil { // reports come from the null sender, whom nothing can prove; the address they come to does
		l.proof = mail.MailAuthenticated{Tenant: l.Tenant, MailID: l.MailID, Verdict: mail.VerdictNone}
		return w.report(ctx, l, done)
	}
	if err := w.authenticate(ctx, l); err != nil {
		return nil, err
	}
	l.reading = w.in.Interpret(itip.Mail{Tenant: l.Tenant, Message: l.msg, Received: l.received.Received, From: l.from})
	done.Plan = w.plan(l.reading)
	if why := l.reading.Refusal; why != nil {
		if errors.Is(why, itip.ErrNoCalendar) {
			return w.people(ctx, l, done)
		}
		return w.refuse(ctx, l, done, why)
	}
	var why *fault.Error
	for i, a := range l.reading.Actions {
		done.Method, done.EventUID = a.Method, a.EventUID
		err := w.do(ctx, commands.From("mail", l.Tenant, l.MailID, i+1), l, a)
		if refusal, ok := fault.From(err); ok {
			why = refusal
		} else if err != nil {
			return nil, err
		}
	}
	if why != nil {
		return w.refuse(ctx, l, done, why)
	}
	return done, nil
}

// authenticate finds out who sent the mail, unless that is known, or is nobody's business here.
func (w *Worker) authenticate(ctx context.Context, l *letter) error {
	l.from = itip.Sender{Address: l.msg.FromAddress, Name: l.msg.FromName, Vouched: l.Released}
	if w.auth == nil {
		l.proof = mail.MailAuthenticated{Tenant: l.Tenant, MailID: l.MailID, Verdict: mail.VerdictNone}
		return nil
	}
	if l.proof.Verdict == "" {
		v, err := w.auth.Check(ctx, senderauth.Mail{
			Raw: l.raw, Message: l.msg, From: l.received.From, Client: l.client(), HELO: l.received.HELO,
			Relayed: w.relayed(l.received),
		})
		if err != nil && time.Since(l.Received) < checkFor {
			return err
		}
		l.proof = Proof(l.Tenant, l.MailID, v)
	}
	l.from = SenderOf(l.from, l.msg, l.proof)
	return nil
}

// Proof is a verdict as a fact.
func Proof(tenant, mailID string, v senderauth.Verdict) mail.MailAuthenticated {
	f := mail.MailAuthenticated{
		Tenant: tenant, MailID: mailID, Verdict: mail.VerdictFail, By: v.By, Domain: v.Domain, Reason: v.Reason, Results: v.Results, Records: v.Records,
		Service: v.Represents != "",
	}
	if v.Pass {
		f.Verdict = mail.VerdictPass
	}
	return f
}

// SenderOf adds what a recorded verdict says to what the header says.
func SenderOf(from itip.Sender, msg *message.Message, f mail.MailAuthenticated) itip.Sender {
	switch f.Verdict {
	case mail.VerdictPass:
		from.Proof = f.By + " " + f.Domain
		if f.Service {
			from.Represents = msg.ReplyTo
		}
	case mail.VerdictFail:
		from.Unproven = true
	}
	return from
}

// do carries one action out.
func (w *Worker) do(ctx context.Context, meta commands.Meta, l *letter, a itip.Action) (err error) {
	state := func(uid string) (s event.State) {
		if err == nil {
			s, err = w.handler.Event(ctx, uid)
		}
		return s
	}
	var answered commands.Command[invitation.State, invitation.Fact]
	switch c := a.Command.(type) {
	case commands.Command[event.State, event.Fact]:
		_, err = w.handler.ForEvent(ctx, meta, c)
	case commands.RequestInvite:
		c.Event, c.Now = state(c.EventUID), l.received.Received
		if err == nil {
			_, err = w.handler.RequestInvite(ctx, meta, c)
		}
	case commands.RecordReply:
		c.Event = state(c.EventUID)
		answered = c
	case commands.DelegateInvite:
		c.Event = state(c.EventUID)
		answered = c
	case commands.RecordCounter:
		c.Event = state(c.EventUID)
		answered = c
	case commands.RequestResend:
		c.Event = state(c.EventUID)
		answered = c
	default:
		err = fmt.Errorf("inbox: no way to carry out a %T", c)
	}
	if err == nil && answered != nil {
		_, err = w.handler.ForInvitation(ctx, meta, answered)
	}
	if err == nil && a.Then != nil {
		meta.Command = commands.From("mail/then", l.Tenant, meta.Command.String(), 0).Command
		return w.do(ctx, meta, l, *a.Then)
	}
	return err
}

// people decides about mail without a calendar: a text answer goes on to the organizer, automatic ones to nobody.
func (w *Worker) people(ctx context.Context, l *letter, done mail.MailHandled) (schema.Fact, error) {
	token, answer := l.to(w, w.in.Addresses.RSVP)
	switch {
	case l.msg.Vacation, l.received.From == "" && (l.received.Door == "smtp" || l.received.Door == "lmtp"):
		return ignored(done, errAutomatic), nil
	case !answer:
		return ignored(done, itip.ErrNoCalendar), nil
	}
	organizer, err := w.todo.organizer(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case organizer == "":
		return ignored(done, errNobody), nil
	case l.from.Unproven && !l.from.Vouched:
		return w.refuse(ctx, l, done, itip.ErrUnproven)
	case !l.Released && !w.forwarded.allow(organizer+" "+l.from.Address, time.Now()):
		return w.refuse(ctx, l, done, errMany)
	}
	done.Outcome = mail.Forwarded
	return done, w.notify(ctx, l, notice.Forward, organizer, nil)
}

// report decides about a delivery report: one that says that an attendee's mail failed marks them.
func (w *Worker) report(ctx context.Context, l *letter, done mail.MailHandled) (schema.Fact, error) {
	token, ours := l.to(w, "bounce")
	prefix, person, ok := w.in.Keys.OpenBounceToken(token)
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

// refuse records why nothing happened; what somebody may still decide is held. A proven sender who asked for something
// is told, now and then.
func (w *Worker) refuse(ctx context.Context, l *letter, done mail.MailHandled, why *fault.Error) (schema.Fact, error) {
	if Held(why) && !l.Released { // who released it has decided
		return mail.MailHeld{Tenant: l.Tenant, MailID: l.MailID, Reason: why.Code, Detail: why.Detail}, nil
	}
	done = refused(done, why)
	_, asked := l.to(w, "create")
	if asked && done.Outcome == mail.Refused && l.from.Proof != "" && l.received.From != "" && l.msg.AutoSubmitted == "" && l.from.Address != "" {
		if id := w.in.Keys.PersonID(l.Tenant, l.from.Address); w.told.allow(id, time.Now()) {
			return done, w.notify(ctx, l, notice.Refused, id, why)
		}
	}
	return done, nil
}

// notify asks that somebody be told about this mail.
func (w *Worker) notify(ctx context.Context, l *letter, kind notice.Kind, person string, why *fault.Error) error {
	c := commands.RequestNotice{Ref: notice.Ref{
		Tenant: l.Tenant, NoticeID: w.in.Keys.NoticeID(l.Tenant, string(kind), l.MailID), Kind: kind, EventUID: l.MailID, OrganizerID: person,
	}}
	if why != nil {
		c.Reason, c.Detail = why.Title, why.Detail
	}
	_, err := w.handler.ForNotice(ctx, commands.From("mail/notice", l.Tenant, l.MailID, 0), c)
	return err
}

// Held says whether a refusal is one that somebody may overrule.
func Held(why *fault.Error) bool {
	return errors.Is(why, itip.ErrUnproven) || errors.Is(why, invitation.ErrProof) || errors.Is(why, event.ErrCrasher) || errors.Is(why, errMany)
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

// plan is a digest of what the reader made of a mail, so that another reader's can be compared with it.
func (w *Worker) plan(r itip.Reading) string { return Plan(w.in, r) }

// Plan is a digest of a reading.
func Plan(in itip.Interpreter, r itip.Reading) string {
	type step struct {
		Action itip.Action
		Type   string
	}
	var plan struct {
		Steps   []step
		Refusal string
	}
	for _, a := range r.Actions {
		plan.Steps = append(plan.Steps, step{a, fmt.Sprintf("%T", a.Command)})
	}
	if r.Refusal != nil {
		plan.Refusal = r.Refusal.Code
	}
	data, err := json.Marshal(plan)
	if err != nil {
		return "" // nothing in it can fail
	}
	return in.Keys.Digest(data)
}

// record appends the verdict and the outcome behind what stands in the mail's stream. Losing the race for that place
// means that somebody else handled the mail.
func (w *Worker) record(ctx context.Context, l *letter, outcome schema.Fact) error {
	list := []schema.Fact{outcome}
	if l.revision == 0 {
		list = []schema.Fact{l.proof, outcome}
	}
	_, err := w.receiver.log.Append(ctx, mail.Stream(l.MailID), l.revision, commands.From("mail/outcome", l.Tenant, l.MailID, int(l.revision)), list...)
	if errors.Is(err, eventstore.ErrWrongRevision) {
		return nil
	}
	if err != nil {
		return err
	}
	switch f := outcome.(type) {
	case mail.MailHandled:
		w.handled.WithLabelValues(string(f.Outcome)).Inc()
		w.log.Info("inbox: handled", "mail", l.MailID, "outcome", f.Outcome, "reason", f.Reason, "method", f.Method, "event", f.EventUID, "proof", l.from.Proof)
	case mail.MailHeld:
		w.handled.WithLabelValues("held").Inc()
		w.log.Warn("inbox: held until somebody decides (cis mail held)", "mail", l.MailID, "reason", f.Reason, "results", l.proof.Results)
	}
	return nil
}
