// Package api is the HTTP door for commands: what changes something through the API, the published invite link, and the
// pages on which people answer, sign up and unsubscribe.
//
// Start reading at [API.Register].
package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// API serves everything that changes something.
type API struct {
	Options
	limits *limits
}

// Options are what the API needs.
type Options struct {
	Handler   *commands.Handler
	Keys      secret.Keys
	Facts     *facts.Log
	Pool      *pgxpool.Pool
	Book      func(tenant string) address.Book
	Domain    string  // the installation's own
	Landing   Landing // of tenants that have none
	PublicURL string
	Proxies   []*net.IPNet // whose X-Forwarded-For is believed
	Private   bool         // webhooks may go into private networks
	// Deliveries are what goes out.
	Deliveries Deliveries
	Keeper     *projector.Keeper
	Log        *slog.Logger
}

// New makes the API.
func New(opts Options) *API { return &API{Options: opts, limits: newLimits()} }

// Register adds the routes.
func (a *API) Register(api *httpapi.API) {
	a.registerPublished(api)
	a.registerEvents(api)
	a.registerInvites(api)
	a.registerTables(api)
	a.registerAttendees(api)
	a.registerOrganizers(api)
	a.registerRecipients(api)
	a.registerMails(api)
	a.registerKeys(api)
	a.registerWebhooks(api)
	a.registerTenants(api)
	a.registerLinks(api)
	a.registerDeliveries(api)
	a.registerProjections(api)
}

// Call is what every call that changes something may say about itself.
type Call struct {
	Again string `header:"Idempotency-Key" maxLength:"200" doc:"Makes the call safe to repeat: the same key from the same caller does it once, and answers the same"`
	IfIs  string `header:"If-Match" maxLength:"60" pattern:"^(\\*|\"[0-9]{1,18}\")$" doc:"The ETag the caller has read: if it is not the current one any more, nothing happens (412)"`

	what string
}

// Resolve remembers what is called.
func (c *Call) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	c.what = ctx.Method() + " " + u.EscapedPath()
	return nil
}

// meta is the Meta of the command that a call asks for; body is what else it says.
func (c *Call) meta(ctx context.Context, body any) (commands.Meta, error) {
	p := access.From(ctx)
	m := commands.From("api", p.Tenant, uuid.NewString(), 0)
	m.By = p.By()
	if c.Again != "" {
		raw, err := json.Marshal(body)
		if err != nil {
			return m, err
		}
		sum := sha256.Sum256(append([]byte(c.what+"\n"), raw...))
		m = commands.Again(m, p.By(), c.Again, hex.EncodeToString(sum[:8]))
	}
	if c.IfIs != "" && c.IfIs != "*" {
		revision, err := strconv.ParseUint(strings.Trim(c.IfIs, `"`), 10, 63)
		if err != nil {
			return m, problem.ErrRequest.With("If-Match is an ETag as a read said it")
		}
		m.If = &revision
	}
	return m, nil
}

// accepted is the answer to what changed something, or was so already.
type accepted struct {
	Location string `header:"Location" doc:"Where to read it"`
	Position string `header:"X-Position" doc:"For X-Min-Position of a read that is to contain the change; missing: nothing changed"`
	ETag     string `header:"ETag" doc:"The revision after the change"`
	Body     Receipt
}

// Receipt says what became of a call.
type Receipt struct {
	Changed  bool   `json:"changed" doc:"false: it was so already"`
	ID       string `json:"id,omitempty" doc:"Of what was made or changed"`
	Href     string `json:"href,omitempty" doc:"Where to read it"`
	Position uint64 `json:"position,omitempty" doc:"In the log, for X-Min-Position"`
}

func receipt(done commands.Done, id, href string) *accepted {
	out := &accepted{Location: href, Body: Receipt{Changed: done.Facts > 0, ID: id, Href: href, Position: done.Position}}
	if done.Facts > 0 {
		out.Position, out.ETag = strconv.FormatUint(done.Position, 10), `"`+strconv.FormatInt(int64(done.Revision), 10)+`"`
	}
	return out
}

// carryOut carries out the commands that a call consists of, one after the other. What the caller insists on holds for the
// first: by the second the revision is ours.
func carryOut[S, F any](ctx context.Context, meta commands.Meta, list []commands.Command[S, F], do func(context.Context, commands.Meta, commands.Command[S, F]) (commands.Done, error)) (done commands.Done, err error) {
	if len(list) == 0 {
		return done, problem.ErrNothing
	}
	for i, c := range list {
		m := meta
		if i > 0 {
			m = commands.Aside(meta, strconv.Itoa(i))
		}
		did, err := do(ctx, m, c)
		if err != nil {
			return done, err
		}
		done = merge(done, did)
	}
	return done, nil
}

// merge adds what a further command did.
func merge(a, b commands.Done) commands.Done {
	if b.Facts == 0 {
		return a
	}
	b.Facts += a.Facts
	return b
}

// route is a route that changes something.
func route(method, path, id, tag, summary string) httpapi.Route {
	return httpapi.Route{
		Method: method, Path: path, ID: id, Tag: tag, Summary: summary, Status: http.StatusAccepted,
		Errors: []int{http.StatusConflict, http.StatusPreconditionFailed},
	}
}

// answer is a body.
type answer[T any] struct{ Body T }

// EventPath is the parameter of every route about an event.
type EventPath struct {
	UID string `path:"uid" pattern:"^[a-z0-9]{40}$" example:"0a1b2c3d4e5f60718293a4b5c6d7e8f901234567" doc:"The event's UID"`
}

// event is an event that the caller may change. What is somebody else's does not exist for them.
func (a *API) event(ctx context.Context, uid string) (event.State, error) {
	p := access.From(ctx)
	ev, err := a.Handler.FreshEvent(ctx, uid)
	if err == nil && (!ev.Exists || ev.Tenant != p.Tenant || !p.Sees(ev.OrganizerID)) {
		err = event.ErrUnknown
	}
	return ev, err
}

// attendee is an attendee of such an event.
func (a *API) attendee(ctx context.Context, uid, id string) (ev event.State, who invitation.State, err error) {
	if ev, err = a.event(ctx, uid); err != nil {
		return ev, who, err
	}
	seen, err := a.Handler.Invitation(ctx, uid, id)
	if err == nil && !seen.State.Exists {
		err = invitation.ErrUnknown
	}
	return ev, seen.State, err
}

// OrganizerID is whose account an address belongs to, or the id itself.
func (a *API) OrganizerID(ctx context.Context, tenant, name string) (string, error) {
	if len(name) == 32 && strings.Trim(name, "0123456789abcdef") == "" {
		return name, nil
	}
	addr := strings.ToLower(strings.TrimSpace(name))
	if !address.Valid(addr) {
		return "", organizer.ErrAddress
	}
	id := a.Keys.PersonID(tenant, addr)
	links, err := a.Handler.Identity(ctx, id)
	if alias := links.AliasOf(); alias != "" {
		id = alias
	}
	return id, err
}
