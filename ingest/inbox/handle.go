package inbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/identity"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/eventstore"
)

// letter is a mail while it is handled.
type letter struct {
	task
	raw      []byte
	received mail.MailReceived
	msg      *message.Message
	revision eventstore.Revision // of its stream
	done     bool                // it was handled before
	proof    mail.MailAuthenticated
	from     itip.Sender
	reading  itip.Reading
}

// to says whether the mail came for one of our addresses by its base, and returns the tag.
func (l *letter) to(w *Worker, base string) (token string, ok bool) {
	for rcpt := range strings.FieldsSeq(l.received.Recipients) {
		if b, t := w.in.Addresses.For(rcpt).Token(rcpt); b == base {
			return t, true
		}
	}
	return "", false
}

// handle interprets a mail, carries out what it asks for, and records the outcome. Running it again is harmless.
func (w *Worker) handle(ctx context.Context, t task) (err error) {
	defer func() {
		if p := recover(); p != nil { // a reader's panic costs one mail, not the server
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	l := &letter{task: t}
	if err := w.load(ctx, l); err != nil || l.done {
		return err
	}
	outcome, err := w.carryOut(ctx, l)
	if err != nil {
		return err
	}
	if err := w.record(ctx, l, outcome); err != nil {
		return err
	}
	if done, ok := outcome.(mail.MailHandled); ok && done.Reason == recipient.ErrErased.Code {
		_, err = w.receiver.log.Vault().Destroy(ctx, l.MailID)
	}
	return err
}

// load brings what is known about the mail: from memory if it has just come, else from the log.
func (w *Worker) load(ctx context.Context, l *letter) (err error) {
	recent, ok := w.receiver.recent.take(l.MailID)
	if ok && !l.Released {
		l.raw, l.received = recent.raw, recent.received
		return nil
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
		case mail.MailHandled, mail.MailDropped:
			l.done = true // the to-do list had not seen it yet
		}
	}
	if !l.done {
		l.raw, err = w.receiver.log.LoadRaw(ctx, l.MailID)
	}
	return err
}

// ByAddress is the plan of mails whose meaning lies in where they were sent, not in a calendar in them.
const ByAddress = "by-address"

// carryOut returns what the mail led to: a MailHandled or a MailHeld. An error means that it must be tried again.
func (w *Worker) carryOut(ctx context.Context, l *letter) (schema.Fact, error) {
	done := mail.MailHandled{Tenant: l.Tenant, MailID: l.MailID, Outcome: mail.Done, Reader: itip.Version}
	var err error
	if l.msg, err = message.Parse(l.raw); err != nil {
		l.proof = mail.MailAuthenticated{Tenant: l.Tenant, MailID: l.MailID, Verdict: mail.VerdictFail, Reason: "it has no header"}
		return refused(done, itip.ErrUnreadable.With(err.Error())), nil
	}
	if erased, err := w.receiver.log.Vault().Destroyed(w.in.Keys.PersonID(l.Tenant, l.msg.FromAddress)); err != nil || erased {
		l.proof = mail.MailAuthenticated{Tenant: l.Tenant, MailID: l.MailID, Verdict: mail.VerdictNone, Reason: recipient.ErrErased.Code}
		return ignored(done, recipient.ErrErased), err
	}
	if l.msg.Report != nil { // reports come from the null sender, whom nothing can prove; the address they come to does
		l.proof = mail.MailAuthenticated{Tenant: l.Tenant, MailID: l.MailID, Verdict: mail.VerdictNone}
		return w.report(ctx, l, done)
	}
	byAddress := done
	byAddress.Plan = ByAddress
	if token, ok := l.to(w, "unsubscribe"); ok {
		return w.unsubscribe(ctx, l, byAddress, token)
	}
	if err := w.authenticate(ctx, l); err != nil {
		return nil, err
	}
	token, dialogue := l.to(w, "event")
	_, table := l.to(w, "bulk")
	switch {
	case (dialogue || table) && w.in.Ours(l.msg.Loop):
		return ignored(byAddress, itip.ErrOwn), nil
	case dialogue:
		return w.dialogue(ctx, l, byAddress, token)
	case table:
		return w.startBulk(ctx, l, byAddress)
	}
	if l.reading, err = Interpret(ctx, w.in, w.handler, itip.Mail{Tenant: l.Tenant, Message: l.msg, Received: l.received.Received, From: l.from}); err != nil {
		return nil, err
	}
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

// Interpret reads a mail; of what only an organizer can ask for, in the name of whom the sender speaks for.
func Interpret(ctx context.Context, in itip.Interpreter, h *commands.Handler, m itip.Mail) (itip.Reading, error) {
	reading := in.Interpret(m)
	delegated := reading.Refusal != nil && reading.Refusal.Is(itip.ErrDelegated)
	if !reading.Organizes() && !delegated {
		return reading, nil
	}
	var err error
	if m.From.Acts, err = Acts(ctx, h, in.Keys.PersonID(m.Tenant, m.From.Address)); err == nil && len(m.From.Acts) > 0 {
		reading = in.Interpret(m)
	}
	return reading, err
}

// Acts are the organizers an address speaks for.
func Acts(ctx context.Context, h *commands.Handler, addressID string) ([]itip.Principal, error) {
	links, err := h.Identity(ctx, addressID)
	if err != nil {
		return nil, err
	}
	var acts []itip.Principal
	for id, role := range links.Links {
		account, err := h.Organizer(ctx, id)
		if err != nil {
			return nil, err
		}
		if account.Address != "" {
			acts = append(acts, itip.Principal{ID: id, Address: account.Address, Name: account.Name, Alias: role == identity.Alias})
		}
	}
	slices.SortFunc(acts, func(a, b itip.Principal) int { return strings.Compare(a.ID, b.ID) })
	return acts, nil
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
	case commands.CreateEvent:
		_, err = w.handler.CreateEvent(ctx, meta, c)
	case commands.UpdateInstance:
		if err = w.handler.Active(ctx, c.OrganizerID); err == nil {
			_, err = w.handler.ForEvent(ctx, meta, c)
		}
	case commands.Command[event.State, event.Fact]: // cancelling is never refused for the account's sake
		_, err = w.handler.ForEvent(ctx, meta, c)
	case commands.RequestInvite:
		c.Event, c.Now = state(c.EventUID), l.received.Received
		if err == nil {
			_, err = w.handler.RequestInvite(ctx, meta, c, nil)
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
