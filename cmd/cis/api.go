package main

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/tenant"
	domain "github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/history/audit"
	doors "github.com/calendar-invite-server/cis/ingest/access"
	"github.com/calendar-invite-server/cis/ingest/api"
	"github.com/calendar-invite-server/cis/ingest/orders"
	"github.com/calendar-invite-server/cis/ingest/smtpd"
	"github.com/calendar-invite-server/cis/ingest/webhook"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/projector"
	view "github.com/calendar-invite-server/cis/projections/access"
	"github.com/calendar-invite-server/cis/readapi"
	"github.com/gorilla/mux"
)

// routes mounts every endpoint; this and its packages' Register are the route table.
func (a *App) routes(book *address.Directory) (http.Handler, error) {
	hash, fresh, err := adminKey(a.cfg)
	if err != nil {
		return nil, err
	}
	a.NewKey = fresh
	r := mux.NewRouter().SkipClean(true) // a path that is none is a 404, not a way to another
	a.router = r
	r.NotFoundHandler = problem.Handler(func(http.ResponseWriter, *http.Request) error { return problem.ErrNoRoute }).With(a.log)
	r.MethodNotAllowedHandler = problem.Handler(func(http.ResponseWriter, *http.Request) error { return problem.ErrMethod }).With(a.log)
	gate := &doors.Gate{Handler: a.handler, Keys: a.keys, Operator: hash, PublicURL: a.publicURL(), Proxies: a.cfg.Proxies, Log: a.log, OIDC: a.cfg.provider(a.publicURL())}
	a.api = httpapi.New(r, httpapi.Options{
		Authenticate: gate.Authenticate, Views: projector.NewViews(a.pool, a.store, a.runner.Projections()...), Proxies: a.cfg.Proxies,
		PublicURL: a.publicURL(), Version: version, Origins: a.origins, Log: a.log, Newest: a.feed.Known,
		Limits: httpapi.Limits{Key: a.cfg.KeyRate, Client: a.cfg.ClientRate, Tenant: a.cfg.TenantRate, TenantPerMinute: func(code string) int { return book.Settings(code).RatePerMin }},
	})
	writes := api.New(api.Options{
		Handler: a.handler, Keys: a.keys, Facts: a.facts, Pool: a.pool, Book: book.Of, Domain: a.cfg.Domain, PublicURL: a.publicURL(), Proxies: a.cfg.Proxies,
		Private: a.cfg.PrivateHooks, Keeper: a.runner.Keeper(), Deliveries: deliveries{a.pool, a.webhooks}, Landing: api.Landing{Default: a.landing(), Hosts: a.cfg.LandingHosts}, Log: a.log,
	})
	reads := readapi.New(a.pool, readapi.Options{
		EventLimit: a.cfg.EventLimit, OrganizerID: writes.OrganizerID, TenantOfEvent: a.tenantOfEvent, TenantOfOrganizer: a.tenantOfOrganizer,
		PublicURL: a.publicURL(), History: facts.History{Log: a.facts}, Live: readapi.NewLive(a.feed, a.log, a.registry), Still: gate.Still, Keeper: a.runner.Keeper(), Disclosed: audit.NewReads(a.facts, a.log).Note, Chain: a.chain, Log: a.log,
	})
	registerAPI(a.api, reads, writes)
	reads.RegisterPages(r)
	writes.RegisterPages(r)
	gate.Register(r)
	problem.RegisterPages(r)
	(&orders.Hooks{Handler: a.handler, Keys: a.keys, Tenant: tenant.Default, Shopify: a.cfg.Shopify, Secret: a.cfg.OrderSecret, Log: a.log}).Register(r)
	(&webhook.Hooks{
		Receiver: a.receiver, Book: book, Log: a.log, MaxBytes: smtpd.MaxBytes,
		Secret: a.cfg.WebhookKey, MailgunKey: a.cfg.MailgunKey, SESTopic: a.cfg.SESTopic,
	}).Register(r)
	readapi.Health{Missing: a.missing, Registry: a.registry}.Register(r)
	return a.api.Handler(gate.Renewing(r)), nil
}

// chain tells all that happened about something.
func (a *App) chain(ctx context.Context, tenant, id string, sealed bool) (readapi.Chain, error) {
	trail, err := audit.Teller{Log: a.facts, Keys: a.keys, Progress: func(int64) {}}.Tell(ctx, audit.Query{Tenant: tenant, Strict: true, ID: id, Sealed: sealed})
	out := readapi.Chain{Kind: trail.Kind, Items: make([]readapi.Told, 0, len(trail.Entries))}
	for _, e := range trail.Entries {
		out.Items = append(out.Items, readapi.Told{Words: e.Words, Fact: readapi.Fact{
			Position: e.Position, Stream: e.Stream, Revision: e.Revision, ID: e.ID, Type: e.Type, At: e.At, Actor: e.Actor, By: e.By,
			Command: e.Command, Correlation: e.Correlation, Causation: e.Causation, Data: e.Data,
		}})
	}
	return out, err
}

// tenantOfEvent is whose an event is, for pages that nobody needs a key for.
func (a *App) tenantOfEvent(ctx context.Context, uid string) (string, error) {
	ev, err := a.handler.Event(ctx, uid)
	if err == nil && !ev.Exists {
		err = event.ErrUnknown
	}
	return ev.Tenant, err
}

// tenantOfOrganizer is whose an account is; the default tenant's, if there is none.
func (a *App) tenantOfOrganizer(ctx context.Context, id string) (string, error) {
	s, err := a.handler.Organizer(ctx, id)
	if s.Tenant == "" {
		return tenant.Default, err
	}
	return s.Tenant, err
}

// endpoints are those of all tenants that are to be told what happens.
func (a *App) endpoints(ctx context.Context) ([]domain.Ref, error) {
	list, err := view.NewReader(a.pool).EveryWebhook(ctx)
	out := make([]domain.Ref, 0, len(list))
	for _, w := range list {
		out = append(out, domain.Ref{Tenant: w.Tenant, WebhookID: w.ID})
	}
	return out, err
}

// origins are the web origins whose pages may call the API for a tenant; for none, those of any.
func (a *App) origins(ctx context.Context, code string) []string {
	list := slices.Clone(a.cfg.Origins)
	all, err := a.handler.Tenants(ctx)
	if err != nil {
		return list
	}
	for _, t := range all.All() {
		if code == "" || t.Code == code {
			list = append(list, t.Settings.Origins...)
		}
	}
	return list
}

// provider is where people sign in with their company's account; nil if there is none.
func (c *Config) provider(publicURL string) *doors.Provider {
	if c.OIDCIssuer == "" {
		return nil
	}
	return &doors.Provider{Issuer: c.OIDCIssuer, ClientID: c.OIDCClient, ClientSecret: c.OIDCSecret, Redirect: strings.TrimSuffix(publicURL, "/") + "/sign-in/oidc/callback"}
}
