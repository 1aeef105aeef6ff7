package notifier

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	lease        = 3 * time.Minute // of a claimed row
	sendDeadline = 2 * time.Minute // for one mail, all of it; below the lease
	giveUpAfter  = 40              // failed attempts, with pauses that add up to about a day
)

// Options are what couriers need.
type Options struct {
	Pool      *pgxpool.Pool
	Handler   *commands.Handler
	Keys      secret.Keys
	Addresses *address.Directory
	Transport Transport
	Composer  *Composer
	Mails     Mails
	Log       *slog.Logger
	Registry  prometheus.Registerer
	Parallel  int              // mails at a time, of either queue; default 24
	Window    time.Duration    // a change waits so long for further ones
	Rates     Rates            // of what goes to many
	Reminders []string         // before an event, where it does not say itself
	Numbers   Numbers          // what reports are made of
	Operator  string           // SYSTEM_EMAIL; empty: nobody
	Alone     bool             // this is the only process that can be working on the ledger
	Now       func() time.Time // default time.Now
}

// Mails are the mails that came in.
type Mails interface {
	LoadRaw(ctx context.Context, mailID string) ([]byte, error)
}

// Couriers send what the ledger says is owed.
type Couriers struct {
	opts   Options
	claims claims
	lanes  []*lane
	ready  atomic.Bool // the ledger has caught up once
	down   downtime
	pace   *pace
	past   pastContents
	sent   *prometheus.CounterVec
}

// lane is one of the two queues: what people wait for, and what goes to many.
type lane struct {
	prompt bool
	wake   chan struct{}
	slots  chan struct{} // bounds mails under way, so that connections to the relay are left for the other queue
}

// NewCouriers makes couriers and the ledger that feeds them.
func NewCouriers(opts Options) (*Couriers, projector.Projection) {
	if opts.Parallel == 0 {
		opts.Parallel = 24
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Couriers{
		opts: opts, pace: newPace(opts.Rates, opts.Now),
		lanes: []*lane{
			{prompt: true, wake: make(chan struct{}, 1), slots: make(chan struct{}, maxConnections)},
			{wake: make(chan struct{}, 1), slots: make(chan struct{}, maxConnections*2/3)},
		},
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cis_mails_sent_total", Help: "Mails handed over, by kind and outcome."}, []string{"kind", "outcome"}),
	}
	opts.Registry.MustRegister(c.sent)
	p := Projection(opts.Window, func(caughtUp, changed bool) {
		if began := caughtUp && c.ready.CompareAndSwap(false, true); began || changed {
			c.Wake()
		}
	})
	c.claims = claims{pool: opts.Pool, serving: projector.NewServing(opts.Pool, p), owner: uuid.NewString(), alone: opts.Alone}
	return c, p
}

// Wake makes the couriers look at the ledger now.
func (c *Couriers) Wake() {
	for _, l := range c.lanes {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// Run sends until ctx ends, then lets mails that are under way end.
func (c *Couriers) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.every(ctx, 5*time.Second, "looking for ended leases", c.handBack) })
	wg.Go(func() { c.every(ctx, time.Second, "looking for reminders", c.remind) })
	for _, l := range c.lanes {
		wg.Go(func() { c.serve(ctx, l) })
	}
	return nil
}

