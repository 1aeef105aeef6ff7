package readapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/statistics"
	"github.com/danielgtaylor/huma/v2"
)

const (
	maxAttendees = 100 // in the published list
	maxInstances = 100 // dates of a series in a list
)

// ErrNobody refuses a request that names no organizer; 404, as published.
var ErrNobody = &fault.Error{Kind: fault.NotFound, Code: "organizer-missing", Title: "this needs the organizer's mail address, in the path or as {\"organizer\": …}"}

// registerPublished adds the routes that existing callers rely on, in the shapes of shapes.go.
func (a *API) registerPublished(api *httpapi.API) {
	route := func(id, path, summary string, scope key.Scope, own bool, views ...string) httpapi.Route {
		return httpapi.Route{
			Method: http.MethodGet, Path: path, ID: id, Tag: "published", Summary: summary, Scope: scope, Own: own, Views: views, Open: true,
		}
	}
	httpapi.Register(api, route("event", "/event/{uid}", "An event", key.EventsRead, true, viewEvents, viewAttendees), a.getPublished)
	httpapi.Register(api, route("event-statistics", "/event/{uid}/statistics", "An event in numbers", key.EventsRead, true, viewStatistics), a.getPublishedStatistics)
	httpapi.Register(api, route("event-attendees", "/event/{uid}/attendees", "An event's first 100 attendees, masked", key.EventsRead, true, viewAttendees), a.publishedAttendees)
	httpapi.Register(api, route("event-instances", "/event/{uid}/instances", "The dates of a series", key.EventsRead, true, viewEvents), a.publishedInstances)
	list := route("organizer-events", "/organizer/{organizer}/events", "An organizer's events, the newest change first", key.EventsRead, true, viewEvents, viewAttendees)
	list.About = "The address may also come in a body `{\"organizer\": …}`, which may be base64; it wins over the path."
	httpapi.Register(api, list, a.publishedOrganizerEvents)
	old := list
	old.ID, old.Path, old.Old, old.Sunset = "shadow-organizer-events", "/shadow/organizer/{organizer}/events", deprecated, sunset
	httpapi.Register(api, old, a.publishedOrganizerEvents)
	old = route("shadow-organizer-statistics", "/shadow/organizer/{organizer}/statistics", "An organizer's events in numbers", key.EventsRead, true, viewStatistics)
	old.Old, old.Sunset = deprecated, sunset
	httpapi.Register(api, old, a.publishedOrganizerStatistics)
	httpapi.Register(api, route("system-events", "/system/events", "All events, the newest change first", key.SystemRead, false, viewEvents, viewAttendees), a.publishedSystemEvents)
	httpapi.Register(api, route("system-statistics", "/system/statistics", "Everything in numbers", key.SystemRead, false, viewStatistics), a.publishedSystemStatistics)
}

// Of the routes below /shadow: since when they are old, and until when they stay (RFC 9745, RFC 8594).
const (
	deprecated = "@1763683200"
	sunset     = "Tue, 01 Jan 2030 00:00:00 GMT"
)

