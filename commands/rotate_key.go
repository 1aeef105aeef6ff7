package commands

import "github.com/calendar-invite-server/cis/domain/key"

// RotateKey gives a key another secret; the old one is good for a while, so that nothing stands still meanwhile.
type RotateKey struct {
	Tenant  string
	Rotated key.KeyRotated
}

// Stream is the key's.
func (c RotateKey) Stream() string { return key.Stream(c.Rotated.KeyID) }

// Decide rotates a key that is still good.
func (c RotateKey) Decide(s key.State) ([]key.Fact, error) {
	switch {
	case !s.Exists, s.Tenant != c.Tenant:
		return nil, key.ErrUnknown
	case s.Revoked:
		return nil, key.ErrRevoked
	case s.Hash == c.Rotated.Hash:
		return nil, nil
	}
	return []key.Fact{c.Rotated}, nil
}
