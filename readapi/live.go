package readapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/cloudevent"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	liveKept    = 4096             // of what happened last, for those who come back
	maxLive     = 2000             // open streams of a process
	heartbeat   = 15 * time.Second // keeps proxies from closing a quiet stream
	liveWrite   = 10 * time.Second // a client that takes longer to read is let go
	maxCatchUps = 4                // streams that read the log at the same time
)

// ErrFull refuses one live stream too many.
var ErrFull = &fault.Error{Kind: fault.Conflict, Code: "too-many-requests", Title: "too many live streams are open here; try again later"}

// Live tells what happens as it happens: one subscription of the process, and as many streams to clients as there are.
type Live struct {
	store    *eventstore.Client
	log      *facts.Log
	source   string
	slog     *slog.Logger
	streams  prometheus.Gauge
	catchUps chan struct{}

	mu      sync.Mutex
	kept    []cloudevent.Event // the newest last
	from    uint64             // everything behind this position is kept
	to      uint64             // seen up to here
	changed chan struct{}      // closed and replaced when there is more
	open    int
}

// NewLive makes it; Run fills it. source is the address of this server.
func NewLive(log *facts.Log, source string, logger *slog.Logger, registry prometheus.Registerer) *Live {
	l := &Live{
		store: log.Store(), log: log, source: source, slog: logger, changed: make(chan struct{}), catchUps: make(chan struct{}, maxCatchUps),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "cis_live_streams", Help: "Open streams of live updates."}),
	}
	registry.MustRegister(l.streams)
	return l
}

// Run follows the log until ctx ends.
func (l *Live) Run(ctx context.Context) error {
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		after, err := l.start(ctx)
		if err == nil {
			err = l.store.Follow(ctx, cloudevent.Prefixes, after, 500, func(page eventstore.Page) error {
				pause = 50 * time.Millisecond
				return l.add(ctx, page)
			})
		}
		if ctx.Err() != nil {
			break
		}
		l.slog.Info("live: subscribing again", "pause", pause, "reason", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		case <-ctx.Done():
		}
	}
	return nil
}

// start is where to follow from: what was seen last, or, at first, the end of the log.
func (l *Live) start(ctx context.Context) (uint64, error) {
	l.mu.Lock()
	to := l.to
	l.mu.Unlock()
	if to > 0 {
		return to, nil
	}
	head, err := l.store.Head(ctx)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from, l.to = head, head
	return head, nil
}

// add keeps what a page says.
func (l *Live) add(ctx context.Context, page eventstore.Page) error {
	list, err := l.read(ctx, page)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, list...)
	if extra := len(l.kept) - liveKept; extra > 0 {
		l.from = l.kept[extra-1].Position
		l.kept = append(make([]cloudevent.Event, 0, 2*liveKept), l.kept[extra:]...)
	}
	l.to = max(l.to, page.Position)
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// read makes events of a page's records.
func (l *Live) read(ctx context.Context, page eventstore.Page) ([]cloudevent.Event, error) {
	var out []cloudevent.Event
	for _, r := range page.Records {
		rec, err := facts.Decode(r)
		if err != nil {
			return nil, err
		}
		if _, wanted := cloudevent.Of(rec, l.source); !wanted {
			continue
		}
		if rec.Fact, err = l.log.Open(ctx, rec); err != nil {
			return nil, err
		}
		e, _ := cloudevent.Of(rec, l.source)
		out = append(out, e)
	}
	return out, nil
}

// since returns what is kept behind a position, or, if that is too long ago, false. changed says when there is more.
func (l *Live) since(position uint64) (list []cloudevent.Event, to uint64, changed <-chan struct{}, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if position < l.from || l.to == 0 {
		return nil, l.to, l.changed, false
	}
	i, _ := slices.BinarySearchFunc(l.kept, position+1, func(e cloudevent.Event, p uint64) int {
		switch {
		case e.Position < p:
			return -1
		case e.Position > p:
			return 1
		}
		return 0
	})
	return l.kept[i:len(l.kept):len(l.kept)], max(position, l.to), l.changed, true
}

// enter counts a stream in, if there is room.
func (l *Live) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= maxLive {
		return false
	}
	l.open++
	l.streams.Set(float64(l.open))
	return true
}

func (l *Live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	l.streams.Set(float64(l.open))
}

type liveInput struct {
	LastEventID string   `header:"Last-Event-ID" maxLength:"20" doc:"The id of the last message seen, to go on behind it: a position in the log"`
	After       string   `query:"after" maxLength:"20" doc:"The same, for a first call; without either it begins now"`
	Event       string   `query:"event" pattern:"^[a-z0-9]{40}$" doc:"Only about this event"`
	Types       []string `query:"types" doc:"Only these types, separated by commas"`
}

func (l *Live) register(api *httpapi.API, a *API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/live", ID: "live", Tag: "webhooks", Summary: "What happens, as it happens (Server-Sent Events)",
		About: "Each message's `id` is its position in the log, its `event` the type, its `data` a CloudEvent. A client that comes back with `Last-Event-ID` misses nothing.",
		Scope: key.EventsRead, Own: true, NoHead: true, Answer: "text/event-stream",
	}, func(ctx context.Context, in *liveInput) (*huma.StreamResponse, error) {
		return l.stream(ctx, a, in)
	})
}

