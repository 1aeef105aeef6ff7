package commands

import "github.com/calendar-invite-server/cis/domain/recipient"

// Unsubscribe stops all mail about events to somebody who wants none, or lets it flow again.
type Unsubscribe struct {
	Tenant      string
	RecipientID string
	Undo        bool
	By          string // how they said so
}

// Stream is the recipient's.
func (c Unsubscribe) Stream() string { return recipient.Stream(c.RecipientID) }

// Decide changes what is not so already.
func (c Unsubscribe) Decide(s recipient.State) ([]recipient.Fact, error) {
	switch {
	case s.Unsubscribed != c.Undo:
		return nil, nil
	case c.Undo:
		return []recipient.Fact{recipient.RecipientResubscribed{Tenant: c.Tenant, RecipientID: c.RecipientID, By: c.By}}, nil
	default:
		return []recipient.Fact{recipient.RecipientUnsubscribed{Tenant: c.Tenant, RecipientID: c.RecipientID, By: c.By}}, nil
	}
}
