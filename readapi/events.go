package readapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/statistics"
)

// Moment is a point of an event's time.
type Moment struct {
	Local  string    `json:"local" example:"2026-12-04T18:00:00" doc:"Wall time as the organizer wrote it; a date for a whole day"`
	TZID   string    `json:"tzid,omitempty" example:"Europe/Berlin" doc:"IANA name; missing: UTC"`
	AllDay bool      `json:"all_day,omitempty"`
	UTC    time.Time `json:"utc"`
}

func moment(m event.Moment) Moment { return Moment{m.Local, m.TZID, m.AllDay, m.UTC.UTC()} }

// Person is whom something is about.
type Person struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty" example:"olga@example.com" doc:"Missing: the person was erased"`
	Name    string `json:"name,omitempty" example:"Olga Example"`
}

// Event is what people attend.
type Event struct {
	UID         string    `json:"uid" example:"0a1b2c3d4e5f60718293a4b5c6d7e8f901234567"`
	Status      string    `json:"status" enum:"confirmed,cancelled"`
	Public      bool      `json:"public" doc:"Everybody may see it on its page and in the organizer's schedule"`
	Summary     string    `json:"summary" example:"Summer party"`
	Description string    `json:"description"`
	Location    string    `json:"location"`
	Start       Moment    `json:"start"`
	End         Moment    `json:"end" doc:"Exclusive"`
	Rule        string    `json:"rrule,omitempty" example:"FREQ=WEEKLY;COUNT=4" doc:"Of a series (RFC 5545 §3.3.10)"`
	Sequence    int       `json:"sequence" doc:"SEQUENCE as attendees' calendars know it"`
	Organizer   Person    `json:"organizer"`
	Created     time.Time `json:"created"`
	Changed     time.Time `json:"changed"`
	Revision    int64     `json:"revision" doc:"Of the event's stream, as in ETag"`
}

func newEvent(ev events.Event, people map[string]attendees.Person) Event {
	who := people[ev.OrganizerID]
	return Event{
		UID: ev.UID, Status: ev.Status, Public: ev.Public, Summary: ev.Summary, Description: ev.Description, Location: ev.Location,
		Start: moment(ev.Times.Start), End: moment(ev.Times.End), Rule: ev.Times.Recurrence.Rule, Sequence: ev.Sequence,
		Organizer: Person{ev.OrganizerID, who.Address, who.Name}, Created: ev.Created.UTC(), Changed: ev.Changed.UTC(), Revision: ev.Revision,
	}
}

// Statistics are counters.
type Statistics struct {
	Events    *int64           `json:"events,omitempty"`
	Attendees int64            `json:"attendees"`
	RSVP      map[string]int64 `json:"rsvp" doc:"By answer: accepted, declined, tentative, noaction"`
	Origin    map[string]int64 `json:"origin" doc:"By where the invitation came from"`
	ProdID    map[string]int64 `json:"prodid" doc:"By the calendar that answered"`
	Denied    map[string]int64 `json:"denied" doc:"Requests for invitations that were refused, by reason"`
}

func newStatistics(s statistics.Statistics, events bool) Statistics {
	out := Statistics{Attendees: s.Attendees, RSVP: s.RSVP, Origin: s.Origin, ProdID: s.ProdID, Denied: s.Denied}
	if events {
		out.Events = &s.Events
	}
	return out
}

