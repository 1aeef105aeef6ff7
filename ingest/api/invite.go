// Package api is the HTTP door for commands.
package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/google/uuid"
	"github.com/gorilla/mux"
)

// storeTimeout is how long a click waits for an event store that is away, before it is told to try again.
const storeTimeout = 20 * time.Second

// ErrUID refuses what has not the shape of a UID.
var ErrUID = event.ErrInvalid.With("a UID has 40 characters of a-z and 0-9")

// Invites serves the published invite link.
type Invites struct {
	Handler *commands.Handler
	Keys    secret.Keys
	Tenant  string
	Landing Landing
	Proxies []*net.IPNet // whose X-Forwarded-For is believed
	Log     *slog.Logger

	limits limits
}

// Register adds the route. It is the one published GET that changes something (the key-less link in mails and web
// forms), so it acts for nothing but a plain GET.
func (i *Invites) Register(r *mux.Router) {
	r.Handle("/event/{uid}/invite", problem.Handler(i.invite).With(i.Log)).Methods(http.MethodGet)
}

func (i *Invites) invite(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if isPrefetch(r) {
		return problem.ErrPrefetch
	}
	if !i.limits.allowClient(clientIP(r, i.Proxies), time.Now()) {
		w.Header().Set("Retry-After", "60")
		return problem.ErrTooMany
	}
	c, err := i.command(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeTimeout)
	defer cancel()
	if c.Event, err = i.Handler.Event(ctx, c.EventUID); err != nil {
		return err
	}
	if !c.Event.Exists {
		return event.ErrUnknown
	}
	if !i.limits.allowRecipient(c.AttendeeID, c.EventUID, c.Now) {
		return problem.ErrTooMany.With("this address was invited to many events today")
	}
	if _, err := i.Handler.RequestInvite(ctx, commands.From("api", i.Tenant, uuid.NewString(), 0), c, nil); err != nil {
		return err
	}
	http.Redirect(w, r, i.Landing.For(r.URL.Query().Get("landing")), http.StatusFound)
	return nil
}

// command reads and checks the parameters: 400 for a bad UID, address or origin.
func (i *Invites) command(r *http.Request) (commands.RequestInvite, error) {
	q := r.URL.Query()
	c := commands.RequestInvite{
		Tenant: i.Tenant, EventUID: mux.Vars(r)["uid"], Address: strings.ToLower(strings.TrimSpace(q.Get("email"))),
		Name: strings.TrimSpace(q.Get("name")), Origin: invitation.Origin(strings.ToLower(q.Get("origin"))), Now: time.Now().UTC(),
	}
	if c.Name == "" {
		c.Name = "customer"
	}
	if c.Origin == "" {
		c.Origin = "api"
	}
	switch {
	case !event.ValidUID(c.EventUID):
		return c, ErrUID
	case !address.Valid(c.Address):
		return c, invitation.ErrAddress
	case !slices.Contains(invitation.Origins, c.Origin):
		return c, invitation.ErrOrigin.With(fmt.Sprintf("known origins: %v", invitation.Origins))
	case len(c.Name) > 200:
		return c, invitation.ErrAddress.With("the name has more than 200 bytes")
	}
	c.AttendeeID = i.Keys.PersonID(i.Tenant, c.Address)
	return c, nil
}

// isPrefetch says that a browser or a proxy fetches a link nobody has clicked.
func isPrefetch(r *http.Request) bool {
	for _, h := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if v := strings.ToLower(r.Header.Get(h)); strings.Contains(v, "prefetch") || strings.Contains(v, "preview") || strings.Contains(v, "prerender") {
			return true
		}
	}
	return false
}

// Landing is where a click on an invite link ends.
type Landing struct {
	Default string
	Hosts   []string // besides Default's; lower case
}

// For returns the page asked for if its host is allowed, else the default: a link to us must not become a link to
// anywhere. A landing without scheme gets http://.
func (l Landing) For(asked string) string {
	if asked == "" {
		return l.Default
	}
	if !strings.Contains(asked, "://") {
		asked = "http://" + strings.TrimPrefix(asked, "//")
	}
	u, err := url.Parse(asked)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return l.Default
	}
	if d, err := url.Parse(l.Default); err == nil && d.Host != "" && strings.EqualFold(d.Host, u.Host) {
		return u.String()
	}
	if slices.Contains(l.Hosts, strings.ToLower(u.Hostname())) {
		return u.String()
	}
	return l.Default
}
