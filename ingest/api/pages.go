package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/calendar-invite-server/cis/internal/webpage"
	"github.com/google/uuid"
	"github.com/gorilla/mux"
)

// ErrLink refuses a link that stands for nothing.
var ErrLink = &fault.Error{Kind: fault.NotFound, Code: "link-unknown", Title: "this link is not complete: open it from where you found it again"}

// RegisterPages adds the pages on which people sign up for an event, answer, and say that they want no more.
func (a *API) RegisterPages(r *mux.Router) {
	for _, p := range []struct {
		path      string
		show, act problem.Handler
	}{
		{"/invite/{token}", a.showInvite, a.actInvite},
		{"/rsvp/{token}", a.showRSVP, a.actRSVP},
		{"/unsubscribe/{token}", a.showUnsubscribe, a.actUnsubscribe},
	} {
		r.Handle(p.path, p.show.With(a.Log)).Methods(http.MethodGet, http.MethodHead)
		r.Handle(p.path, p.act.With(a.Log)).Methods(http.MethodPost)
	}
	r.Handle("/rsvp/{token}/event.ics", problem.Handler(a.rsvpCalendar).With(a.Log)).Methods(http.MethodGet, http.MethodHead)
	r.Handle("/invite/{token}/event.ics", problem.Handler(a.inviteCalendar).With(a.Log)).Methods(http.MethodGet, http.MethodHead)
}

// What tokens in links are good for.
const (
	forRSVP        = "rsvp"
	forInvite      = "invite"
	forUnsubscribe = "unsubscribe"
)

// eventView is what pages show of an event.
type eventView struct {
	Summary, When, Repeats, Location, Description, Organizer string
	Cancelled, Over                                          bool
	Links                                                    []ical.Link
	File                                                     string // the .ics
}

func newEventView(ev event.State, file string) eventView {
	v := eventView{
		Summary: ev.Content.Summary, When: recur.When(ev.Content.Start, ev.Content.End), Repeats: recur.Repeats(ev.Content), Location: ev.Content.Location,
		Description: ev.Content.Description, Organizer: ev.OrganizerName, Cancelled: ev.Cancelled(), Over: recur.Over(ev.Content, time.Now()), File: file,
	}
	if v.Summary == "" {
		v.Summary = "(no title)"
	}
	if !v.Cancelled && !v.Over {
		v.Links = ical.Links(ev.Content)
	}
	return v
}

// aboutEvent is how every page shows an event.
const aboutEvent = `{{define "event"}}<h1>{{.Summary}}</h1>
{{if .Cancelled}}<p role="alert">This event is cancelled.</p>{{else if .Over}}<p role="alert">This event is over.</p>{{end}}
<dl><dt>When</dt><dd>{{.When}}{{with .Repeats}}, {{.}}{{end}}</dd>
{{with .Location}}<dt>Where</dt><dd>{{.}}</dd>{{end}}{{with .Organizer}}<dt>Who invites</dt><dd>{{.}}</dd>{{end}}
{{with .Description}}<dt>What</dt><dd>{{.}}</dd>{{end}}</dl>{{end}}
{{define "calendars"}}{{if .Links}}<h2>Add it to your calendar</h2>
<ul class="plain"><li><a href="{{.File}}">Calendar file (.ics)</a></li>{{range .Links}}<li><a href="{{.URL}}" rel="noreferrer">{{.Name}}</a></li>{{end}}</ul>{{end}}{{end}}`

// form reads a small form.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseMultipartForm(16 << 10); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return problem.ErrForm
	}
	return nil
}

// within bounds how long a page waits for the event store.
func within(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), storeTimeout)
}

// running is an event of a tenant that may act.
func (a *API) running(ctx context.Context, uid string) (event.State, tenant.Tenant, error) {
	ev, err := a.Handler.Event(ctx, uid)
	if err == nil && !ev.Exists {
		err = ErrLink
	}
	if err != nil {
		return ev, tenant.Tenant{}, err
	}
	t, err := a.Handler.Tenant(ctx, ev.Tenant)
	if err == nil && t.Suspended {
		err = tenant.ErrSuspended
	}
	return ev, t, err
}

var rsvpPage = webpage.New(aboutEvent + `{{define "title"}}{{.Summary}}{{end}}{{define "content"}}
{{if .Done}}<p role="status">Saved: {{.Said}}.</p>{{end}}
{{template "event" .}}
{{if not (or .Cancelled .Over)}}<form method="post"><fieldset><legend>Will you come{{with .Name}}, {{.}}{{end}}?</legend>
{{range .Answers}}<button name="answer" value="{{.Value}}" aria-pressed="{{.Pressed}}">{{.Label}}</button>
{{end}}<label>A word to the organizer (not needed) <input name="comment" maxlength="1000"></label></fieldset></form>
{{template "calendars" .}}{{end}}
<p><a href="{{.Unsubscribe}}">I want no more mails like this</a></p>
{{end}}`)

