package inbox

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/senderauth"
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
	todo      todo
	receiver  *Receiver
	handler   *commands.Handler
	in        itip.Interpreter
	auth      *senderauth.Checker
	relays    []*net.IPNet
	told      *talk // of refusals
	forwarded *talk // to organizers
	asked     *talk // what organizers ask by writing back

	hasOperator bool
	log         *slog.Logger
	parallel    int
	wake        chan struct{}
	handled     *prometheus.CounterVec
}

// WorkerOptions are what a worker needs.
type WorkerOptions struct {
	Pool     *pgxpool.Pool
	Receiver *Receiver
	Handler  *commands.Handler
	Keys     itip.Interpreter
	Auth     *senderauth.Checker // nil: nothing is checked, the header is believed
	Relays   []*net.IPNet        // mail servers of ours, beside this machine
	Log      *slog.Logger
	Parallel int  // mails at a time; default 32
	Alone    bool // this is the only process that can be handling mails
	Operator bool // somebody gets mail to postmaster@ and abuse@
	Registry prometheus.Registerer
}

// NewWorker makes a worker and the projection that feeds it.
func NewWorker(opts WorkerOptions) (*Worker, projector.Projection) {
	if opts.Parallel == 0 {
		opts.Parallel = 32
	}
	w := &Worker{
		receiver: opts.Receiver, handler: opts.Handler, in: opts.Keys, auth: opts.Auth, relays: opts.Relays, told: newTalk(5), forwarded: newTalk(30), asked: newTalk(60), hasOperator: opts.Operator, log: opts.Log, parallel: opts.Parallel, wake: make(chan struct{}, 1),
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
	if t.Attempts >= maxAttempts && !errors.Is(err, eventstore.ErrUnavailable) && !errors.Is(err, senderauth.ErrTemporary) {
		w.log.Error("inbox: giving up on a mail", "mail", t.MailID, "attempts", t.Attempts, "error", err)
		w.handled.WithLabelValues("poison").Inc()
		err = w.todo.poison(ctx, t.MailID)
	} else {
		w.log.Warn("inbox: a mail will be tried again", "mail", t.MailID, "attempt", t.Attempts, "error", err)
		err = w.todo.postpone(ctx, t.MailID, min(time.Second<<min(t.Attempts, 10), 10*time.Minute))
	}
	if err != nil {
		w.log.Warn("inbox: giving a mail back", "mail", t.MailID, "error", err) // its lease will end
	}
}
