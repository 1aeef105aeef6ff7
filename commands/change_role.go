package commands

import (
	"slices"

	"github.com/calendar-invite-server/cis/domain/member"
)

// ChangeRole grants somebody a role, or takes it away.
type ChangeRole struct {
	Tenant   string
	PersonID string
	Address  string
	Role     member.Role // empty: none
	By       string
}

// Stream is the member's.
func (c ChangeRole) Stream() string { return member.Stream(c.PersonID) }

// Decide changes what is not so already.
func (c ChangeRole) Decide(s member.State) ([]member.Fact, error) {
	switch {
	case s.Role == c.Role:
		return nil, nil
	case c.Role == "":
		return []member.Fact{member.RoleRevoked{Tenant: c.Tenant, PersonID: c.PersonID, By: c.By}}, nil
	case !slices.Contains([]member.Role{member.Administrator, member.Auditor, member.Analyst}, c.Role):
		return nil, member.ErrRole.With(string(c.Role))
	}
	return []member.Fact{member.RoleGranted{Tenant: c.Tenant, PersonID: c.PersonID, Address: c.Address, Role: c.Role, By: c.By}}, nil
}
