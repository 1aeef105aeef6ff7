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
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humamux"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	maxLive   = 2000             // open streams of a process,
	maxOfOne  = 1000             // and of a tenant
	heartbeat = 15 * time.Second // keeps proxies from closing a quiet stream
	liveWrite = 10 * time.Second // a client that takes longer to read is let go
)

// ErrFull refuses one live stream too many.
var ErrFull = &fault.Error{Kind: fault.Conflict, Code: "too-many-requests", Title: "too many live streams are open here; try again later"}

// Live tells clients what happens as it happens.
type Live struct {
	feed    *cloudevent.Feed
	slog    *slog.Logger
	streams prometheus.Gauge

	mu   sync.Mutex
	all  int
	open map[string]int // by tenant
}

// NewLive makes it over a feed, which others may use, too.
func NewLive(feed *cloudevent.Feed, logger *slog.Logger, registry prometheus.Registerer) *Live {
	l := &Live{feed: feed, slog: logger, open: map[string]int{}, streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "cis_live_streams", Help: "Open streams of live updates."})}
	registry.MustRegister(l.streams)
	return l
}

// enter counts a stream in, if there is room.
func (l *Live) enter(tenant string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxLive || l.open[tenant] >= maxOfOne {
		return false
	}
	l.all++
	l.open[tenant]++
	l.streams.Set(float64(l.all))
	return true
}

func (l *Live) leave(tenant string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.open[tenant]--; l.open[tenant] == 0 {
		delete(l.open, tenant)
	}
	l.streams.Set(float64(l.all))
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
	if c.full {
		a.disclosed(ctx, "live", in.Event)
	}
	if !l.enter(c.who.Tenant) {
		return nil, ErrFull
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer l.leave(c.who.Tenant)
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
	var err error
	if after == "" {
		c.position, err = c.feed.Now(ctx)
		return err
	}
	if c.position, err = strconv.ParseUint(after, 10, 63); err != nil {
		return event.ErrInvalid.With("Last-Event-ID is a position, as the id of a message said")
	}
	return nil
}

// serve writes what happens until the client goes.
func (c *liveClient) serve(ctx context.Context) error {
	_ = c.control.SetReadDeadline(time.Time{}) // the server's is for requests
	if err := c.say(": here\nretry: 2000\n\n"); err != nil {
		return err
	}
	return c.feed.Follow(ctx, c.position, heartbeat, func(list []cloudevent.Event, to uint64) error {
		if len(list) > 0 || to > c.position {
			c.position = to
			return c.tell(ctx, list)
		}
		if err := c.say(": still here\n\n"); err != nil {
			return err
		}
		if may, err := c.stillMay(ctx); err != nil || !may {
			return errors.Join(err, cloudevent.ErrStop)
		}
		return nil
	})
}

// stillMay says whether the tenant's key or person may go on listening.
func (c *liveClient) stillMay(ctx context.Context) (bool, error) {
	if c.api.opts.Still == nil {
		return true, nil
	}
	return c.api.opts.Still(ctx, c.who)
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