func (a *API) getPublished(ctx context.Context, in *EventPath) (*answer[publishedEvent], error) {
	ev, err := a.event(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	people, err := a.attendees.People(ctx, access.From(ctx).Tenant, []string{ev.OrganizerID, ev.OriginalOrganizerID})
	if err != nil {
		return nil, err
	}
	return &answer[publishedEvent]{newPublishedEvent(ev, people)}, nil
}

type eventInstance struct {
	EventPath
	InstanceQuery
}

func (a *API) getPublishedStatistics(ctx context.Context, in *eventInstance) (*answer[publishedStatistics], error) {
	s, err := a.numbers(ctx, in)
	if err != nil {
		return nil, err
	}
	return &answer[publishedStatistics]{newStatisticsBody(in.UID, s)}, nil
}

// numbers are the counters of an event, or of one date of a series.
func (a *API) numbers(ctx context.Context, in *eventInstance) (s statistics.Statistics, err error) {
	if err := a.may(ctx, in.UID); err != nil {
		return s, err
	}
	id, err := in.id()
	switch {
	case err != nil:
		return s, err
	case id == "":
		return a.statistics.Event(ctx, access.From(ctx).Tenant, in.UID)
	}
	return a.statistics.Instance(ctx, access.From(ctx).Tenant, in.UID, id)
}

func (a *API) publishedAttendees(ctx context.Context, in *eventInstance) (*answer[[]publishedAttendee], error) {
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	list, err := a.attendees.Of(ctx, access.From(ctx).Tenant, in.UID, id, maxAttendees)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || access.From(ctx).OrganizerID != "" { // it may be that there is no such event
		if _, err := a.event(ctx, in.UID); err != nil {
			return nil, err
		}
	}
	return &answer[[]publishedAttendee]{newAttendeesBody(list)}, nil
}

// publishedInstances lists the dates of a series from a day on, by default from today; a single event has none.
func (a *API) publishedInstances(ctx context.Context, in *struct {
	EventPath
	From string `query:"from" format:"date" doc:"From which day on; by default from today"`
},
) (*answer[[]publishedInstance], error) {
	from := time.Now().UTC().Truncate(24 * time.Hour)
	if in.From != "" {
		var err error
		if from, err = time.Parse(time.DateOnly, in.From); err != nil {
			return nil, event.ErrInvalid.With("from is a date, like 2026-12-04")
		}
	}
	ev, err := a.event(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	exceptions, err := a.events.Exceptions(ctx, access.From(ctx).Tenant, in.UID)
	if err != nil {
		return nil, err
	}
	return &answer[[]publishedInstance]{newInstancesBody(ev, exceptions, from, maxInstances)}, nil
}

// organizerInput names an organizer, in the path or in a body that no schema describes: a GET has none, by the book.
type organizerInput struct {
	Organizer string `path:"organizer" maxLength:"254" example:"olga@example.com" doc:"The organizer's mail address"`
}

// maxOrganizerBody is the longest body that names an organizer, in bytes.
const maxOrganizerBody = 4 << 10

// Resolve reads the body, if there is one. What is no such body is not looked at: the path counts.
func (in *organizerInput) Resolve(c huma.Context) []error {
	raw, err := io.ReadAll(io.LimitReader(c.BodyReader(), maxOrganizerBody))
	raw = bytes.TrimSpace(raw)
	if err != nil || len(raw) == 0 {
		return nil
	}
	if plain, err := base64.StdEncoding.DecodeString(string(raw)); err == nil {
		raw = plain
	}
	var body struct {
		Organizer string `json:"organizer"`
	}
	if json.Unmarshal(raw, &body) == nil && body.Organizer != "" {
		in.Organizer = body.Organizer
	}
	return nil
}

// theirs is the account the caller asks about, if they may.
func (a *API) theirs(ctx context.Context, in *organizerInput) (string, error) {
	id, err := a.organizerID(ctx, in.Organizer)
	if err != nil {
		return "", ErrNobody
	}
	if !access.From(ctx).Sees(id) {
		return "", organizer.ErrUnknown
	}
	return id, nil
}

func (a *API) publishedOrganizerEvents(ctx context.Context, in *organizerInput) (*answer[[]publishedListedEvent], error) {
	id, err := a.theirs(ctx, in)
	if err != nil {
		return nil, err
	}
	return a.eventItems(ctx, events.Filter{OrganizerID: id, Limit: a.opts.EventLimit})
}

func (a *API) publishedSystemEvents(ctx context.Context, _ *struct{}) (*answer[[]publishedListedEvent], error) {
	return a.eventItems(ctx, events.Filter{Limit: a.opts.EventLimit})
}

func (a *API) eventItems(ctx context.Context, f events.Filter) (*answer[[]publishedListedEvent], error) {
	list, err := a.events.Find(ctx, access.From(ctx).Tenant, f)
	if err != nil {
		return nil, err
	}
	people, err := a.organizersOf(ctx, list)
	if err != nil {
		return nil, err
	}
	body := make([]publishedListedEvent, 0, len(list))
	for _, ev := range list {
		body = append(body, newEventItem(ev, people))
	}
	return &answer[[]publishedListedEvent]{body}, nil
}

func (a *API) publishedOrganizerStatistics(ctx context.Context, in *organizerInput) (*answer[publishedTotals], error) {
	id, err := a.theirs(ctx, in)
	if err != nil {
		return nil, err
	}
	s, err := a.statistics.Organizer(ctx, access.From(ctx).Tenant, id)
	return &answer[publishedTotals]{newSystemStatisticsBody(s)}, err
}

func (a *API) publishedSystemStatistics(ctx context.Context, _ *struct{}) (*answer[publishedTotals], error) {
	s, err := a.statistics.System(ctx, access.From(ctx).Tenant)
	return &answer[publishedTotals]{newSystemStatisticsBody(s)}, err
}
