// Package access is the door for callers: keys of programs, sessions of people, and the pages on which people sign in.
//
// Start reading at [Gate.Authenticate].
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/member"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/problem"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/google/uuid"
)

// Gate knows callers.
type Gate struct {
	Handler   *commands.Handler
	Keys      secret.Keys
	Operator  [sha256.Size]byte // hash of the installation's own key
	PublicURL string
	Proxies   []*net.IPNet
	OIDC      *Provider // nil: people sign in by mail only
	Log       *slog.Logger

	limits signInLimits
	used   sync.Map // key id → the last day whose use was recorded
}

// crossOrigin keeps pages of other sites from acting with a session; programs with keys are not browsers.
var crossOrigin = http.NewCrossOriginProtection()

// Authenticate finds out who is calling: by x-api-key or a bearer token, else by the session cookie.
func (g *Gate) Authenticate(r *http.Request) (access.Principal, error) {
	given := r.Header.Get("X-Api-Key")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); given == "" && ok && strings.EqualFold(scheme, "bearer") {
		given = strings.TrimSpace(token)
	}
	if given != "" {
		return g.byKey(r, given)
	}
	s, ok := g.session(r)
	if !ok {
		return access.Principal{}, nil
	}
	if err := crossOrigin.Check(r); err != nil {
		return access.Principal{}, problem.ErrOrigin
	}
	return g.Person(r.Context(), s)
}

// byKey knows a program by its key.
func (g *Gate) byKey(r *http.Request, given string) (p access.Principal, err error) {
	hash := sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(hash[:], g.Operator[:]) == 1 {
		p = access.Principal{Kind: access.Operator, Tenant: tenant.Default, Scopes: slices.Concat(key.Scopes, key.Installation)}
		if code := r.Header.Get("X-Tenant"); code != "" {
			p.Tenant = code
			_, err = g.Handler.Tenant(r.Context(), code)
		}
		return p, err
	}
	id, ok := keyID(given)
	if !ok {
		return p, problem.ErrBadKey
	}
	k, err := g.Handler.Key(r.Context(), id)
	if err != nil {
		return p, err
	}
	now := time.Now()
	if !k.Opens(hex.EncodeToString(hash[:]), now) {
		return p, problem.ErrBadKey
	}
	if code := r.Header.Get("X-Tenant"); code != "" && code != k.Tenant {
		return p, problem.ErrScope.With("this key is another tenant's")
	}
	p = access.Principal{Kind: access.Key, ID: id, Tenant: k.Tenant, Scopes: k.Scopes, OrganizerID: k.OrganizerID}
	g.use(r.Context(), id, k, now)
	return p, g.active(r.Context(), k.Tenant)
}

// use records the first use of a day, beside the call: it must not wait for it, nor fail with it.
func (g *Gate) use(ctx context.Context, id string, k key.State, now time.Time) {
	day := now.UTC().Format(time.DateOnly)
	if k.Used >= day {
		return
	}
	if last, loaded := g.used.Swap(id, day); loaded && last == day {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if _, err := g.Handler.ForKey(ctx, g.meta(k.Tenant), commands.UseKey{KeyID: id, Now: now}); err != nil {
			g.used.Delete(id) // the next call tries again
			g.Log.Debug("access: the use of a key is not on record", "key", id, "error", err)
		}
	}()
}

// active refuses callers of a tenant that is suspended.
func (g *Gate) active(ctx context.Context, code string) error {
	t, err := g.Handler.Tenant(ctx, code)
	if err == nil && t.Suspended {
		err = tenant.ErrSuspended
	}
	return err
}

func (g *Gate) meta(code string) commands.Meta {
	return commands.From("access", code, uuid.NewString(), 0)
}

// Person is what somebody who signed in may do now: their role may have changed since.
func (g *Gate) Person(ctx context.Context, s Session) (access.Principal, error) {
	p := access.Principal{Kind: access.Member, ID: s.Person, Tenant: s.Tenant, Address: s.Address, Since: s.Issued}
	m, err := g.Handler.Member(ctx, s.Person)
	if err != nil {
		return p, err
	}
	if !s.Issued.After(m.Out) {
		return access.Principal{}, nil
	}
	role, organizerID, err := g.role(ctx, s.Person, m)
	if err != nil || role == "" {
		return access.Principal{}, err
	}
	p.Role, p.Scopes, p.OrganizerID = string(role), role.Scopes(), organizerID
	return p, g.active(ctx, s.Tenant)
}

// role is what somebody is: what was granted, else an organizer if there is an account; nothing for anybody else.
func (g *Gate) role(ctx context.Context, person string, m member.State) (member.Role, string, error) {
	if m.Role != "" {
		return m.Role, "", nil
	}
	id := person
	links, err := g.Handler.Identity(ctx, person)
	if err != nil {
		return "", "", err
	}
	if alias := links.AliasOf(); alias != "" {
		id = alias
	}
	account, err := g.Handler.Organizer(ctx, id)
	if err != nil || !account.Exists {
		return "", "", err
	}
	return member.Organizer, id, nil
}

// Still says whether somebody may still call: their key may have been revoked, their role taken away.
func (g *Gate) Still(ctx context.Context, p access.Principal) (bool, error) {
	switch p.Kind {
	case access.Key:
		k, err := g.Handler.Key(ctx, p.ID)
		if err != nil || k.Revoked || !k.Expires.IsZero() && time.Now().After(k.Expires) {
			return false, err
		}
	case access.Member:
		m, err := g.Handler.Member(ctx, p.ID)
		if err != nil {
			return false, err
		}
		if role, _, err := g.role(ctx, p.ID, m); err != nil || string(role) != p.Role || !p.Since.After(m.Out) {
			return false, err
		}
	}
	err := g.active(ctx, p.Tenant)
	if errors.Is(err, tenant.ErrSuspended) {
		return false, nil
	}
	return err == nil, err
}

// Session is who signed in in a browser, and when.
type Session struct {
	Tenant  string    `json:"t"`
	Person  string    `json:"p"`
	Address string    `json:"a"`
	Began   time.Time `json:"b"`
	Issued  time.Time `json:"i"`
}

const (
	cookieName  = "cis_session"
	sessionIdle = time.Hour        // without a request
	sessionMax  = 12 * time.Hour   // in all
	renewAfter  = 10 * time.Minute // not with every request
)

// session reads the cookie.
func (g *Gate) session(r *http.Request) (s Session, ok bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return s, false
	}
	raw, ok := g.Keys.Unlock("session", c.Value)
	if !ok || json.Unmarshal(raw, &s) != nil {
		return s, false
	}
	now := time.Now()
	return s, now.Sub(s.Issued) < sessionIdle && now.Sub(s.Began) < sessionMax
}

// keep writes the cookie.
func (g *Gate) keep(w http.ResponseWriter, s Session) {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings and times
	}
	http.SetCookie(w, g.cookie(cookieName, g.Keys.Lock("session", raw), sessionIdle))
}

func (g *Gate) cookie(name, value string, lifetime time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(lifetime.Seconds()), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(g.PublicURL, "https:"),
	}
}

// Renewing keeps the session of somebody who goes on working.
func (g *Gate) Renewing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, ok := g.session(r); ok && time.Since(s.Issued) > renewAfter && r.URL.Path != "/sign-out" {
			if p, err := g.Person(r.Context(), s); err == nil && p.Kind == access.Member { // one that was ended is not renewed
				s.Issued = time.Now()
				g.keep(w, s)
			}
		}
		next.ServeHTTP(w, r)
	})
}
