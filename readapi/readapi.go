// Package readapi answers questions over HTTP from the projections: the published routes at the root, the modern ones
// below /v1, live updates, health, and the public pages of events.
//
// Start reading at [API.Register].
package readapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"

	"github.com/calendar-invite-server/cis/domain/disclosure"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/projector"
	accessview "github.com/calendar-invite-server/cis/projections/access"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/organizers"
	"github.com/calendar-invite-server/cis/projections/statistics"
	"github.com/jackc/pgx/v5/pgxpool"
)

// API serves reads.
type API struct {
	events     *events.Reader
	attendees  *attendees.Reader
	statistics *statistics.Reader
	organizers *organizers.Reader
	access     *accessview.Reader
	past       chan struct{}
	opts       Options
}

// Options are what the API needs to know.
type Options struct {
	EventLimit int // events in a published list at most
	// OrganizerID is whose account an address belongs to.
	OrganizerID func(ctx context.Context, tenant, address string) (string, error)
	// TenantOfEvent and TenantOfOrganizer say whose something public is, for pages that nobody needs a key for.
	TenantOfEvent     func(ctx context.Context, uid string) (string, error)
	TenantOfOrganizer func(ctx context.Context, id string) (string, error)
	PublicURL         string
	History           History
	// Still says whether a caller may still do what they could when they came; nil: yes.
	Still func(ctx context.Context, p access.Principal) (bool, error)
	Live  *Live
	// Keeper knows how the read models are.
	Keeper *projector.Keeper
	// Chain tells all that the log holds about something of a tenant, sealed or not. It goes through the whole log.
	Chain func(ctx context.Context, tenant, id string, sealed bool) (Chain, error)
	// Disclosed hears who is shown what in full that is personal, before they are.
	Disclosed func(ctx context.Context, f disclosure.PersonalDataRead)
	Log       *slog.Logger
}

// New makes the API over the read models.
func New(pool *pgxpool.Pool, opts Options) *API {
	return &API{
		events: events.NewReader(pool), attendees: attendees.NewReader(pool), statistics: statistics.NewReader(pool), organizers: organizers.NewReader(pool),
		access: accessview.NewReader(pool), past: make(chan struct{}, pastSlots), opts: opts,
	}
}

// Names of the read models, as X-Position speaks of them.
const (
	viewEvents     = "events"
	viewAttendees  = "attendees"
	viewStatistics = "statistics"
	viewOrganizers = "organizers"
	viewAccess     = "access"
)

// Register adds the routes.
func (a *API) Register(api *httpapi.API) {
	a.registerPublished(api)
	a.registerEvents(api)
	a.registerAttendees(api)
	a.registerOrganizers(api)
	a.registerAccess(api)
	a.registerHistory(api)
	a.registerChain(api)
	a.registerInstallation(api)
	a.opts.Live.register(api, a)
}

// event is an event that the caller may see. What is somebody else's does not exist for them.
func (a *API) event(ctx context.Context, uid string) (events.Event, error) {
	p := access.From(ctx)
	ev, err := a.events.Event(ctx, p.Tenant, uid)
	if err == nil && !p.Sees(ev.OrganizerID) {
		err = event.ErrUnknown
	}
	return ev, err
}

// may says whether the caller sees an event, without reading it if they see all of them.
func (a *API) may(ctx context.Context, uid string) error {
	if access.From(ctx).OrganizerID == "" {
		return nil
	}
	_, err := a.event(ctx, uid)
	return err
}

// organizerID is whose account an address or an id in a path names.
func (a *API) organizerID(ctx context.Context, name string) (string, error) {
	return a.opts.OrganizerID(ctx, access.From(ctx).Tenant, name)
}

// unmasked says whether the caller sees addresses and names of attendees in full.
func unmasked(ctx context.Context) bool { return access.From(ctx).May(key.AttendeesRead) }

// disclosed says that the caller is about to be shown what is personal in full.
func (a *API) disclosed(ctx context.Context, what, about string) {
	p := access.From(ctx)
	a.opts.Disclosed(ctx, disclosure.PersonalDataRead{Tenant: p.Tenant, By: p.By(), What: what, About: about})
}

// EventPath is the parameter of every route about an event.
type EventPath struct {
	UID string `path:"uid" pattern:"^[a-z0-9]{40}$" example:"0a1b2c3d4e5f60718293a4b5c6d7e8f901234567" doc:"The event's UID"`
}

// InstanceQuery asks about one date of a series.
type InstanceQuery struct {
	Instance string `query:"instance" pattern:"^[0-9]{8}(T[0-9]{6}Z)?$" doc:"One date of a series, named by its original start: 20261204T090000Z, or 20261204"`
}

func (q InstanceQuery) id() (event.InstanceID, error) {
	id := event.InstanceID(q.Instance)
	if _, _, ok := id.Time(); id != "" && !ok {
		return "", event.ErrInvalid.With("an instance is named by its original start, like 20261204T090000Z or 20261204")
	}
	return id, nil
}

// PageQuery is where a list goes on and how much of it.
type PageQuery struct {
	Cursor string `query:"cursor" maxLength:"400" doc:"Where to go on: next of the answer before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most"`
}

// page is a part of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"The cursor of what follows; missing at the end"`
}

// pageOf makes a page of one more row than was asked for, which tells whether there is more.
func pageOf[R, T any, C any](rows []R, limit int, cursor func(R) C, shape func(R) T) page[T] {
	p := page[T]{Items: make([]T, 0, min(len(rows), limit))}
	for i, row := range rows {
		if i == limit {
			p.Next = encodeCursor(cursor(rows[i-1]))
			break
		}
		p.Items = append(p.Items, shape(row))
	}
	return p
}

func encodeCursor(c any) string {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings, numbers and times
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// decodeCursor reads a cursor; the empty one is the start.
func decodeCursor[C any](s string) (c C, err error) {
	if s == "" {
		return c, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		return c, problem.ErrRequest.With("the cursor is not one of ours")
	}
	return c, nil
}

// answer is a body.
type answer[T any] struct{ Body T }