func (a *API) registerEvents(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events", ID: "list-events", Tag: "events", Summary: "Events, the newest change first",
		Scope: key.EventsRead, Own: true, Views: []string{viewEvents, viewAttendees},
	}, a.listEvents)
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events/{uid}", ID: "get-event", Tag: "events", Summary: "One event",
		About: "Its `ETag` is what `If-Match` of a change takes; with `If-None-Match` an unchanged event is a 304.",
		Scope: key.EventsRead, Own: true, Views: []string{viewEvents, viewAttendees}, Errors: []int{http.StatusNotModified},
	}, func(ctx context.Context, in *getEventInput) (*eventAnswer, error) {
		return asOf(ctx, a, in.UID, in.AsOfQuery, func(a *API) (*eventAnswer, error) { return a.getEvent(ctx, in) })
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events/{uid}/statistics", ID: "get-event-statistics", Tag: "events", Summary: "One event in numbers",
		Scope: key.EventsRead, Own: true, Views: []string{viewStatistics},
	}, func(ctx context.Context, in *struct {
		EventPath
		InstanceQuery
		AsOfQuery
	},
	) (*answer[Statistics], error) {
		return asOf(ctx, a, in.UID, in.AsOfQuery, func(a *API) (*answer[Statistics], error) {
			s, err := a.numbers(ctx, &eventInstance{in.EventPath, in.InstanceQuery})
			return &answer[Statistics]{newStatistics(s, false)}, err
		})
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/statistics", ID: "get-statistics", Tag: "system", Summary: "Everything in numbers",
		Scope: key.SystemRead, Views: []string{viewStatistics},
	}, func(ctx context.Context, _ *struct{}) (*answer[Statistics], error) {
		s, err := a.statistics.System(ctx, access.From(ctx).Tenant)
		return &answer[Statistics]{newStatistics(s, true)}, err
	})
}

type listEventsInput struct {
	PageQuery
	Organizer string    `query:"organizer" maxLength:"254" doc:"Whose: a mail address, or an id"`
	Status    string    `query:"status" enum:"confirmed,cancelled"`
	From      time.Time `query:"from" doc:"That end at this time or later; series always do"`
	To        time.Time `query:"to" doc:"That start at this time or earlier"`
	Text      string    `query:"q" maxLength:"100" doc:"In summary, description or location, in any case"`
	Public    bool      `query:"public" doc:"Only those everybody may see"`
	Sort      string    `query:"sort" enum:"-changed,start" default:"-changed" doc:"By the newest change, or by the earliest start"`
}

func (a *API) listEvents(ctx context.Context, in *listEventsInput) (*answer[page[Event]], error) {
	p := access.From(ctx)
	f := events.Filter{
		OrganizerID: p.OrganizerID, Status: in.Status, From: in.From, To: in.To, Text: in.Text, Public: in.Public, ByStart: in.Sort == "start", Limit: in.Limit + 1,
	}
	var err error
	if f.After, err = decodeCursor[events.Cursor](in.Cursor); err != nil {
		return nil, err
	}
	if in.Organizer != "" {
		id, err := a.organizerID(ctx, in.Organizer)
		if err != nil {
			return nil, err
		}
		if !p.Sees(id) {
			return &answer[page[Event]]{page[Event]{Items: []Event{}}}, nil
		}
		f.OrganizerID = id
	}
	list, err := a.events.Find(ctx, p.Tenant, f)
	if err != nil {
		return nil, err
	}
	people, err := a.organizersOf(ctx, list)
	return &answer[page[Event]]{pageOf(list, in.Limit, f.Cursor, func(ev events.Event) Event { return newEvent(ev, people) })}, err
}

// organizersOf are the people whose events they are.
func (a *API) organizersOf(ctx context.Context, list []events.Event) (map[string]attendees.Person, error) {
	ids := make([]string, 0, len(list))
	for _, ev := range list {
		ids = append(ids, ev.OrganizerID)
	}
	return a.attendees.People(ctx, access.From(ctx).Tenant, ids)
}

type eventAnswer struct {
	Status int
	ETag   string `header:"ETag" doc:"The revision, for If-Match"`
	Body   *Event
}

type getEventInput struct {
	EventPath
	AsOfQuery
	IfNoneMatch string `header:"If-None-Match" doc:"An ETag the caller has"`
}

func (a *API) getEvent(ctx context.Context, in *getEventInput) (*eventAnswer, error) {
	ev, err := a.event(ctx, in.UID)
	if err != nil {
		return nil, err
	}
	out := &eventAnswer{Status: http.StatusOK, ETag: etag(ev.Revision)}
	if matches(in.IfNoneMatch, out.ETag) {
		out.Status = http.StatusNotModified
		return out, nil
	}
	people, err := a.organizersOf(ctx, []events.Event{ev})
	body := newEvent(ev, people)
	out.Body = &body
	return out, err
}

func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// matches says whether a list of ETags has one (RFC 9110 §13.1.2, weak comparison).
func matches(list, tag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