type rsvpView struct {
	eventView
	Name, Said, Unsubscribe string
	Done                    bool
	Answers                 []answerView
}

type answerView struct {
	Value, Label string
	Pressed      bool
}

// guest is whom an RSVP link stands for.
type guest struct {
	event  event.State
	id     string
	state  invitation.State
	token  string
	tenant tenant.Tenant
}

func (a *API) guest(ctx context.Context, r *http.Request) (g guest, err error) {
	g.token = mux.Vars(r)["token"]
	uid, id, ok := a.Keys.OpenInvitationToken(forRSVP, g.token)
	if !ok {
		return g, ErrLink
	}
	g.id = id
	if g.event, g.tenant, err = a.running(ctx, uid); err != nil {
		return g, err
	}
	seen, err := a.Handler.Invitation(ctx, uid, id)
	g.state = seen.State
	if err == nil && (!g.state.Exists || g.state.Withdrawn) {
		err = ErrLink
	}
	return g, err
}

func (a *API) showRSVP(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := within(r)
	defer cancel()
	g, err := a.guest(ctx, r)
	if err != nil {
		return err
	}
	return a.rsvp(w, g, false)
}

// labels are the answers as people say them.
var labels = []answerView{
	{string(invitation.Accepted), "Yes, I will", false}, {string(invitation.Tentative), "Maybe", false}, {string(invitation.Declined), "No", false},
}

func (a *API) rsvp(w http.ResponseWriter, g guest, done bool) error {
	v := rsvpView{eventView: newEventView(g.event, "/rsvp/"+url.PathEscape(g.token)+"/event.ics"), Name: g.state.Name, Done: done}
	status, _ := g.state.Answer("")
	for _, l := range labels {
		if l.Pressed = string(status) == l.Value; l.Pressed {
			v.Said = l.Label
		}
		v.Answers = append(v.Answers, l)
	}
	token, err := a.Keys.InvitationToken(forUnsubscribe, g.event.UID, g.id)
	if err != nil {
		return err
	}
	v.Unsubscribe = "/unsubscribe/" + url.PathEscape(token)
	return rsvpPage.Show(w, http.StatusOK, v)
}

func (a *API) actRSVP(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx, cancel := within(r)
	defer cancel()
	g, err := a.guest(ctx, r)
	if err != nil {
		return err
	}
	status := invitation.Status(r.PostForm.Get("answer"))
	comment := strings.TrimSpace(r.PostForm.Get("comment"))
	switch {
	case status != invitation.Accepted && status != invitation.Tentative && status != invitation.Declined, len(comment) > 4000:
		return problem.ErrForm
	case g.event.Cancelled():
		return event.ErrIsCancelled
	case recur.Over(g.event.Content, time.Now()):
		return event.ErrOver
	}
	c := reply(g.event, g.state, g.id, status, "", comment)
	c.Proof, c.ProdID = "link", pageProdID
	if _, err := a.Handler.ForInvitation(ctx, commands.From("page", g.event.Tenant, uuid.NewString(), 0), c); err != nil {
		return err
	}
	seen, err := a.Handler.Invitation(ctx, g.event.UID, g.id)
	if err != nil {
		return err
	}
	g.state = seen.State
	return a.rsvp(w, g, true)
}

// pageProdID is what answers given on the page come from.
const pageProdID = "-//Calendar Invite Server//RSVP page//EN"

func (a *API) rsvpCalendar(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := within(r)
	defer cancel()
	g, err := a.guest(ctx, r)
	if err != nil {
		return err
	}
	return calendar(w, g.event)
}

// calendar answers with an event as a file.
func calendar(w http.ResponseWriter, ev event.State) error {
	m := ical.Message{
		Method: "PUBLISH", UID: ev.UID, Sequence: ev.Sequence, DTStamp: time.Now(), Content: ev.Content,
		Organizer: ical.Person{Address: ev.ReplyTo, Name: ev.OrganizerName},
	}
	if ev.Cancelled() {
		m.Method = "CANCEL"
	}
	data, err := ical.Publish("", []ical.Message{m})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/calendar; charset=UTF-8; method=PUBLISH")
	w.Header().Set("Content-Disposition", `attachment; filename="event.ics"`)
	_, err = w.Write(data)
	return err
}

