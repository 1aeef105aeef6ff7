// Package readapi answers questions over HTTP from the projections: the published routes (see the field names in
// shapes.go), health, and the page after an invite link.
//
// Start reading at [API.Register].
package readapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/statistics"
	"github.com/gorilla/mux"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxAttendees is how many attendees the published list shows at most.
const maxAttendees = 100

// maxInstances is how many dates of a series a list has at most.
const maxInstances = 100

// API serves reads.
type API struct {
	events     *events.Reader
	attendees  *attendees.Reader
	statistics *statistics.Reader
	opts       Options
}

// Options are what the API needs to know.
type Options struct {
	Tenant     string
	KeyHash    [sha256.Size]byte // of the admin key
	EventLimit int               // events in a list at most
	Log        *slog.Logger
}

// New makes the API over the read models.
func New(pool *pgxpool.Pool, opts Options) *API {
	return &API{events: events.NewReader(pool), attendees: attendees.NewReader(pool), statistics: statistics.NewReader(pool), opts: opts}
}

// Register adds the routes.
func (a *API) Register(r *mux.Router) {
	for path, h := range map[string]problem.Handler{
		"/event/{uid}":            a.event,
		"/event/{uid}/statistics": a.eventStatistics,
		"/event/{uid}/attendees":  a.eventAttendees,
		"/event/{uid}/instances":  a.eventInstances,
		"/system/events":          a.systemEvents,
		"/system/statistics":      a.systemStatistics,
	} {
		r.Handle(path, a.keyed(h).With(a.opts.Log)).Methods(http.MethodGet, http.MethodHead)
	}
	r.HandleFunc("/thanks", thanks).Methods(http.MethodGet, http.MethodHead)
}

// keyed asks for the API key before anything else.
func (a *API) keyed(next problem.Handler) problem.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		got := sha256.Sum256([]byte(r.Header.Get("X-Api-Key")))
		if subtle.ConstantTimeCompare(got[:], a.opts.KeyHash[:]) != 1 {
			return problem.ErrNoKey
		}
		return next(w, r)
	}
}

func uidOf(r *http.Request) (string, error) {
	uid := mux.Vars(r)["uid"]
	if !event.ValidUID(uid) {
		return "", event.ErrInvalid.With("a UID has 40 characters of a-z and 0-9")
	}
	return uid, nil
}

// instanceOf is the instance of a series a request asks about: its original start in UTC.
func instanceOf(r *http.Request) (event.InstanceID, error) {
	id := event.InstanceID(r.URL.Query().Get("instance"))
	if _, _, ok := id.Time(); id != "" && !ok {
		return "", event.ErrInvalid.With("an instance is named by its original start, like 20261204T090000Z or 20261204")
	}
	return id, nil
}

func (a *API) event(w http.ResponseWriter, r *http.Request) error {
	uid, err := uidOf(r)
	if err != nil {
		return err
	}
	ev, err := a.events.Event(r.Context(), a.opts.Tenant, uid)
	if err != nil {
		return err
	}
	people, err := a.attendees.People(r.Context(), a.opts.Tenant, []string{ev.OrganizerID, ev.OriginalOrganizerID})
	if err != nil {
		return err
	}
	return write(w, newEventBody(ev, people))
}

func (a *API) eventStatistics(w http.ResponseWriter, r *http.Request) error {
	uid, err := uidOf(r)
	if err != nil {
		return err
	}
	instance, err := instanceOf(r)
	if err != nil {
		return err
	}
	var s statistics.Statistics
	if instance == "" {
		s, err = a.statistics.Event(r.Context(), a.opts.Tenant, uid)
	} else {
		s, err = a.statistics.Instance(r.Context(), a.opts.Tenant, uid, instance)
	}
	if err != nil {
		return err
	}
	return write(w, newStatisticsBody(uid, s))
}

func (a *API) eventAttendees(w http.ResponseWriter, r *http.Request) error {
	uid, err := uidOf(r)
	if err != nil {
		return err
	}
	if _, err := a.events.Event(r.Context(), a.opts.Tenant, uid); err != nil {
		return err
	}
	instance, err := instanceOf(r)
	if err != nil {
		return err
	}
	list, err := a.attendees.Of(r.Context(), a.opts.Tenant, uid, instance, maxAttendees)
	if err != nil {
		return err
	}
	return write(w, newAttendeesBody(list))
}

// eventInstances lists the dates of a series from a day on, by default from today; a single event has none.
func (a *API) eventInstances(w http.ResponseWriter, r *http.Request) error {
	uid, err := uidOf(r)
	if err != nil {
		return err
	}
	from := time.Now().UTC().Truncate(24 * time.Hour)
	if v := r.URL.Query().Get("from"); v != "" {
		if from, err = time.Parse(time.DateOnly, v); err != nil {
			return event.ErrInvalid.With("from is a date, like 2026-12-04")
		}
	}
	ev, err := a.events.Event(r.Context(), a.opts.Tenant, uid)
	if err != nil {
		return err
	}
	exceptions, err := a.events.Exceptions(r.Context(), a.opts.Tenant, uid)
	if err != nil {
		return err
	}
	return write(w, newInstancesBody(ev, exceptions, from, maxInstances))
}

func (a *API) systemEvents(w http.ResponseWriter, r *http.Request) error {
	list, err := a.events.Find(r.Context(), a.opts.Tenant, events.Filter{Limit: a.opts.EventLimit})
	if err != nil {
		return err
	}
	ids := make([]string, 0, len(list))
	for _, ev := range list {
		ids = append(ids, ev.OrganizerID)
	}
	people, err := a.attendees.People(r.Context(), a.opts.Tenant, ids)
	if err != nil {
		return err
	}
	body := make([]eventItem, 0, len(list))
	for _, ev := range list {
		body = append(body, newEventItem(ev, people))
	}
	return write(w, body)
}

func (a *API) systemStatistics(w http.ResponseWriter, r *http.Request) error {
	s, err := a.statistics.System(r.Context(), a.opts.Tenant)
	if err != nil {
		return err
	}
	return write(w, newSystemStatisticsBody(s))
}

func write(w http.ResponseWriter, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(data) // the client is gone, if anything
	return nil
}

func thanks(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = w.Write([]byte(`<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Thank you</title></head>
<body style="font-family:sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;line-height:1.5">
<h1>Thank you</h1><p>Your invitation is on its way. Look for it in your mailbox and answer it there.</p>
</body></html>
`))
}
