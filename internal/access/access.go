// Package access says who is calling and what they may do: the one value that every route of the API asks.
package access

import (
	"context"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
)

// Kind is what sort of caller it is.
type Kind string

// The kinds.
const (
	Nobody   Kind = ""         // no key and no session
	Key      Kind = "key"      // a program with a key
	Member   Kind = "member"   // a person who signed in
	Operator Kind = "operator" // who runs the server, with its first key
)

// Principal is who is calling. The zero Principal may do what needs no key.
type Principal struct {
	Kind        Kind
	ID          string // of the key, or of the person
	Tenant      string
	Scopes      []key.Scope
	OrganizerID string    // sees and changes only what is theirs; empty: all of the tenant
	Role        string    // of a person
	Address     string    // of a person
	Since       time.Time // when the person was last seen to be signed in
}

// May says whether the principal has a scope. The empty scope is everybody's.
func (p Principal) May(s key.Scope) bool { return s == "" || slices.Contains(p.Scopes, s) }

// Sees says whether something of an organizer is the principal's to see.
func (p Principal) Sees(organizerID string) bool {
	return p.OrganizerID == "" || p.OrganizerID == organizerID
}

// By names the principal on the record, without anybody's address.
func (p Principal) By() string {
	if p.Kind == Operator || p.Kind == Nobody {
		return string(p.Kind)
	}
	return string(p.Kind) + ":" + p.ID
}

type contextKey struct{}

// With puts the principal into a context.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From is who is calling, as the API found out.
func From(ctx context.Context) Principal {
	p, _ := ctx.Value(contextKey{}).(Principal)
	return p
}
