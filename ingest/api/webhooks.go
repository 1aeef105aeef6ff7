package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/cloudevent"
	"github.com/calendar-invite-server/cis/internal/httpapi"
	"github.com/calendar-invite-server/cis/internal/problem"
)

// NewWebhook is an endpoint somebody wants told.
type NewWebhook struct {
	URL   string   `json:"url" maxLength:"2000" example:"https://example.com/hooks/calendar" doc:"https, on a public address"`
	Types []string `json:"types,omitempty" maxItems:"50" example:"[\"rsvp.received\"]" doc:"What it wants to know; none: everything"`
}

// RegisteredWebhook is an endpoint with its secret, which is shown this once.
type RegisteredWebhook struct {
	ID       string `json:"id"`
	Secret   string `json:"secret,omitempty" example:"whsec_…" doc:"What deliveries are signed with (Standard Webhooks), shown this once"`
	Href     string `json:"href"`
	Position uint64 `json:"position,omitempty"`
}

// WebhookChange is what of an endpoint is to be different. What is left out stays as it is.
type WebhookChange struct {
	URL     *string   `json:"url,omitempty" maxLength:"2000"`
	Types   *[]string `json:"types,omitempty" maxItems:"50"`
	Enabled *bool     `json:"enabled,omitempty" doc:"Deliveries go on where they stopped"`
}

type registered struct {
	Location string `header:"Location"`
	Position string `header:"X-Position"`
	Body     RegisteredWebhook
}

type WebhookPath struct {
	Webhook string `path:"webhook" pattern:"^[0-9a-f]{16}$" example:"0123456789abcdef" doc:"The webhook's id"`
}

// secretGrace is how long deliveries carry the signature of the old secret, too.
const secretGrace = 24 * time.Hour

func (a *API) registerWebhooks(api *httpapi.API) {
	r := route(http.MethodPost, "/v1/webhooks", "register-webhook", "webhooks", "Have an endpoint told what happens from now on")
	r.About = "Deliveries follow Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`, with a CloudEvent as the body. They come in order; " +
		"one that fails is tried again for three days, and those behind it wait. 410 ends it at once."
	r.Scope, r.Status = key.WebhooksWrite, http.StatusCreated
	httpapi.Register(api, r, a.registerWebhook)

	r = route(http.MethodPatch, "/v1/webhooks/{webhook}", "update-webhook", "webhooks", "Change an endpoint")
	r.Scope = key.WebhooksWrite
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		WebhookPath
		Body WebhookChange
	},
	) (*accepted, error) {
		b, p := in.Body, access.From(ctx)
		c := commands.ChangeWebhook{Ref: webhook.Ref{Tenant: p.Tenant, WebhookID: in.Webhook}, URL: b.URL, Types: b.Types, Enabled: b.Enabled, By: p.By()}
		if b.URL == nil && b.Types == nil && b.Enabled == nil {
			return nil, problem.ErrNothing
		}
		if b.URL != nil {
			if err := a.callable(*b.URL); err != nil {
				return nil, err
			}
		}
		if b.Types != nil {
			if err := known(*b.Types); err != nil {
				return nil, err
			}
		}
		return a.changeWebhook(ctx, &in.Call, c, b)
	})

	r = route(http.MethodPost, "/v1/webhooks/{webhook}/rotate", "rotate-webhook-secret", "webhooks", "Give an endpoint another secret")
	r.About = "For a day deliveries carry the signatures of both."
	r.Scope, r.Status = key.WebhooksWrite, http.StatusCreated
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		WebhookPath
	},
	) (*registered, error) {
		p, secret := access.From(ctx), newSecret()
		out, err := a.changeWebhook(ctx, &in.Call, commands.ChangeWebhook{
			Ref: webhook.Ref{Tenant: p.Tenant, WebhookID: in.Webhook}, Secret: secret, OldUntil: time.Now().UTC().Add(secretGrace), By: p.By(),
		}, nil)
		if err != nil {
			return nil, err
		}
		return a.registered(ctx, out, secret)
	})

	r = route(http.MethodDelete, "/v1/webhooks/{webhook}", "remove-webhook", "webhooks", "Tell an endpoint nothing more")
	r.Scope = key.WebhooksWrite
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		WebhookPath
	},
	) (*accepted, error) {
		meta, err := in.meta(ctx, nil)
		if err != nil {
			return nil, err
		}
		p := access.From(ctx)
		done, err := a.Handler.ForWebhook(ctx, meta, commands.RemoveWebhook{Ref: webhook.Ref{Tenant: p.Tenant, WebhookID: in.Webhook}, By: p.By()})
		return receipt(done, in.Webhook, "/v1/webhooks"), err
	})
}

func (a *API) changeWebhook(ctx context.Context, in *Call, c commands.ChangeWebhook, body any) (*accepted, error) {
	meta, err := in.meta(ctx, body)
	if err != nil {
		return nil, err
	}
	done, err := a.Handler.ForWebhook(ctx, meta, c)
	return receipt(done, c.WebhookID, "/v1/webhooks/"+c.WebhookID), err
}

func (a *API) registerWebhook(ctx context.Context, in *struct {
	Call
	Body NewWebhook
},
) (*registered, error) {
	if err := a.callable(in.Body.URL); err != nil {
		return nil, err
	}
	if err := known(in.Body.Types); err != nil {
		return nil, err
	}
	meta, err := in.meta(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	head, err := a.Facts.Store().Head(ctx)
	if err != nil {
		return nil, err
	}
	p, secret := access.From(ctx), newSecret()
	id := a.callID(meta, "webhook")
	done, err := a.Handler.ForWebhook(ctx, meta, commands.RegisterWebhook{Webhook: webhook.WebhookRegistered{
		Ref: webhook.Ref{Tenant: p.Tenant, WebhookID: id}, URL: in.Body.URL, Types: in.Body.Types, Secret: secret, After: head, By: p.By(),
	}})
	if err != nil {
		return nil, err
	}
	return a.registered(ctx, receipt(done, id, "/v1/webhooks/"+id), secret)
}

// registered shows an endpoint's secret if it is the one just made.
func (a *API) registered(ctx context.Context, r *accepted, secret string) (*registered, error) {
	w, err := a.Handler.Webhook(ctx, r.Body.ID)
	if err != nil {
		return nil, err
	}
	if w.Secret != secret {
		secret = ""
	}
	return &registered{Location: r.Location, Position: r.Position, Body: RegisteredWebhook{ID: r.Body.ID, Secret: secret, Href: r.Location, Position: r.Body.Position}}, nil
}

// newSecret is a signing secret as Standard Webhooks has them.
func newSecret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(raw)
}

// callable refuses addresses that can never be called. Where a name leads is checked at each call.
func (a *API) callable(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return webhook.ErrURL
	case u.Scheme == "https", u.Scheme == "http" && a.Private:
		return nil
	}
	return webhook.ErrURL.With("it must begin with https://")
}

func known(types []string) error {
	for _, t := range types {
		if !cloudevent.Known(t) {
			return webhook.ErrType.With(t + " is none of " + strings.Join(cloudevent.Types, ", "))
		}
	}
	return nil
}
