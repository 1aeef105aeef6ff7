package commands

import "github.com/calendar-invite-server/cis/domain/recipient"

// SuppressRecipient stops all mail to an address that does not work, or lets it flow again.
type SuppressRecipient struct {
	Tenant      string
	RecipientID string
	Status      string // RFC 3463, why
	Restore     bool
	By          string // who restores it
}

// Stream is the recipient's.
func (c SuppressRecipient) Stream() string { return recipient.Stream(c.RecipientID) }

// Decide changes what is not so already.
func (c SuppressRecipient) Decide(s recipient.State) ([]recipient.Fact, error) {
	switch {
	case s.Suppressed != c.Restore:
		return nil, nil
	case c.Restore:
		return []recipient.Fact{recipient.RecipientRestored{Tenant: c.Tenant, RecipientID: c.RecipientID, By: c.By}}, nil
	default:
		return []recipient.Fact{recipient.RecipientSuppressed{Tenant: c.Tenant, RecipientID: c.RecipientID, Status: c.Status}}, nil
	}
}
