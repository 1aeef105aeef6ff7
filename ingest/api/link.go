package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/google/uuid"
)

// storeTimeout is how long a click waits for an event store that is away, before it is told to try again.
const storeTimeout = 20 * time.Second

// maxName is how long a name may be, in bytes.
const maxName = 200

// ErrUID refuses what has not the shape of a UID.
var ErrUID = event.ErrInvalid.With("a UID has 40 characters of a-z and 0-9")

// allowLink counts what comes in through links without a key.
func (a *API) allowLink(ctx context.Context) error {
	if a.limits.allowClient(httpapi.Client(ctx), time.Now()) {
		return nil
	}
	return problem.Later(problem.ErrTooMany, time.Minute)
}

// wanted is the invitation that a link or a page without a key asks for: 400 for a bad address or origin.
func (a *API) wanted(ctx context.Context, uid, email, name, origin string) (c commands.RequestInvite, err error) {
	c = commands.RequestInvite{
		EventUID: uid, Address: strings.ToLower(strings.TrimSpace(email)), Name: strings.TrimSpace(name), Origin: invitation.Origin(strings.ToLower(origin)),
		Now: time.Now().UTC(),
	}
	if c.Name == "" {
		c.Name = "customer"
	}
	if c.Origin == "" {
		c.Origin = "api"
	}
	switch {
	case !address.Valid(c.Address):
		return c, invitation.ErrAddress
	case !slices.Contains(invitation.Origins, c.Origin):
		return c, invitation.ErrOrigin.With(fmt.Sprintf("known origins: %v", invitation.Origins))
	case len(c.Name) > maxName:
		return c, invitation.ErrAddress.With("the name has more than 200 bytes")
	}
	if c.Event, err = a.Handler.Event(ctx, uid); err == nil && !c.Event.Exists {
		err = event.ErrUnknown
	}
	c.Tenant = c.Event.Tenant
	c.AttendeeID = a.Keys.PersonID(c.Tenant, c.Address)
	return c, err
}

// request asks for an invitation in the name of nobody we know.
func (a *API) request(ctx context.Context, actor string, c commands.RequestInvite) error {
	if !a.limits.allowRecipient(c.AttendeeID, c.EventUID, c.Now) {
		return problem.ErrTooMany.With("this address was invited to many events today")
	}
	_, err := a.Handler.RequestInvite(ctx, commands.From(actor, c.Tenant, uuid.NewString(), 0), c, nil)
	return err
}

// isPrefetch says that a browser or a proxy fetches a link nobody has clicked.
func isPrefetch(headers ...string) bool {
	for _, v := range headers {
		if v = strings.ToLower(v); strings.Contains(v, "prefetch") || strings.Contains(v, "preview") || strings.Contains(v, "prerender") {
			return true
		}
	}
	return false
}

// landing is a tenant's.
func (a *API) landing(t tenant.Tenant) Landing {
	l := a.Landing
	if t.Code != tenant.Default {
		l.Hosts = nil
	}
	if t.Settings.Landing != "" {
		l.Default = t.Settings.Landing
	}
	l.Hosts = append(slices.Clip(l.Hosts), t.Settings.LandingHosts...)
	return l
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
