package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Runner keeps projections in step with the log through a Watermill router: one handler per projection, one message
// per page.
type Runner struct {
	pool  *pgxpool.Pool
	store *eventstore.Client
	logID string
	log   *slog.Logger
	all   []*running
}

// running is a projection at work.
type running struct {
	*Runner
	p      Projection
	reads  map[string]bool // names of the facts it looks at; nil: all
	leader *leader

	mu       sync.Mutex
	gen      generation
	position uint64
	caughtUp bool
	stopped  error
	changed  chan struct{} // closed and replaced when position or caughtUp change
}

// New makes a runner. Setup must have run on the database.
func New(pool *pgxpool.Pool, store *eventstore.Client, logID string, log *slog.Logger, projections ...Projection) *Runner {
	r := &Runner{pool: pool, store: store, logID: logID, log: log}
	for _, p := range projections {
		if p.PageSize == 0 {
			p.PageSize = 1000
		}
		r.all = append(r.all, &running{Runner: r, p: p, reads: names(p.Reads), leader: newLeader(pool, p.Name, log), changed: make(chan struct{})})
	}
	return r
}

// Projections are those it runs.
func (r *Runner) Projections() []Projection {
	out := make([]Projection, 0, len(r.all))
	for _, p := range r.all {
		out = append(out, p.p)
	}
	return out
}

// watermillLogger keeps Watermill's own words for debugging: what stops a projection is said once, by fail.
func watermillLogger(log *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(log.With("component", "watermill"), map[slog.Level]slog.Level{
		slog.LevelInfo: slog.LevelDebug, slog.LevelError: slog.LevelDebug,
	})
}

func names(list []schema.Fact) map[string]bool {
	if list == nil {
		return nil
	}
	out := map[string]bool{}
	for _, f := range list {
		out[f.FactName()] = true
	}
	return out
}

// Run works until ctx ends. It comes back from outages of store and database by itself.
func (r *Runner) Run(ctx context.Context) error {
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: 5 * time.Second}, watermillLogger(r.log))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, p := range r.all {
		if p.gen, err = ensureServing(ctx, r.pool, p.p, r.logID); err != nil {
			return err
		}
		wg.Go(func() { p.leader.run(ctx) })
		sub := r.store.NewSubscriber(eventstore.SubscriberOptions{StreamPrefixes: p.p.Prefixes, PageSize: p.p.PageSize, Checkpoint: p.checkpoint})
		router.AddConsumerHandler(p.p.Name, "$all/"+p.p.Name, sub, func(msg *message.Message) error {
			return p.handle(msg.Context(), eventstore.PageOf(msg))
		})
	}
	return router.Run(ctx)
}

// checkpoint waits until this process leads and says where to go on.
func (p *running) checkpoint(ctx context.Context) (uint64, error) {
	if err := p.leader.wait(ctx); err != nil {
		return 0, err
	}
	gen, err := ensureServing(ctx, p.pool, p.p, p.logID)
	if err != nil {
		return 0, err
	}
	pos, err := gen.position(ctx, p.pool, p.logID)
	if err == nil && pos > 0 {
		var head uint64
		if head, err = p.store.Head(ctx); err == nil && pos > head {
			err = ErrAhead
		}
	}
	if err != nil {
		p.fail(err)
		return 0, fmt.Errorf("projection %s: %w", p.p.Name, err)
	}
	p.mu.Lock()
	p.gen, p.position, p.caughtUp = gen, pos, false
	p.mu.Unlock()
	return pos, nil
}

// handle applies a page; an error makes the subscriber start again from the checkpoint.
func (p *running) handle(ctx context.Context, page eventstore.Page) error {
	if !p.leader.held.Load() {
		return errMoved
	}
	err := p.applyPage(ctx, page)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errMoved) {
			p.fail(err)
		}
		return err
	}
	p.advanced(page)
	return nil
}

// applyPage applies what of a page can be read. A page without facts moves the checkpoint only now and then.
func (p *running) applyPage(ctx context.Context, page eventstore.Page) error {
	recs, unreadable := p.decode(page.Records)
	if unreadable != nil {
		if len(recs) > 0 {
			if err := p.apply(ctx, recs, recs[len(recs)-1].Position); err != nil {
				return err
			}
		}
		return fmt.Errorf("projection %s: %w", p.p.Name, unreadable)
	}
	if len(recs) == 0 && !page.CaughtUp && page.Position < p.at()+10_000 {
		return nil
	}
	return p.apply(ctx, recs, page.Position)
}

