package commands

import "github.com/calendar-invite-server/cis/domain/key"

// RevokeKey makes a key good for nothing.
type RevokeKey struct {
	Tenant string
	KeyID  string
	By     string
}

// Stream is the key's.
func (c RevokeKey) Stream() string { return key.Stream(c.KeyID) }

// Decide revokes it once.
func (c RevokeKey) Decide(s key.State) ([]key.Fact, error) {
	switch {
	case !s.Exists, s.Tenant != c.Tenant:
		return nil, key.ErrUnknown
	case s.Revoked:
		return nil, nil
	}
	return []key.Fact{key.KeyRevoked{Tenant: c.Tenant, KeyID: c.KeyID, By: c.By}}, nil
}
