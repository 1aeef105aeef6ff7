package commands

import (
	"github.com/calendar-invite-server/cis/domain/identity"
	"github.com/calendar-invite-server/cis/domain/organizer"
)

// LinkAddress has a mail address speak for an organizer, or no longer. An address is an alias of one organizer at most.
type LinkAddress struct {
	Tenant      string
	AddressID   string
	Address     string
	OrganizerID string
	Role        identity.Role
	Unlink      bool
	By          string
}

// Stream is the address'.
func (c LinkAddress) Stream() string { return identity.Stream(c.AddressID) }

// Decide changes what is not so already.
func (c LinkAddress) Decide(s identity.State) ([]identity.Fact, error) {
	role, linked := s.Links[c.OrganizerID]
	switch {
	case c.Unlink && !linked:
		return nil, nil
	case c.Unlink:
		return []identity.Fact{identity.AddressUnlinked{Tenant: c.Tenant, AddressID: c.AddressID, OrganizerID: c.OrganizerID, By: c.By}}, nil
	case c.Role != identity.Alias && c.Role != identity.Delegate:
		return nil, identity.ErrRole
	case linked && role == c.Role, c.AddressID == c.OrganizerID:
		return nil, nil
	case c.Role == identity.Alias && s.AliasOf() != "" && s.AliasOf() != c.OrganizerID:
		return nil, organizer.ErrLinked
	}
	return []identity.Fact{identity.AddressLinked{
		Tenant: c.Tenant, AddressID: c.AddressID, Address: c.Address, OrganizerID: c.OrganizerID, Role: c.Role, By: c.By,
	}}, nil
}
