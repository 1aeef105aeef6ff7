// Package webhooks tells endpoints what happens, after Standard Webhooks: signed, in order, again when it fails.
//
// Each endpoint has a place in the log up to which it was told. What fails is tried again for three days, and what
// follows waits meanwhile, so that an endpoint never sees a later thing before an earlier one. An endpoint may be told
// something twice, with the same webhook-id.
//
// Start reading at [Sender.Run].
package webhooks

import (
	"context"
	_ "embed" // tables.sql
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/internal/cloudevent"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	look     = time.Second         // how often is looked for new endpoints, and whether a waiting one was changed
	progress = time.Minute         // how often the log learns how far an endpoint is
	keepFor  = 30 * 24 * time.Hour // attempts
)

// Options are what the sender needs.
type Options struct {
	Pool     *pgxpool.Pool
	Handler  *commands.Handler
	Feed     *cloudevent.Feed
	Private  bool // endpoints may be in private networks
	Log      *slog.Logger
	Registry prometheus.Registerer
	// List names the endpoints of all tenants that are to be told.
	List func(ctx context.Context) ([]webhook.Ref, error)
	// Leading says whether this process is the one that tells them.
	Leading func() bool
	// Pauses are how long is waited after each failure in turn; when there are no more, the endpoint is disabled.
	Pauses []time.Duration
}

// Sender tells endpoints what happens.
type Sender struct {
	opts    Options
	client  *http.Client
	serving *projector.Serving
	sent    *prometheus.CounterVec

	mu      sync.Mutex
	running map[string]context.CancelFunc
}

// New makes a sender and the projection that keeps its tables.
func New(opts Options) (*Sender, projector.Projection) {
	p := Projection()
	s := &Sender{
		opts: opts, client: newClient(opts.Private), serving: projector.NewServing(opts.Pool, p), running: map[string]context.CancelFunc{},
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cis_webhook_attempts_total", Help: "Deliveries to webhooks by what became of them."}, []string{"outcome"}),
	}
	opts.Registry.MustRegister(s.sent)
	return s, p
}

//go:embed tables.sql
var tables string

// Projection keeps the tables, and forgets what was about endpoints that were removed.
func Projection() projector.Projection {
	return projector.Projection{
		Name: "webhooks", Version: 1, Prefixes: []string{webhook.StreamPrefix}, Tables: tables,
		Working: []projector.Working{{Table: "cursor", Whole: true}, {Table: "attempt", Whole: true}},
		Apply: projector.PerFact(func(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
			if f, ok := rec.Fact.(webhook.WebhookRemoved); ok {
				batch.Queue(t.SQL(`DELETE FROM @.attempt WHERE webhook_id = $1`), f.WebhookID)
				batch.Queue(t.SQL(`DELETE FROM @.cursor WHERE webhook_id = $1`), f.WebhookID)
			}
		}),
	}
}

// Run tells endpoints until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if !s.opts.Leading() {
			s.stopAll()
			continue
		}
		list, err := s.opts.List(ctx)
		if err != nil {
			s.opts.Log.Debug("webhooks: no list", "error", err)
			continue
		}
		for _, ref := range list {
			s.ensure(ctx, &all, ref)
		}
		if n%3600 == 0 {
			s.forget(ctx)
		}
	}
}

// ensure has an endpoint told, if it is not already.
func (s *Sender) ensure(ctx context.Context, all *sync.WaitGroup, ref webhook.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[ref.WebhookID] != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	s.running[ref.WebhookID] = cancel
	all.Go(func() {
		defer func() {
			cancel()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.running, ref.WebhookID)
		}()
		if err := s.tell(ctx, ref); err != nil && ctx.Err() == nil {
			s.opts.Log.Warn("webhooks: an endpoint is told later", "webhook", ref.WebhookID, "error", err)
		}
	})
}

func (s *Sender) stopAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cancel := range s.running {
		cancel()
	}
}

// endpoint is one that is being told.
type endpoint struct {
	*Sender
	webhook.State
	saved    uint64 // in the log
	savedAt  time.Time
	position uint64
}

// tell tells one endpoint, until it is disabled or removed.
func (s *Sender) tell(ctx context.Context, ref webhook.Ref) error {
	state, err := s.opts.Handler.Webhook(ctx, ref.WebhookID)
	if err != nil || !state.Exists || state.Disabled != "" {
		return err
	}
	e := &endpoint{Sender: s, State: state, saved: state.Position, savedAt: time.Now(), position: state.Position}
	if err := e.resume(ctx); err != nil {
		return err
	}
	err = s.opts.Feed.Follow(ctx, e.position, look, func(list []cloudevent.Event, to uint64) error {
		for _, event := range list {
			if event.Tenant != e.Tenant {
				continue
			}
			if err := e.deliver(ctx, event); err != nil {
				return err
			}
		}
		return e.reached(ctx, to)
	})
	if e.position > e.saved { // what was done is not forgotten
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		err = errors.Join(err, e.save(last, ""))
	}
	return err
}

// resume goes on where the table says, if that is further than the log knows.
func (e *endpoint) resume(ctx context.Context) error {
	t, err := e.serving.Tables(ctx)
	if err != nil {
		return err
	}
	var position int64
	err = e.opts.Pool.QueryRow(ctx, t.SQL(`SELECT position FROM @.cursor WHERE webhook_id = $1`), e.WebhookID).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	e.position = max(e.position, uint64(position))
	return err
}

// reached remembers that everything up to a position was told, and learns whether somebody changed the endpoint.
func (e *endpoint) reached(ctx context.Context, to uint64) error {
	if err := e.refresh(ctx); err != nil {
		return err
	}
	e.position = max(e.position, to)
	if e.position > e.saved && time.Since(e.savedAt) > progress {
		return e.save(ctx, "")
	}
	return nil
}

// refresh looks at the endpoint again. It ends telling it if it is disabled or gone.
func (e *endpoint) refresh(ctx context.Context) error {
	state, err := e.opts.Handler.Webhook(ctx, e.WebhookID)
	if err != nil {
		return err
	}
	if !state.Exists || state.Disabled != "" {
		return cloudevent.ErrStop
	}
	e.State = state
	return nil
}

// save has the log know how far the endpoint is, and whether it is over.
func (e *endpoint) save(ctx context.Context, disable string) error {
	_, err := e.opts.Handler.ForWebhook(ctx, commands.From("webhooks", e.Tenant, uuid.NewString(), 0), commands.RecordWebhook{
		Ref: e.Ref, Position: e.position, Disable: disable,
	})
	if err == nil {
		e.saved, e.savedAt = e.position, time.Now()
	}
	return err
}

// forget drops attempts that nobody will look into any more.
func (s *Sender) forget(ctx context.Context) {
	t, err := s.serving.Tables(ctx)
	if err == nil {
		_, err = s.opts.Pool.Exec(ctx, t.SQL(`DELETE FROM @.attempt WHERE at < $1`), time.Now().Add(-keepFor))
	}
	if err != nil {
		s.opts.Log.Debug("webhooks: old attempts stay", "error", err)
	}
}