func (l *Live) stream(ctx context.Context, a *API, in *liveInput) (*huma.StreamResponse, error) {
	c := &liveClient{Live: l, api: a, who: access.From(ctx), full: unmasked(ctx), in: in, organizers: map[string]string{}}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	if !l.enter() {
		return nil, ErrFull
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer l.leave()
		_, w := humamux.Unwrap(hc)
		c.w, c.control = w, http.NewResponseController(w)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // nginx
		if err := c.serve(hc.Context()); err != nil && hc.Context().Err() == nil {
			l.slog.Debug("live: a stream ended", "error", err)
		}
	}}, nil
}

// liveClient is one open stream.
type liveClient struct {
	*Live
	api        *API
	who        access.Principal
	full       bool
	in         *liveInput
	position   uint64
	w          http.ResponseWriter
	control    *http.ResponseController
	organizers map[string]string // whose events are, as far as it was asked
}

// begin finds out where the client wants to begin.
func (c *liveClient) begin(ctx context.Context) error {
	for _, t := range c.in.Types {
		if !cloudevent.Known(t) {
			return event.ErrInvalid.With(fmt.Sprintf("there is no type %q; there are %v", t, cloudevent.Types))
		}
	}
	if c.in.Event != "" {
		if _, err := c.api.event(ctx, c.in.Event); err != nil {
			return err
		}
	}
	after := c.in.LastEventID
	if after == "" {
		after = c.in.After
	}
	if after == "" {
		_, c.position, _, _ = c.since(0)
		return nil
	}
	var err error
	if c.position, err = strconv.ParseUint(after, 10, 63); err != nil {
		return event.ErrInvalid.With("Last-Event-ID is a position, as the id of a message said")
	}
	return nil
}

// serve writes what happens until the client goes.
func (c *liveClient) serve(ctx context.Context) error {
	if err := c.say(": here\nretry: 2000\n\n"); err != nil {
		return err
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		list, to, changed, kept := c.since(c.position)
		if !kept {
			if err := c.catchUp(ctx); err != nil {
				return err
			}
			continue
		}
		if err := c.tell(ctx, list); err != nil {
			return err
		}
		c.position = to
		select {
		case <-changed:
		case <-beat.C:
			if err := c.say(": still here\n\n"); err != nil {
				return err
			}
			if p, err := c.stillMay(ctx); err != nil || !p {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stillMay says whether the tenant's key or person may go on listening.
func (c *liveClient) stillMay(ctx context.Context) (bool, error) {
	if c.api.opts.Still == nil {
		return true, nil
	}
	return c.api.opts.Still(ctx, c.who)
}

// catchUp reads from the log what is not kept any more.
func (c *liveClient) catchUp(ctx context.Context) error {
	select {
	case c.catchUps <- struct{}{}:
		defer func() { <-c.catchUps }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.store.Follow(ctx, cloudevent.Prefixes, c.position, 500, func(page eventstore.Page) error {
		list, err := c.read(ctx, page)
		if err == nil {
			err = c.tell(ctx, list)
		}
		if err != nil {
			return err
		}
		c.position = max(c.position, page.Position)
		if _, _, _, kept := c.since(c.position); kept || page.CaughtUp {
			return eventstore.ErrDone
		}
		return nil
	})
}

// tell writes what of a list the client wants and may see, in one go.
func (c *liveClient) tell(ctx context.Context, list []cloudevent.Event) error {
	var out []byte
	for _, e := range list {
		wanted, err := c.wants(ctx, e)
		if err != nil {
			return err
		}
		if !wanted {
			continue
		}
		if !c.full {
			e = e.Masked()
		}
		data, err := json.Marshal(e)
		if err != nil {
			return err
		}
		out = fmt.Appendf(out, "id: %d\nevent: %s\ndata: %s\n\n", e.Position, e.Type, data)
	}
	if len(out) == 0 {
		return nil
	}
	return c.say(string(out))
}

func (c *liveClient) wants(ctx context.Context, e cloudevent.Event) (bool, error) {
	if e.Tenant != c.who.Tenant || c.in.Event != "" && e.Subject != c.in.Event || len(c.in.Types) > 0 && !slices.Contains(c.in.Types, e.Type) {
		return false, nil
	}
	if c.who.OrganizerID == "" {
		return true, nil
	}
	owner := e.Data.OrganizerID
	if owner == "" {
		owner = c.organizers[e.Subject]
	}
	if owner == "" {
		ev, err := c.api.events.Event(ctx, c.who.Tenant, e.Subject)
		if err != nil && !errors.Is(err, event.ErrUnknown) {
			return false, err
		}
		owner = ev.OrganizerID
	}
	if owner != "" && len(c.organizers) < 10_000 {
		c.organizers[e.Subject] = owner
	}
	return owner == c.who.OrganizerID, nil
}

// say writes and flushes; a client that does not read is let go.
func (c *liveClient) say(s string) error {
	_ = c.control.SetWriteDeadline(time.Now().Add(liveWrite))
	if _, err := c.w.Write([]byte(s)); err != nil {
		return err
	}
	return c.control.Flush()
}
