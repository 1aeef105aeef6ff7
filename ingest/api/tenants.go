package api

import (
	"context"
	"net/http"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/tenant"
	doors "github.com/calendar-invite-server/cis/ingest/access"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/httpapi"
)

// Tenant is a customer of the installation.
type Tenant struct {
	Code      string         `json:"code" example:"acme"`
	Name      string         `json:"name" example:"Acme Ltd"`
	Suspended bool           `json:"suspended"`
	Settings  TenantSettings `json:"settings"`
	Mail      []string       `json:"mail" doc:"Where its organizers mail to"`
}

// TenantSettings are what a tenant has of its own. What is left out is as the installation has it.
type TenantSettings struct {
	Domain       string   `json:"domain,omitempty" maxLength:"200" example:"invites.acme.example" doc:"Mail domain of its own; without one, sub-addresses of the installation's"`
	Sender       string   `json:"sender,omitempty" maxLength:"100" doc:"Name that our own notices come from"`
	Language     string   `json:"language,omitempty" pattern:"^([a-z]{2,3})?$"`
	Footer       string   `json:"footer,omitempty" maxLength:"500" doc:"Who is behind it, at the end of every mail"`
	Events       *int     `json:"events,omitempty" minimum:"0" maximum:"1000000" doc:"Events of an organizer nobody pays for; 0: any number"`
	Invites      *int     `json:"invites,omitempty" minimum:"0" maximum:"100000000" doc:"Bulk invitations to an event; 0: any number"`
	Landing      string   `json:"landing,omitempty" maxLength:"2000" doc:"Page after an invite link"`
	LandingHosts []string `json:"landing_hosts,omitempty" maxItems:"100" doc:"Further hosts that a link may name"`
	LegacyInvite string   `json:"legacy_invite,omitempty" enum:",on,confirm,off" doc:"How the published invite link acts"`
	RatePerMin   int      `json:"rate_per_min,omitempty" minimum:"0" maximum:"1000000" doc:"Requests to the API; 0: as the installation has it"`
	Origins      []string `json:"origins,omitempty" maxItems:"100" example:"[\"https://www.acme.example\"]" doc:"Web origins whose pages may call the API"`
}

// TenantChange is what is to be different. Settings are replaced as a whole.
type TenantChange struct {
	Name      *string         `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Settings  *TenantSettings `json:"settings,omitempty"`
	Suspended *bool           `json:"suspended,omitempty" doc:"Nobody of the tenant may use the API, the pages or links; mail is still taken"`
	Reason    string          `json:"reason,omitempty" maxLength:"500" doc:"Of a suspension, for the record"`
}

func (a *API) newTenant(t tenant.Tenant) Tenant {
	b := a.Book(t.Code)
	return Tenant{
		Code: t.Code, Name: t.Name, Suspended: t.Suspended, Settings: TenantSettings(t.Settings),
		Mail: []string{b.Create(), b.Bulk()},
	}
}

type TenantPath struct {
	Tenant string `path:"tenant" pattern:"^[a-z][a-z0-9]{1,19}$" example:"acme"`
}

func (a *API) registerTenants(api *httpapi.API) {
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/tenants", ID: "list-tenants", Tag: "installation", Summary: "All tenants", Scope: key.TenantsRead,
	}, func(ctx context.Context, _ *struct{}) (*answer[list[Tenant]], error) {
		all, err := a.Handler.Tenants(ctx)
		out := []Tenant{}
		for _, t := range all.All() {
			out = append(out, a.newTenant(t))
		}
		return &answer[list[Tenant]]{newList(out)}, err
	})
	httpapi.Register(api, httpapi.Route{
		Method: http.MethodGet, Path: "/v1/tenants/{tenant}", ID: "get-tenant", Tag: "installation", Summary: "One tenant", Scope: key.TenantsRead,
	}, func(ctx context.Context, in *TenantPath) (*answer[Tenant], error) {
		t, err := a.Handler.Tenant(ctx, in.Tenant)
		if err != nil {
			return nil, err
		}
		return &answer[Tenant]{a.newTenant(t)}, nil
	})

	r := route(http.MethodPost, "/v1/tenants", "create-tenant", "installation", "Take a customer on")
	r.Scope = key.TenantsWrite
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		Body struct {
			Code string `json:"code" pattern:"^[a-z][a-z0-9]{1,19}$" example:"acme" doc:"Stands in its mail addresses, and never changes"`
			Name string `json:"name" minLength:"1" maxLength:"200" example:"Acme Ltd"`
		}
	},
	) (*accepted, error) {
		meta, err := in.meta(ctx, in.Body)
		if err != nil {
			return nil, err
		}
		done, err := a.Handler.ForTenant(ctx, meta, commands.CreateTenant{Code: in.Body.Code, Name: in.Body.Name, By: access.From(ctx).By()})
		return receipt(done, in.Body.Code, "/v1/tenants/"+in.Body.Code), err
	})

	r = route(http.MethodPatch, "/v1/tenants/{tenant}", "update-tenant", "installation", "Change a tenant")
	r.Scope = key.TenantsWrite
	httpapi.Register(api, r, a.updateTenant)

	r = route(http.MethodPost, "/v1/tenants/{tenant}/keys", "issue-tenant-key", "installation", "Make a tenant's first key")
	r.About = "It may do everything within the tenant. The tenant makes its further keys itself."
	r.Scope, r.Status = key.TenantsWrite, http.StatusCreated
	httpapi.Register(api, r, a.issueTenantKey)
}

func (a *API) updateTenant(ctx context.Context, in *struct {
	Call
	TenantPath
	Body TenantChange
},
) (*accepted, error) {
	b, by := in.Body, access.From(ctx).By()
	t, err := a.Handler.Tenant(ctx, in.Tenant)
	if err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, b)
	if err != nil {
		return nil, err
	}
	var list []commands.Command[tenant.State, tenant.Fact]
	if b.Name != nil || b.Settings != nil {
		c := commands.ConfigureTenant{Code: in.Tenant, Name: t.Name, Settings: t.Settings, Own: a.Domain, By: by}
		if b.Name != nil {
			c.Name = *b.Name
		}
		if b.Settings != nil {
			c.Settings = tenant.Settings(*b.Settings)
		}
		list = append(list, c)
	}
	if b.Suspended != nil {
		list = append(list, commands.JudgeTenant{Code: in.Tenant, Suspend: *b.Suspended, Reason: b.Reason, By: by})
	}
	done, err := carryOut(ctx, meta, list, a.Handler.ForTenant)
	return receipt(done, in.Tenant, "/v1/tenants/"+in.Tenant), err
}

func (a *API) issueTenantKey(ctx context.Context, in *struct {
	Call
	TenantPath
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"100" example:"first key"`
	}
},
) (*issued, error) {
	if _, err := a.Handler.Tenant(ctx, in.Tenant); err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	meta.Tenant = in.Tenant
	id := a.callID(meta, "key")
	secret, hash := doors.NewKey(id)
	done, err := a.Handler.ForKey(ctx, meta, commands.IssueKey{
		Key:    key.KeyIssued{Tenant: in.Tenant, KeyID: id, Name: in.Body.Name, Hash: hash, Scopes: key.Scopes, By: access.From(ctx).By()},
		Rights: key.Scopes, Now: time.Now().UTC(),
	})
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, done, id, secret, hash)
}