// serve sends what one queue holds.
func (c *Couriers) serve(ctx context.Context, l *lane) {
	var wg sync.WaitGroup
	defer wg.Wait()
	work := make(chan owed)
	for range c.opts.Parallel {
		wg.Go(func() {
			for o := range work {
				if sent := c.deliver(context.WithoutCancel(ctx), o, l); sent && l.prompt && o.Kind == kindInvite {
					c.pace.spend(1)
				} else if !sent && !l.prompt {
					c.pace.spend(-1)
				}
			}
		})
	}
	defer close(work)
	for ctx.Err() == nil {
		if c.round(ctx, l, work) > 0 {
			continue
		}
		select {
		case <-l.wake:
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// round claims some of what is owed and hands it to the couriers; it returns how much that was.
func (c *Couriers) round(ctx context.Context, l *lane, work chan<- owed) int {
	if !c.ready.Load() || c.down.now(c.opts.Now()) {
		return 0
	}
	n := 4 * c.opts.Parallel
	if !l.prompt {
		var err error
		if n, err = c.allowance(ctx, n); err != nil || n == 0 {
			return 0
		}
	}
	rows, err := c.claims.claim(ctx, l.prompt, n, lease)
	if err != nil {
		if ctx.Err() == nil {
			c.opts.Log.Debug("couriers: claiming", "error", err) // the database is away
		}
		return 0
	}
	if !l.prompt {
		c.pace.spend(len(rows))
	}
	for i, o := range rows {
		select {
		case work <- o:
		case <-ctx.Done(): // not begun: hand back at once
			for _, left := range rows[i:] {
				_ = c.claims.postpone(context.WithoutCancel(ctx), left, 0, false)
			}
			return 0
		}
	}
	return len(rows)
}

// every does something again and again once the ledger has caught up.
func (c *Couriers) every(ctx context.Context, pause time.Duration, what string, do func(context.Context) error) {
	for {
		wait := pause
		if !c.ready.Load() {
			wait = 50 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		if !c.ready.Load() {
			continue
		}
		if err := do(ctx); err != nil && ctx.Err() == nil {
			c.opts.Log.Debug("couriers: "+what, "error", err)
		}
	}
}

// deliver sends one mail, records what became of it, and says whether it left. Until the fact is recorded the lease
// stands; if it cannot be recorded the row comes back when the lease has ended and the log has been asked.
func (c *Couriers) deliver(ctx context.Context, o owed, l *lane) (sent bool) {
	ctx, cancel := context.WithTimeout(ctx, lease-10*time.Second)
	defer cancel()
	log := c.opts.Log.With("kind", o.Kind, "event", o.Subject, "recipient", o.Recipient)
	v, err := c.decide(ctx, o, c.opts.Now())
	if err == nil && v.letter != nil && !l.prompt {
		v.wait = c.pace.wait(ctx, o, v.letter.to.Address)
	}
	switch {
	case err != nil:
		log.Warn("couriers: a mail will be tried again", "error", err)
		c.postpone(ctx, o, false)
	case v.wait > 0: // nothing has gone wrong
		if err := c.claims.postpone(ctx, o, v.wait, false); err != nil {
			log.Warn("couriers: handing a row back", "error", err) // its lease will end
		}
	case v.letter == nil:
		if err := c.claims.skip(ctx, o, v.done, v.minded); err != nil {
			log.Warn("couriers: settling a row", "error", err)
		}
	default:
		return c.handOver(ctx, o, l, v, log)
	}
	return false
}

// handOver gives a mail to the next mail server and records its answer.
func (c *Couriers) handOver(ctx context.Context, o owed, l *lane, v verdict, log *slog.Logger) (sent bool) {
	out, err := c.send(ctx, l, v.letter)
	var rejected *Rejection
	switch {
	case errors.Is(err, errTemplate): // somebody has to mend it; nothing is lost meanwhile
		log.Error("couriers: a mail cannot be written and stays owed", "error", err)
		c.postpone(ctx, o, true)
		return false
	case err == nil:
		c.down.clear()
	case errors.As(err, &rejected) && (!rejected.Temporary || o.Attempts >= giveUpAfter):
		out.failed, out.code, out.answer = true, rejected.Code, rejected.Text
	default:
		if !errors.As(err, &rejected) {
			c.down.add(c.opts.Now()) // nobody is listening: do not burn through the ledger
		}
		log.Warn("couriers: a mail will be tried again", "attempt", o.Attempts+1, "error", err)
		c.sent.WithLabelValues(o.Kind, "postponed").Inc()
		c.postpone(ctx, o, rejected != nil)
		return false
	}
	if err := v.record(ctx, out); err != nil {
		log.Error("couriers: a mail was handed over but could not be recorded; the log is asked again when the lease ends", "error", err)
		return !out.failed
	}
	result := map[bool]string{false: "sent", true: "refused"}[out.failed]
	c.sent.WithLabelValues(o.Kind, result).Inc()
	log.Info("couriers: "+result, "revision", v.letter.event.Revision, "mail", v.letter.kind)
	return !out.failed
}

func (c *Couriers) send(ctx context.Context, lane *lane, l *letter) (outcome, error) {
	mail, err := c.opts.Composer.compose(l, c.opts.Now())
	if errors.Is(err, errTemplate) {
		return outcome{}, err
	}
	if err != nil {
		return outcome{}, &Rejection{Text: err.Error()} // trying again would not help
	}
	ctx, cancel := context.WithTimeout(ctx, sendDeadline)
	defer cancel()
	lane.slots <- struct{}{}
	answer, err := c.opts.Transport.Send(ctx, mail)
	<-lane.slots
	return outcome{messageID: mail.ID, answer: answer}, err
}

func (c *Couriers) postpone(ctx context.Context, o owed, count bool) {
	pause := min(5*time.Second<<min(o.Attempts, 10), 30*time.Minute)
	if err := c.claims.postpone(context.WithoutCancel(ctx), o, pause, count); err != nil {
		c.opts.Log.Warn("couriers: handing a row back", "error", err) // its lease will end
	}
}

// handBack frees rows whose courier died: when the lease has ended, or at once where no other process can be alive.
// Whether the mail left before it did only the log can say, so the log is asked.
func (c *Couriers) handBack(ctx context.Context) error {
	rows, err := c.claims.expired(ctx, 1000)
	if err != nil {
		return err
	}
	for _, o := range rows {
		settled := 0
		if o.Kind == kindInvite {
			inv, err := c.opts.Handler.Invitation(ctx, o.Subject, o.Recipient)
			if err != nil {
				return err
			}
			ev, err := c.opts.Handler.FreshEvent(ctx, o.Subject)
			if err != nil {
				return err
			}
			if _, _, owes := next(ev, inv.State); !owes {
				settled = ev.Revision
			}
		} else {
			n, err := c.opts.Handler.Notice(ctx, c.noticeRef(o))
			if err != nil {
				return err
			}
			if n.Settled {
				settled = 1
			}
		}
		c.opts.Log.Info("couriers: a lease ended without an outcome", "kind", o.Kind, "event", o.Subject, "recipient", o.Recipient, "settled", settled)
		if err := c.claims.skip(ctx, o, settled, 0); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		c.Wake()
	}
	return nil
}

// downtime is a growing pause for all couriers while the next mail server does not answer.
type downtime struct {
	mu    sync.Mutex
	until time.Time
	pause time.Duration
}

func (d *downtime) now(t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return t.Before(d.until)
}

func (d *downtime) add(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.Before(d.until) {
		return // many couriers, one outage
	}
	d.pause = min(max(2*d.pause, time.Second), 30*time.Second)
	d.until = t.Add(d.pause)
}

func (d *downtime) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until, d.pause = time.Time{}, 0
}

func itoa(n int) string { return strconv.Itoa(n) }