// decode reads the records of a page that the projection looks at. What stands before an unreadable one comes back with
// the error. A name nobody knows stops every projection: it is not for them to say that it does not matter.
func (p *running) decode(records []eventstore.Recorded) ([]facts.Recorded, error) {
	out := make([]facts.Recorded, 0, len(records))
	for _, r := range records {
		if p.reads != nil && !p.reads[r.Type] {
			if !facts.Registry.Knows(r.Type) {
				return out, fmt.Errorf("%s@%d: %w %q", r.Stream, r.Revision, schema.ErrUnknownName, r.Type)
			}
			continue
		}
		rec, err := facts.Decode(r)
		if err != nil {
			return out, err
		}
		out = append(out, rec)
	}
	return out, nil
}

// apply commits a run of facts and the position it reaches; on failure it halves the run.
func (p *running) apply(ctx context.Context, recs []facts.Recorded, position uint64) error {
	err := p.commit(ctx, recs, position)
	if err == nil || len(recs) <= 1 || transient(err) {
		return err
	}
	half := len(recs) / 2
	if err := p.apply(ctx, recs[:half], recs[half-1].Position); err != nil {
		return err
	}
	return p.apply(ctx, recs[half:], position)
}

func (p *running) commit(ctx context.Context, recs []facts.Recorded, position uint64) error {
	if position <= p.at() && len(recs) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if err := p.gen.advance(ctx, tx, p.at(), position); err != nil {
			return err
		}
		if len(recs) == 0 {
			return nil
		}
		return p.p.Apply(ctx, Tx{Tx: tx, Tables: p.gen.tables()}, recs)
	})
	if err != nil {
		if len(recs) == 1 {
			return fmt.Errorf("projection %s: %s (%s@%d): %w", p.p.Name, recs[0].Fact.FactName(), recs[0].Stream, recs[0].Revision, err)
		}
		return fmt.Errorf("projection %s: %w", p.p.Name, err)
	}
	p.mu.Lock()
	p.position = position
	p.mu.Unlock()
	return nil
}

// transient says that an error is about the connection, not about the facts.
func transient(err error) bool {
	var pg *pgconn.PgError
	if errors.Is(err, errMoved) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if errors.As(err, &pg) {
		switch pg.Code[:2] { // connection, transaction rollback, resources, operator intervention
		case "08", "40", "53", "57":
			return true
		}
		return false
	}
	return pgconn.SafeToRetry(err) || pgconn.Timeout(err)
}

func (p *running) at() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.position
}

// advanced tells everybody who waits, and clears an earlier stop.
func (p *running) advanced(page eventstore.Page) {
	p.mu.Lock()
	if p.stopped != nil {
		p.log.Info("projector: going on", "projection", p.p.Name, "position", p.position)
	}
	p.stopped = nil
	p.caughtUp = page.CaughtUp
	close(p.changed)
	p.changed = make(chan struct{})
	position, caughtUp := p.position, p.caughtUp
	p.mu.Unlock()
	if p.p.Applied != nil {
		p.p.Applied(max(position, page.Position), caughtUp)
	}
}

// fail remembers why the projection stands still and says so once per reason.
func (p *running) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped == nil || p.stopped.Error() != err.Error() {
		p.log.Error("projector: stopped", "projection", p.p.Name, "position", p.position, "error", err)
	}
	p.stopped = err
}

// Status is how far a projection has come.
type Status struct {
	Name     string `json:"name"`
	Version  int    `json:"version"`
	Position uint64 `json:"position"`
	CaughtUp bool   `json:"caught_up"`
	Leading  bool   `json:"leading"`
	Stopped  string `json:"stopped,omitempty"`
}

// Status returns how far the projections have come in this process.
func (r *Runner) Status() []Status {
	out := make([]Status, 0, len(r.all))
	for _, p := range r.all {
		p.mu.Lock()
		s := Status{Name: p.p.Name, Version: p.p.Version, Position: p.position, CaughtUp: p.caughtUp, Leading: p.leader.held.Load()}
		if p.stopped != nil {
			s.Stopped = p.stopped.Error()
		}
		p.mu.Unlock()
		out = append(out, s)
	}
	return out
}

// WaitFor returns when a projection led by this process has seen everything up to a position.
func (r *Runner) WaitFor(ctx context.Context, name string, position uint64) error {
	for _, p := range r.all {
		if p.p.Name != name {
			continue
		}
		for {
			p.mu.Lock()
			reached, changed := p.position >= position, p.changed
			p.mu.Unlock()
			if reached {
				return nil
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return fmt.Errorf("projection %s: %w", name, ctx.Err())
			}
		}
	}
	return fmt.Errorf("there is no projection %q", name)
}
