package readapi

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/calendar-invite-server/cis/internal/webpage"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/gorilla/mux"
)

// maxSchedule is how many events a schedule shows.
const maxSchedule = 200

// RegisterPages adds the pages that everybody may look at: public events, and organizers' schedules of them.
func (a *API) RegisterPages(r *mux.Router) {
	for path, h := range map[string]problem.Handler{
		"/events/{uid}": a.eventPage, "/events/{uid}/event.ics": a.eventCalendar, "/schedule/{organizer:[0-9a-f]{32}}.ics": a.scheduleFeed, "/schedule/{organizer:[0-9a-f]{32}}": a.schedulePage,
		"/thanks": thanks,
	} {
		r.Handle(path, h.With(a.opts.Log)).Methods(http.MethodGet, http.MethodHead)
	}
}

// public is an event that everybody may see, of whatever tenant. What is not public does not exist.
func (a *API) public(r *http.Request) (events.Event, error) {
	uid := mux.Vars(r)["uid"]
	if !event.ValidUID(uid) {
		return events.Event{}, event.ErrUnknown
	}
	tenant, err := a.opts.TenantOfEvent(r.Context(), uid)
	if err != nil {
		return events.Event{}, err
	}
	ev, err := a.events.Event(r.Context(), tenant, uid)
	if err == nil && !ev.Public {
		err = event.ErrUnknown
	}
	return ev, err
}

func contentOf(ev events.Event) event.Content {
	c := ev.Times
	c.Summary, c.Description, c.Location = ev.Summary, ev.Description, ev.Location
	return c
}

type publicView struct {
	UID, Summary, When, Repeats, Location, Description, Organizer, Schedule, File string
	Cancelled                                                                     bool
	Links                                                                         []ical.Link
}

func newPublicView(ev events.Event, organizer string) publicView {
	c := contentOf(ev)
	v := publicView{
		UID: ev.UID, Summary: ev.Summary, When: recur.When(c.Start, c.End), Repeats: recur.Repeats(c), Location: ev.Location, Description: ev.Description, Organizer: organizer,
		Schedule: "/schedule/" + ev.OrganizerID, File: "/events/" + ev.UID + "/event.ics", Cancelled: ev.Status == string(event.Cancelled),
	}
	if v.Summary == "" {
		v.Summary = "(no title)"
	}
	if !v.Cancelled {
		v.Links = ical.Links(c)
	}
	return v
}

var eventPage = webpage.New(`{{define "title"}}{{.Summary}}{{end}}{{define "content"}}<h1>{{.Summary}}</h1>
{{if .Cancelled}}<p role="alert">This event is cancelled.</p>{{end}}
<dl><dt>When</dt><dd>{{.When}}{{with .Repeats}}, {{.}}{{end}}</dd>
{{with .Location}}<dt>Where</dt><dd>{{.}}</dd>{{end}}{{with .Organizer}}<dt>Who</dt><dd>{{.}}</dd>{{end}}
{{with .Description}}<dt>What</dt><dd>{{.}}</dd>{{end}}</dl>
{{if .Links}}<h2>Add it to your calendar</h2><ul class="plain"><li><a href="{{.File}}">Calendar file (.ics)</a></li>
{{range .Links}}<li><a href="{{.URL}}" rel="noreferrer">{{.Name}}</a></li>{{end}}</ul>{{end}}
<p><a href="{{.Schedule}}">All events of this organizer</a></p>{{end}}`)

func (a *API) eventPage(w http.ResponseWriter, r *http.Request) error {
	ev, err := a.public(r)
	if err != nil {
		return err
	}
	name, err := a.nameOf(r, ev)
	if err != nil {
		return err
	}
	return eventPage.Show(w, http.StatusOK, newPublicView(ev, name))
}

// nameOf is the organizer's display name. Their address is nobody's business.
func (a *API) nameOf(r *http.Request, ev events.Event) (string, error) {
	tenant, err := a.opts.TenantOfEvent(r.Context(), ev.UID)
	if err != nil {
		return "", err
	}
	people, err := a.attendees.People(r.Context(), tenant, []string{ev.OrganizerID})
	return people[ev.OrganizerID].Name, err
}

func (a *API) eventCalendar(w http.ResponseWriter, r *http.Request) error {
	ev, err := a.public(r)
	if err != nil {
		return err
	}
	data, err := ical.Publish("", []ical.Message{published(ev)})
	if err != nil {
		return err
	}
	return calendar(w, data)
}

