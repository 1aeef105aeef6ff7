package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/member"
	doors "github.com/calendar-invite-server/cis/ingest/access"
	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/httpapi"
)

// NewKey is a key somebody wants.
type NewKey struct {
	Name      string    `json:"name" minLength:"1" maxLength:"100" example:"newsletter"`
	Scopes    []string  `json:"scopes" minItems:"1" maxItems:"50" example:"[\"events:read\",\"invites:write\"]" doc:"What it may do; nobody gives a right they do not have"`
	Organizer string    `json:"organizer,omitempty" maxLength:"254" doc:"Whose events it is good for, by address or id; missing: all of the tenant"`
	Expires   time.Time `json:"expires,omitzero" doc:"Missing: never"`
}

// IssuedKey is a key with its secret, which is shown this once.
type IssuedKey struct {
	ID       string `json:"id"`
	Key      string `json:"key,omitempty" doc:"The secret, shown this once; missing where the same call was made before"`
	Href     string `json:"href"`
	Position uint64 `json:"position,omitempty"`
}

type issued struct {
	Location string `header:"Location"`
	Position string `header:"X-Position"`
	Body     IssuedKey
}

type KeyPath struct {
	Key string `path:"key" pattern:"^[0-9a-f]{16}$" example:"0123456789abcdef" doc:"The key's id"`
}

// usualGrace is how long an old secret is good beside the new one, if the caller does not say.
const usualGrace = 24 * time.Hour

func (a *API) registerKeys(api *httpapi.API) {
	r := route(http.MethodPost, "/v1/keys", "issue-key", "access", "Make a key")
	r.Scope, r.Status = key.KeysWrite, http.StatusCreated
	r.Errors = append(r.Errors, http.StatusNotFound)
	httpapi.Register(api, r, a.issueKey)

	r = route(http.MethodPost, "/v1/keys/{key}/rotate", "rotate-key", "access", "Give a key another secret")
	r.Scope, r.Status = key.KeysWrite, http.StatusCreated
	httpapi.Register(api, r, a.rotateKey)

	r = route(http.MethodDelete, "/v1/keys/{key}", "revoke-key", "access", "Make a key good for nothing")
	r.Scope = key.KeysWrite
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		KeyPath
	},
	) (*accepted, error) {
		meta, err := in.meta(ctx, nil)
		if err != nil {
			return nil, err
		}
		p := access.From(ctx)
		done, err := a.Handler.ForKey(ctx, meta, commands.RevokeKey{Tenant: p.Tenant, KeyID: in.Key, By: p.By()})
		return receipt(done, in.Key, "/v1/keys/"+in.Key), err
	})

	r = route(http.MethodPut, "/v1/members/{member}", "grant-role", "access", "Give somebody a role")
	r.Scope = key.MembersWrite
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		MemberPath
		Body struct {
			Role string `json:"role" enum:"administrator,auditor,analyst"`
		}
	},
	) (*accepted, error) {
		return a.changeRole(ctx, &in.Call, in.Member, member.Role(in.Body.Role))
	})
	r = route(http.MethodDelete, "/v1/members/{member}", "revoke-role", "access", "Take somebody's role away")
	r.Scope = key.MembersWrite
	httpapi.Register(api, r, func(ctx context.Context, in *struct {
		Call
		MemberPath
	},
	) (*accepted, error) {
		return a.changeRole(ctx, &in.Call, in.Member, "")
	})
}

type MemberPath struct {
	Member string `path:"member" maxLength:"254" example:"ada@example.com" doc:"Their mail address"`
}

// changeRole gives or takes a role. Nobody gives more than they have themselves.
func (a *API) changeRole(ctx context.Context, c *Call, name string, role member.Role) (*accepted, error) {
	p := access.From(ctx)
	addr := strings.ToLower(strings.TrimSpace(name))
	if !address.Valid(addr) {
		return nil, invitation.ErrAddress
	}
	for _, scope := range role.Scopes() {
		if !p.May(scope) {
			return nil, key.ErrGrant.With(string(scope))
		}
	}
	meta, err := c.meta(ctx, role)
	if err != nil {
		return nil, err
	}
	id := a.Keys.PersonID(p.Tenant, addr)
	done, err := a.Handler.ForMember(ctx, meta, commands.ChangeRole{Tenant: p.Tenant, PersonID: id, Address: addr, Role: role, By: p.By()})
	return receipt(done, id, "/v1/members"), err
}

func (a *API) issueKey(ctx context.Context, in *struct {
	Call
	Body NewKey
},
) (*issued, error) {
	p := access.From(ctx)
	meta, err := in.meta(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	k := key.KeyIssued{Tenant: p.Tenant, KeyID: a.callID(meta, "key"), Name: in.Body.Name, Expires: in.Body.Expires.UTC(), By: p.By()}
	for _, s := range in.Body.Scopes {
		if scope := key.Scope(s); !slices.Contains(k.Scopes, scope) {
			k.Scopes = append(k.Scopes, scope)
		}
	}
	if in.Body.Expires.IsZero() {
		k.Expires = time.Time{}
	}
	if in.Body.Organizer != "" {
		if k.OrganizerID, err = a.OrganizerID(ctx, p.Tenant, in.Body.Organizer); err != nil {
			return nil, err
		}
		if _, err := a.account(ctx, k.OrganizerID, in.Body.Organizer); err != nil {
			return nil, err
		}
	}
	secret, hash := doors.NewKey(k.KeyID)
	k.Hash = hash
	done, err := a.Handler.ForKey(ctx, meta, commands.IssueKey{Key: k, Rights: p.Scopes, Now: time.Now().UTC()})
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, done, k.KeyID, secret, hash)
}

func (a *API) rotateKey(ctx context.Context, in *struct {
	Call
	KeyPath
	Body struct {
		Grace *int `json:"grace_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"How long the old secret is good, too; a day, if it does not say"`
	}
},
) (*issued, error) {
	p := access.From(ctx)
	meta, err := in.meta(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	secret, hash := doors.NewKey(in.Key)
	until := time.Now().UTC().Add(usualGrace)
	if in.Body.Grace != nil {
		until = time.Now().UTC().Add(time.Duration(*in.Body.Grace) * time.Second)
	}
	done, err := a.Handler.ForKey(ctx, meta, commands.RotateKey{Tenant: p.Tenant, Rotated: key.KeyRotated{
		Tenant: p.Tenant, KeyID: in.Key, Hash: hash, OldUntil: until, By: p.By(),
	}})
	if err != nil {
		return nil, err
	}
	return a.shown(ctx, done, in.Key, secret, hash)
}

// shown is a key that was just made, with its secret unless the call was carried out before: that one is gone.
func (a *API) shown(ctx context.Context, done commands.Done, id, secret, hash string) (*issued, error) {
	k, err := a.Handler.Key(ctx, id)
	if err != nil {
		return nil, err
	}
	if k.Hash != hash {
		secret = ""
	}
	r := receipt(done, id, "/v1/keys/"+id)
	return &issued{Location: r.Location, Position: r.Position, Body: IssuedKey{ID: id, Key: secret, Href: r.Location, Position: done.Position}}, nil
}
