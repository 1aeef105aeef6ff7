package access

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ErrProvider refuses what did not come back from the identity provider as it should.
var ErrProvider = &fault.Error{Kind: fault.Forbidden, Code: "oidc-refused", Title: "the identity provider did not vouch for you"}

// Provider is an OpenID Connect identity provider. It is asked for its description when it is first needed, so that it
// may be away when the server starts.
type Provider struct {
	Issuer, ClientID, ClientSecret string
	Redirect                       string // our callback

	mu       sync.Mutex
	config   *oauth2.Config
	verifier *oidc.IDTokenVerifier
}

// oidcTimeout is how long the provider may take to answer.
const oidcTimeout = 10 * time.Second

func (p *Provider) discover(ctx context.Context) (*oauth2.Config, *oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.config == nil {
		// The keys are fetched again as long as we run, so not with this request's context.
		found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), &http.Client{Timeout: oidcTimeout}), p.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("asking the identity provider: %w", err)
		}
		p.config = &oauth2.Config{
			ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: found.Endpoint(), RedirectURL: p.Redirect, Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
		}
		p.verifier = found.Verifier(&oidc.Config{ClientID: p.ClientID})
	}
	return p.config, p.verifier, nil
}

// flight is what a sign-in under way must come back with, kept in the browser where nobody can read or change it.
type flight struct {
	Tenant, State, Nonce, Verifier string
	Began                          time.Time
}

const (
	flightCookie = "cis_oidc"
	flightMax    = 10 * time.Minute
)

func (g *Gate) beginOIDC(w http.ResponseWriter, r *http.Request) error {
	if g.OIDC == nil {
		return problem.ErrNoRoute
	}
	f := flight{Tenant: tenantOf(r.URL.Query().Get("tenant")), State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Began: time.Now()}
	if _, err := g.Handler.Tenant(r.Context(), f.Tenant); err != nil {
		return err
	}
	config, _, err := g.OIDC.discover(r.Context())
	if err != nil {
		return err
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return err
	}
	http.SetCookie(w, g.cookie(flightCookie, g.Keys.Lock("oidc", raw), flightMax))
	http.Redirect(w, r, config.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), http.StatusFound)
	return nil
}

func (g *Gate) endOIDC(w http.ResponseWriter, r *http.Request) error {
	if g.OIDC == nil {
		return problem.ErrNoRoute
	}
	f, ok := g.flight(r)
	if !ok || r.URL.Query().Get("state") != f.State {
		return ErrProvider.With("the answer does not belong to a sign-in of this browser; begin again")
	}
	if said := r.URL.Query().Get("error"); said != "" {
		return ErrProvider.With("it says " + said)
	}
	config, verifier, err := g.OIDC.discover(r.Context())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), oidcTimeout)
	defer cancel()
	token, err := config.Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		g.Log.Warn("oidc: the code was not exchanged", "error", err)
		return ErrProvider
	}
	addr, err := claimed(ctx, verifier, token, f.Nonce)
	if err != nil {
		g.Log.Warn("oidc: refused", "error", err)
		return ErrProvider
	}
	c := g.cookie(flightCookie, "", 0)
	c.MaxAge = -1
	http.SetCookie(w, c)
	return g.vouched(w, r, f.Tenant, addr)
}

func (g *Gate) flight(r *http.Request) (f flight, ok bool) {
	c, err := r.Cookie(flightCookie)
	if err != nil {
		return f, false
	}
	raw, ok := g.Keys.Unlock("oidc", c.Value)
	if !ok || json.Unmarshal(raw, &f) != nil {
		return f, false
	}
	return f, time.Since(f.Began) < flightMax
}

// claimed is the mail address that the provider vouches for. One it has not verified could be anybody's.
func claimed(ctx context.Context, verifier *oidc.IDTokenVerifier, token *oauth2.Token, nonce string) (string, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", fmt.Errorf("there is no ID token")
	}
	id, err := verifier.Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	var claims struct {
		Email    string `json:"email"`
		Verified bool   `json:"email_verified"`
	}
	if err := id.Claims(&claims); err != nil {
		return "", err
	}
	addr := strings.ToLower(claims.Email)
	switch {
	case id.Nonce != nonce:
		return "", fmt.Errorf("the nonce is another")
	case !claims.Verified:
		return "", fmt.Errorf("the address is not verified")
	case !address.Valid(addr):
		return "", fmt.Errorf("there is no mail address")
	}
	return addr, nil
}
