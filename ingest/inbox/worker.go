package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	lease       = time.Minute
	deadline    = 40 * time.Second // for one mail; below the lease
	maxAttempts = 12               // with pauses that add up to about an hour
)

// Worker handles received mails in parallel.
type Worker struct {
	todo     todo
	receiver *Receiver
	handler  *commands.Handler
	in       itip.Interpreter
	log      *slog.Logger
	parallel int
	wake     chan struct{}
	handled  *prometheus.CounterVec
}

// WorkerOptions are what a worker needs.
type WorkerOptions struct {
	Pool     *pgxpool.Pool
	Receiver *Receiver
	Handler  *commands.Handler
	Keys     itip.Interpreter
	Log      *slog.Logger
	Parallel int  // mails at a time; default 32
	Alone    bool // this is the only process that can be handling mails
	Registry prometheus.Registerer
}

// NewWorker makes a worker and the projection that feeds it.
func NewWorker(opts WorkerOptions) (*Worker, projector.Projection) {
	if opts.Parallel == 0 {
		opts.Parallel = 32
	}
	w := &Worker{
		receiver: opts.Receiver, handler: opts.Handler, in: opts.Keys, log: opts.Log, parallel: opts.Parallel, wake: make(chan struct{}, 1),
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cis_mails_handled_total", Help: "Received mails handled, by outcome."}, []string{"outcome"}),
	}
	opts.Registry.MustRegister(w.handled)
	p := Projection(func(bool) { w.Wake() })
	w.todo = todo{pool: opts.Pool, serving: projector.NewServing(opts.Pool, p), owner: uuid.NewString(), alone: opts.Alone}
	return w, p
}

// Wake makes the worker look for mails now.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, then finishes what it has begun.
func (w *Worker) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	tasks := make(chan task)
	defer close(tasks)
	for range w.parallel {
		wg.Go(func() {
			for t := range tasks {
				w.work(context.WithoutCancel(ctx), t)
			}
		})
	}
	for ctx.Err() == nil {
		claimed, err := w.todo.claim(ctx, 4*w.parallel, lease)
		if err != nil && ctx.Err() == nil {
			w.log.Debug("inbox: claiming", "error", err) // the database is away, or not set up yet
		}
		for _, t := range claimed {
			select {
			case tasks <- t:
			case <-ctx.Done(): // not begun; its lease is over when this process is
			}
		}
		if len(claimed) > 0 {
			continue
		}
		select {
		case <-w.wake:
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return nil
}

// work handles one mail and decides what a failure means: try again later, or give up loudly.
func (w *Worker) work(ctx context.Context, t task) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	err := w.handle(ctx, t)
	if err == nil {
		return
	}
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if t.Attempts >= maxAttempts && !errors.Is(err, eventstore.ErrUnavailable) {
		w.log.Error("inbox: giving up on a mail", "mail", t.MailID, "attempts", t.Attempts, "error", err)
		err = w.todo.poison(ctx, t.MailID)
	} else {
		w.log.Warn("inbox: a mail will be tried again", "mail", t.MailID, "attempt", t.Attempts, "error", err)
		err = w.todo.postpone(ctx, t.MailID, min(time.Second<<min(t.Attempts, 10), 10*time.Minute))
	}
	if err != nil {
		w.log.Warn("inbox: giving a mail back", "mail", t.MailID, "error", err) // its lease will end
	}
}

// handle interprets a mail, carries out what it asks for, and records the outcome. Running it again is harmless.
func (w *Worker) handle(ctx context.Context, t task) (err error) {
	defer func() {
		if p := recover(); p != nil { // a reader's panic costs one mail, not the server
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	raw, ok := w.receiver.recent.take(t.MailID)
	if !ok {
		if raw, err = w.receiver.log.LoadRaw(ctx, t.MailID); err != nil {
			return err
		}
	}
	outcome, err := w.carryOut(ctx, t, raw)
	if err != nil {
		return err
	}
	return w.record(ctx, t, outcome)
}

// carryOut returns what the mail led to; an error means that it must be tried again.
func (w *Worker) carryOut(ctx context.Context, t task, raw []byte) (mail.MailHandled, error) {
	done := mail.MailHandled{Tenant: t.Tenant, MailID: t.MailID, Outcome: mail.Done, Reader: itip.Version}
	msg, err := message.Parse(raw)
	if err != nil {
		return refused(done, itip.ErrUnreadable.With(err.Error())), nil
	}
	actions, why := w.in.Interpret(itip.Mail{
		Tenant: t.Tenant, Message: msg, Received: t.Received, From: itip.Sender{Address: msg.FromAddress, Name: msg.FromName},
	})
	if why != nil {
		return refused(done, why), nil
	}
	for i, a := range actions {
		done.Method, done.EventUID = a.Method, a.EventUID
		err := w.do(ctx, commands.From("mail", t.Tenant, t.MailID, i+1), a)
		if why, ok := fault.From(err); ok {
			done = refused(done, why)
		} else if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (w *Worker) do(ctx context.Context, meta commands.Meta, a itip.Action) error {
	var err error
	switch c := a.Command.(type) {
	case commands.CreateEvent:
		_, err = w.handler.CreateEvent(ctx, meta, c)
	case commands.CancelEvent:
		_, err = w.handler.CancelEvent(ctx, meta, c)
	case commands.RecordReply:
		if c.Event, err = w.handler.Event(ctx, c.EventUID); err == nil {
			_, err = w.handler.RecordReply(ctx, meta, c)
		}
	default:
		err = fmt.Errorf("inbox: no way to carry out a %T", c)
	}
	return err
}

// refused records why nothing happened. Mail that is not about calendars is ignored rather than refused.
func refused(done mail.MailHandled, why *fault.Error) mail.MailHandled {
	done.Outcome, done.Reason, done.Detail = mail.Refused, why.Code, why.Detail
	if errors.Is(why, itip.ErrNoCalendar) || errors.Is(why, itip.ErrOwn) {
		done.Outcome = mail.Ignored
	}
	return done
}

// record appends the verdict and the outcome behind MailReceived. Losing the race for that place means that somebody
// else handled the mail.
func (w *Worker) record(ctx context.Context, t task, done mail.MailHandled) error {
	list := []schema.Fact{mail.MailAuthenticated{Tenant: t.Tenant, MailID: t.MailID, Verdict: mail.VerdictNone}, done}
	_, err := w.receiver.log.Append(ctx, mail.Stream(t.MailID), 0, commands.From("mail/outcome", t.Tenant, t.MailID, 0), list...)
	if errors.Is(err, eventstore.ErrWrongRevision) {
		return nil
	}
	if err == nil {
		w.handled.WithLabelValues(string(done.Outcome)).Inc()
		w.log.Info("inbox: handled", "mail", t.MailID, "outcome", done.Outcome, "reason", done.Reason, "method", done.Method, "event", done.EventUID)
	}
	return err
}