var invitePage = webpage.New(aboutEvent + `{{define "title"}}{{.Summary}}{{end}}{{define "content"}}
{{if .Done}}<p role="status">Your invitation is on its way. Look for it in your mailbox and answer it there.</p>{{end}}
{{template "event" .}}
{{if not (or .Done .Cancelled .Over)}}<form method="post"><fieldset><legend>Get an invitation</legend>
{{with .Problem}}<p role="alert">{{.}}</p>{{end}}
<label>Your mail address <input type="email" name="email" autocomplete="email" required value="{{.Email}}"></label>
<label>Your name <input name="name" autocomplete="name" maxlength="100" value="{{.Name}}"></label>
<input type="hidden" name="origin" value="{{.Origin}}"><button>Send me the invitation</button></fieldset></form>{{end}}
{{template "calendars" .}}
{{end}}`)

type inviteView struct {
	eventView
	Email, Name, Origin, Problem string
	Done                         bool
}

// invitePage is the address of an event's signed link.
func (a *API) invitePage(uid, email, name, origin string) (string, error) {
	token, err := a.Keys.EventToken(forInvite, uid)
	if err != nil {
		return "", err
	}
	page := strings.TrimSuffix(a.PublicURL, "/") + "/invite/" + token
	q := url.Values{}
	for k, v := range map[string]string{"email": email, "name": name, "origin": origin} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if len(q) > 0 {
		page += "?" + q.Encode()
	}
	return page, nil
}

func (a *API) invitedTo(ctx context.Context, r *http.Request) (ev event.State, file string, err error) {
	token := mux.Vars(r)["token"]
	uid, ok := a.Keys.OpenEventToken(forInvite, token)
	if !ok {
		return ev, "", ErrLink
	}
	ev, _, err = a.running(ctx, uid)
	return ev, "/invite/" + url.PathEscape(token) + "/event.ics", err
}

func (a *API) showInvite(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := within(r)
	defer cancel()
	ev, file, err := a.invitedTo(ctx, r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	return invitePage.Show(w, http.StatusOK, inviteView{eventView: newEventView(ev, file), Email: q.Get("email"), Name: q.Get("name"), Origin: q.Get("origin")})
}

func (a *API) actInvite(w http.ResponseWriter, r *http.Request) error {
	if err := form(w, r); err != nil {
		return err
	}
	ctx, cancel := within(r)
	defer cancel()
	ev, file, err := a.invitedTo(ctx, r)
	if err != nil {
		return err
	}
	if !a.limits.allowClient(httpapi.ClientIP(r, a.Proxies), time.Now()) {
		return problem.ErrTooMany
	}
	v := inviteView{eventView: newEventView(ev, file), Email: r.PostForm.Get("email"), Name: r.PostForm.Get("name"), Origin: r.PostForm.Get("origin")}
	origin := v.Origin
	if origin == "" {
		origin = "landingpage"
	}
	c, err := a.wanted(ctx, ev.UID, v.Email, v.Name, origin)
	if err == nil {
		err = a.request(ctx, "page", c)
	}
	if why, refused := fault.From(err); refused {
		v.Problem = why.Error()
		return invitePage.Show(w, http.StatusBadRequest, v)
	}
	if err != nil {
		return err
	}
	v.Done = true // whatever became of it: who has the link must not learn who is invited
	return invitePage.Show(w, http.StatusOK, v)
}

func (a *API) inviteCalendar(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := within(r)
	defer cancel()
	ev, _, err := a.invitedTo(ctx, r)
	if err != nil {
		return err
	}
	return calendar(w, ev)
}

// Links are the addresses that an event is known by.
type Links struct {
	Invite   string `json:"invite" doc:"Where people get an invitation: to put on a web page or into a newsletter. Looking at it changes nothing"`
	Page     string `json:"page,omitempty" doc:"The event's page, if it is public"`
	Schedule string `json:"schedule,omitempty" doc:"The organizer's public events, if this is one"`
	Feed     string `json:"feed,omitempty" doc:"The same to subscribe to"`
}

func (a *API) registerLinks(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/events/{uid}/links", ID: "get-event-links", Tag: "events", Summary: "Addresses to give to people", Scope: key.EventsRead, Own: true,
	}, func(ctx context.Context, in *EventPath) (*answer[Links], error) {
		ev, err := a.event(ctx, in.UID)
		if err != nil {
			return nil, err
		}
		base := strings.TrimSuffix(a.PublicURL, "/")
		out := Links{}
		if out.Invite, err = a.invitePage(ev.UID, "", "", ""); err != nil {
			return nil, err
		}
		if ev.Public {
			out.Page, out.Schedule = base+"/events/"+ev.UID, base+"/schedule/"+ev.OrganizerID
			_, host, _ := strings.Cut(base, "://")
			out.Feed = "webcal://" + host + "/schedule/" + ev.OrganizerID + ".ics"
		}
		return &answer[Links]{out}, nil
	})
}
