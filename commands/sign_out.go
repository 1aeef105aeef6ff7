package commands

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/member"
)

// SignOut ends every session of a member.
type SignOut struct {
	Tenant   string
	PersonID string
	Now      time.Time
}

// Stream is the member's.
func (c SignOut) Stream() string { return member.Stream(c.PersonID) }

// Decide ends those that began before now.
func (c SignOut) Decide(s member.State) ([]member.Fact, error) {
	if !c.Now.After(s.Out) {
		return nil, nil
	}
	return []member.Fact{member.SignedOut{Tenant: c.Tenant, PersonID: c.PersonID, At: c.Now}}, nil
}
