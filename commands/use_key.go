package commands

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
)

// UseKey records that a key is in use, once a day.
type UseKey struct {
	KeyID string
	Now   time.Time
}

// Stream is the key's.
func (c UseKey) Stream() string { return key.Stream(c.KeyID) }

// Decide records the first use of a day.
func (c UseKey) Decide(s key.State) ([]key.Fact, error) {
	day := c.Now.UTC().Format(time.DateOnly)
	if !s.Exists || s.Used >= day {
		return nil, nil
	}
	return []key.Fact{key.KeyUsed{Tenant: s.Tenant, KeyID: c.KeyID, Day: day}}, nil
}
