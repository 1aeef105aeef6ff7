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
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/jackc/pgx/v5"
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

	meters *meters
}

// running is a projection at work.
type running struct {
	*Runner
	*applier
	leader *leader
	sub    *eventstore.Subscriber

	caughtUp bool
	filled   bool // and the database knows it
	stopped  error
	changed  chan struct{} // closed and replaced when position or caughtUp change
}

// New makes a runner. Setup must have run on the database.
func New(pool *pgxpool.Pool, store *eventstore.Client, logID string, log *slog.Logger, projections ...Projection) *Runner {
	r := &Runner{pool: pool, store: store, logID: logID, log: log}
	r.meters = &meters{runner: r, lags: map[string]Lag{}}
	for _, p := range projections {
		r.all = append(r.all, &running{Runner: r, applier: newApplier(pool, store, p), leader: newLeader(pool, p.Name, log), changed: make(chan struct{})})
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
		if p.gen, err = ensureServing(ctx, r.pool, p.p, r.logID); err != nil && p.p.Public && isSQL(err) { // an analyst's mistake is nobody else's
			p.fail(err)
			continue
		}
		if err != nil {
			return err
		}
		wg.Go(func() { p.leader.run(ctx) })
		p.sub = r.store.NewSubscriber(eventstore.SubscriberOptions{StreamPrefixes: p.p.Prefixes, PageSize: p.p.PageSize, Checkpoint: p.checkpoint})
		router.AddConsumerHandler(p.p.Name, "$all/"+p.p.Name, p.sub, func(msg *message.Message) error {
			return p.handle(msg.Context(), eventstore.PageOf(msg))
		})
	}
	wg.Go(func() { r.watchSwitches(ctx) })
	wg.Go(func() { r.meters.run(ctx) })
	wg.Go(func() { desk{pool: r.pool, keeper: r.Keeper(), leads: r.Leads}.run(ctx) })
	return router.Run(ctx)
}

// Keeper makes a keeper of the same projections.
func (r *Runner) Keeper() *Keeper {
	return NewKeeper(r.pool, r.store, r.logID, r.log, r.Projections()...)
}

// Leads says whether this process leads a projection, and with it what only one process may do.
func (r *Runner) Leads(name string) bool {
	for _, p := range r.all {
		if p.p.Name == name {
			return p.leader.held.Load()
		}
	}
	return false
}

// watchSwitches has a projection go on with the generation that serves when another began to: without it, only the next
// fact would show that.
func (r *Runner) watchSwitches(ctx context.Context) {
	ticker := time.NewTicker(lookForWork)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		rows, err := r.pool.Query(ctx, `SELECT name, version, generation FROM cis.serving`)
		if err != nil {
			continue
		}
		serving := map[generationKey]int{}
		var k generationKey
		var number int
		if _, err := pgx.ForEachRow(rows, []any{&k.name, &k.version, &number}, func() error { serving[k] = number; return nil }); err != nil {
			continue
		}
		for _, p := range r.all {
			p.mu.Lock()
			moved := p.leader.held.Load() && p.gen.number != serving[generationKey{p.p.Name, p.p.Version}]
			p.mu.Unlock()
			if moved {
				p.sub.Restart()
			}
		}
	}
}

type generationKey struct {
	name    string
	version int
}

// checkpoint waits until this process leads and says where to go on.
func (p *running) checkpoint(ctx context.Context) (uint64, error) {
	if err := p.leader.wait(ctx); err != nil {
		return 0, err
	}
	gen, err := ensureServing(ctx, p.Runner.pool, p.p, p.logID)
	if err != nil {
		return 0, err
	}
	pos, err := gen.position(ctx, p.Runner.pool, p.logID)
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
	p.gen, p.position, p.caughtUp, p.filled = gen, pos, false, false
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
	if page.CaughtUp && !p.filled { // before anybody is told
		if err := p.gen.set(ctx, p.Runner.pool, `filled = coalesce(filled, now())`); err != nil {
			return err
		}
		p.filled = true
	}
	p.advanced(page)
	return nil
}

// advanced tells everybody who waits, and clears an earlier stop.
func (p *running) advanced(page eventstore.Page) {
	p.mu.Lock()
	if p.stopped != nil {
		p.log.Info("projector: going on", "projection", p.p.Name, "position", p.position)
		go p.remember(p.gen, nil)
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
		go p.remember(p.gen, err)
	}
	p.stopped = err
}

// remember lets other processes know why the projection stands still, if the database can be told.
func (p *running) remember(gen generation, err error) {
	var why, where string
	var poison *Poison
	if err != nil {
		why = err.Error()
	}
	if errors.As(err, &poison) {
		where = poison.Where()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = gen.set(ctx, p.Runner.pool, `stopped = $4, stuck = $5`, why, where)
}

// Status is how far a projection has come.
type Status struct {
	Name     string `json:"name"`
	Version  int    `json:"version"`
	Position uint64 `json:"position"`
	CaughtUp bool   `json:"caught_up"`
	Leading  bool   `json:"leading"`
	Stopped  string `json:"stopped,omitempty"`
	Public   bool   `json:"public,omitempty"` // an analyst's own
}

// Status returns how far the projections have come in this process.
func (r *Runner) Status() []Status {
	out := make([]Status, 0, len(r.all))
	for _, p := range r.all {
		p.mu.Lock()
		s := Status{Name: p.p.Name, Version: p.p.Version, Position: p.position, CaughtUp: p.caughtUp, Leading: p.leader.held.Load(), Public: p.p.Public}
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
