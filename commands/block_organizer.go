package commands

import "github.com/calendar-invite-server/cis/domain/recipient"

// BlockOrganizer stops an organizer's mail to somebody who wants none of it, or lets it flow again.
type BlockOrganizer struct {
	Tenant      string
	RecipientID string
	OrganizerID string
	Undo        bool
	By          string
}

// Stream is the recipient's.
func (c BlockOrganizer) Stream() string { return recipient.Stream(c.RecipientID) }

// Decide changes what is not so already.
func (c BlockOrganizer) Decide(s recipient.State) ([]recipient.Fact, error) {
	switch {
	case s.Blocked[c.OrganizerID] != c.Undo:
		return nil, nil
	case c.Undo:
		return []recipient.Fact{recipient.OrganizerUnblocked{Tenant: c.Tenant, RecipientID: c.RecipientID, OrganizerID: c.OrganizerID, By: c.By}}, nil
	default:
		return []recipient.Fact{recipient.OrganizerBlocked{Tenant: c.Tenant, RecipientID: c.RecipientID, OrganizerID: c.OrganizerID, By: c.By}}, nil
	}
}
