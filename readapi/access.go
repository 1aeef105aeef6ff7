package readapi

import (
	"context"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	accessview "github.com/calendar-invite-server/cis/projections/access"
)

// Key is a key to the API, without its secret.
type Key struct {
	ID        string     `json:"id"`
	Name      string     `json:"name" example:"newsletter"`
	Prefix    string     `json:"prefix" example:"cis_0123456789abcdef" doc:"What the key begins with, to know it by"`
	Scopes    []string   `json:"scopes"`
	Organizer string     `json:"organizer_id,omitempty" doc:"It is good for their events only"`
	Created   time.Time  `json:"created"`
	Expires   *time.Time `json:"expires,omitempty"`
	Rotated   *time.Time `json:"rotated,omitempty" doc:"When it last got another secret"`
	Revoked   *time.Time `json:"revoked,omitempty"`
	LastUsed  string     `json:"last_used,omitempty" example:"2026-12-04" doc:"The day, in UTC"`
}

func newKey(k accessview.Key) Key {
	out := Key{
		ID: k.ID, Name: k.Name, Prefix: "cis_" + k.ID, Scopes: k.Scopes, Organizer: k.OrganizerID, Created: k.Created.UTC(),
		Expires: k.Expires, Rotated: k.Rotated, Revoked: k.Revoked,
	}
	if k.Used != nil {
		out.LastUsed = k.Used.Format(time.DateOnly)
	}
	return out
}

// Member is somebody who signs in with a role.
type Member struct {
	Person
	Role    string    `json:"role" enum:"administrator,auditor,analyst"`
	Granted time.Time `json:"granted"`
}

// Webhook is an endpoint that is told what happens.
type Webhook struct {
	ID       string    `json:"id"`
	URL      string    `json:"url" example:"https://example.com/hooks/calendar"`
	Types    []string  `json:"types" doc:"What it wants to know; none: everything"`
	Enabled  bool      `json:"enabled"`
	Disabled string    `json:"disabled,omitempty" doc:"Why: asked, gone (it answered 410), failing (for days)"`
	Created  time.Time `json:"created"`
	Position int64     `json:"position" doc:"Delivered up to here, at least"`
}

// Me is who is calling.
type Me struct {
	Kind      string   `json:"kind" enum:"key,member,operator"`
	ID        string   `json:"id,omitempty"`
	Tenant    string   `json:"tenant"`
	Role      string   `json:"role,omitempty"`
	Organizer string   `json:"organizer_id,omitempty"`
	Scopes    []string `json:"scopes"`
}

func (a *API) registerAccess(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/me", ID: "get-me", Tag: "access", Summary: "Who you are and what you may do",
		Scope: key.EventsRead, Own: true,
	}, func(ctx context.Context, _ *struct{}) (*answer[Me], error) {
		p := access.From(ctx)
		me := Me{Kind: string(p.Kind), ID: p.ID, Tenant: p.Tenant, Role: p.Role, Organizer: p.OrganizerID, Scopes: []string{}}
		for _, s := range p.Scopes {
			me.Scopes = append(me.Scopes, string(s))
		}
		return &answer[Me]{me}, nil
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/keys", ID: "list-keys", Tag: "access", Summary: "Keys, without their secrets", Scope: key.KeysRead, Views: []string{viewAccess},
	}, func(ctx context.Context, _ *struct{}) (*answer[page[Key]], error) {
		list, err := a.access.Keys(ctx, access.From(ctx).Tenant)
		return &answer[page[Key]]{all(list, newKey)}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/keys/{key}", ID: "get-key", Tag: "access", Summary: "One key, without its secret", Scope: key.KeysRead, Views: []string{viewAccess},
	}, func(ctx context.Context, in *struct {
		Key string `path:"key" pattern:"^[0-9a-f]{16}$" example:"0123456789abcdef"`
	},
	) (*answer[Key], error) {
		k, err := a.access.Key(ctx, access.From(ctx).Tenant, in.Key)
		return &answer[Key]{newKey(k)}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/members", ID: "list-members", Tag: "access", Summary: "People with a role", Scope: key.MembersRead, Views: []string{viewAccess, viewAttendees},
	}, a.listMembers)
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/webhooks", ID: "list-webhooks", Tag: "webhooks", Summary: "Endpoints that are told what happens", Scope: key.WebhooksRead, Views: []string{viewAccess},
	}, func(ctx context.Context, _ *struct{}) (*answer[page[Webhook]], error) {
		list, err := a.access.Webhooks(ctx, access.From(ctx).Tenant)
		return &answer[page[Webhook]]{all(list, newWebhook)}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/webhooks/{webhook}", ID: "get-webhook", Tag: "webhooks", Summary: "One endpoint", Scope: key.WebhooksRead, Views: []string{viewAccess},
	}, func(ctx context.Context, in *struct {
		Webhook string `path:"webhook" pattern:"^[0-9a-f]{16}$" example:"0123456789abcdef"`
	},
	) (*answer[Webhook], error) {
		w, err := a.access.Webhook(ctx, access.From(ctx).Tenant, in.Webhook)
		return &answer[Webhook]{newWebhook(w)}, err
	})
}

func newWebhook(w accessview.Webhook) Webhook {
	return Webhook{ID: w.ID, URL: w.URL, Types: w.Types, Enabled: w.Disabled == "", Disabled: w.Disabled, Created: w.Created.UTC(), Position: w.Position}
}

func (a *API) listMembers(ctx context.Context, _ *struct{}) (*answer[page[Member]], error) {
	tenant := access.From(ctx).Tenant
	list, err := a.access.Members(ctx, tenant)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(list))
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	a.disclosed(ctx, "list-members", "")
	people, err := a.attendees.People(ctx, tenant, ids)
	return &answer[page[Member]]{all(list, func(m accessview.Member) Member {
		who := people[m.ID]
		return Member{Person{m.ID, who.Address, who.Name}, m.Role, m.Granted.UTC()}
	})}, err
}

// all is a list that is never long, as the only page.
func all[R, T any](rows []R, shape func(R) T) page[T] {
	p := page[T]{Items: make([]T, 0, len(rows))}
	for _, row := range rows {
		p.Items = append(p.Items, shape(row))
	}
	return p
}