// published is an event in a feed.
func published(ev events.Event) ical.Message {
	m := ical.Message{Method: "PUBLISH", UID: ev.UID, Sequence: ev.Sequence, DTStamp: ev.Changed, Content: contentOf(ev)}
	if ev.Status == string(event.Cancelled) {
		m.Method = "CANCEL"
	}
	return m
}

func calendar(w http.ResponseWriter, data []byte) error {
	w.Header().Set("Content-Type", "text/calendar; charset=UTF-8; method=PUBLISH")
	w.Header().Set("Content-Disposition", `inline; filename="calendar.ics"`)
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, err := w.Write(data)
	return err
}

// schedule is an organizer's public events that are not over, the earliest first. Whether there is such an organizer is
// nobody's business: who has none has an empty one.
func (a *API) schedule(r *http.Request) (tenant, id string, list []events.Event, err error) {
	id = mux.Vars(r)["organizer"]
	if tenant, err = a.opts.TenantOfOrganizer(r.Context(), id); err != nil {
		return "", "", nil, err
	}
	list, err = a.events.Find(r.Context(), tenant, events.Filter{OrganizerID: id, Public: true, ByStart: true, From: time.Now(), Limit: maxSchedule})
	return tenant, id, list, err
}

var schedulePage = webpage.New(`{{define "title"}}Events{{end}}{{define "content"}}<h1>Events{{with .Organizer}} of {{.}}{{end}}</h1>
{{if .Events}}<ul class="plain">{{range .Events}}<li><a href="/events/{{.UID}}">{{.Summary}}</a>{{if .Cancelled}} (cancelled){{end}}<br>{{.When}}{{with .Repeats}}, {{.}}{{end}}{{with .Location}}<br>{{.}}{{end}}</li>
{{end}}</ul>{{else}}<p>There is nothing here at the moment.</p>{{end}}
<p><a href="{{.Feed}}">Subscribe in your calendar</a> or <a href="{{.File}}">download it</a></p>{{end}}`)

func (a *API) schedulePage(w http.ResponseWriter, r *http.Request) error {
	tenant, id, list, err := a.schedule(r)
	if err != nil {
		return err
	}
	people, err := a.attendees.People(r.Context(), tenant, []string{id})
	if err != nil {
		return err
	}
	name := people[id].Name
	shown := make([]publicView, 0, len(list))
	for _, ev := range list {
		shown = append(shown, newPublicView(ev, name))
	}
	file := "/schedule/" + url.PathEscape(id) + ".ics"
	_, host, _ := strings.Cut(strings.TrimSuffix(a.opts.PublicURL, "/"), "://")
	return schedulePage.Show(w, http.StatusOK, map[string]any{"Organizer": name, "Events": shown, "File": file, "Feed": template.URL("webcal://" + host + file)})
}

func (a *API) scheduleFeed(w http.ResponseWriter, r *http.Request) error {
	tenant, id, list, err := a.schedule(r)
	if err != nil {
		return err
	}
	people, err := a.attendees.People(r.Context(), tenant, []string{id})
	if err != nil {
		return err
	}
	var messages []ical.Message
	for _, ev := range list {
		messages = append(messages, published(ev))
		if !ev.Repeats {
			continue
		}
		exceptions, err := a.events.Exceptions(r.Context(), tenant, ev.UID)
		if err != nil {
			return err
		}
		messages = append(messages, apart(ev, exceptions)...)
	}
	name := people[id].Name
	if name == "" {
		name = "Events"
	}
	data, err := ical.Publish(name, messages)
	if err != nil {
		return err
	}
	return calendar(w, data)
}

// apart are the dates of a series that differ from it.
func apart(ev events.Event, exceptions map[event.InstanceID]events.Exception) (list []ical.Message) {
	for id, e := range exceptions {
		m := published(ev)
		m.Instance, m.Zone = id, ev.Times.Start.TZID
		m.Content = recur.Instance(contentOf(ev), id)
		if e.Content != nil {
			m.Content = *e.Content
		}
		m.Content.Recurrence = event.Recurrence{}
		if e.Cancelled {
			m.Method = "CANCEL"
		}
		list = append(list, m)
	}
	return list
}

var thanksPage = webpage.New(`{{define "title"}}Thank you{{end}}{{define "content"}}<h1>Thank you</h1>
<p>Your invitation is on its way. Look for it in your mailbox and answer it there.</p>{{end}}`)

func thanks(w http.ResponseWriter, _ *http.Request) error {
	return thanksPage.Show(w, http.StatusOK, nil)
}
