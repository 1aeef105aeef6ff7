package commands

import "github.com/calendar-invite-server/cis/domain/mail"

// JudgeMail releases a held mail, so that it is handled as if its sender were proven, or drops it.
type JudgeMail struct {
	Tenant  string
	MailID  string
	Release bool
	Poison  bool // drop it although it is not held: it cannot be handled
	By      string
}

// Stream is the mail's.
func (c JudgeMail) Stream() string { return mail.Stream(c.MailID) }

// Decide judges a mail that is held.
func (c JudgeMail) Decide(s mail.State) ([]mail.Fact, error) {
	switch {
	case c.Poison && s.Exists && !s.Done && !c.Release:
		return []mail.Fact{mail.MailDropped{Tenant: c.Tenant, MailID: c.MailID, By: c.By}}, nil
	case s.Held == "":
		return nil, mail.ErrNotHeld
	case c.Release:
		return []mail.Fact{mail.MailReleased{Tenant: c.Tenant, MailID: c.MailID, By: c.By}}, nil
	default:
		return []mail.Fact{mail.MailDropped{Tenant: c.Tenant, MailID: c.MailID, By: c.By}}, nil
	}
}
