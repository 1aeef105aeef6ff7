package commands

import (
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
)

// IssueKey gives somebody a key.
type IssueKey struct {
	Key    key.KeyIssued
	Rights []key.Scope // of who gives it
	Now    time.Time
}

// Stream is the key's.
func (c IssueKey) Stream() string { return key.Stream(c.Key.KeyID) }

// Decide issues it; nobody gives a right they do not have.
func (c IssueKey) Decide(s key.State) ([]key.Fact, error) {
	switch {
	case s.Exists:
		return nil, nil
	case len(c.Key.Scopes) == 0:
		return nil, key.ErrScope.With("a key needs at least one")
	case !c.Key.Expires.IsZero() && !c.Key.Expires.After(c.Now):
		return nil, key.ErrExpiry
	}
	for _, scope := range c.Key.Scopes {
		if !key.Known(scope) {
			return nil, key.ErrScope.With(string(scope))
		}
		if !slices.Contains(c.Rights, scope) {
			return nil, key.ErrGrant.With(string(scope))
		}
	}
	return []key.Fact{c.Key}, nil
}
