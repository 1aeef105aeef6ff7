package commands

import (
	"slices"

	"github.com/calendar-invite-server/cis/domain/recipient"
)

// EraseRecipient decides that what is personal about somebody is to become unreadable. The log says so; the keys, the read
// models and the files are not the log's: who asks for it destroys them afterwards.
type EraseRecipient struct {
	Tenant      string
	RecipientID string
	Mails       []string // ids of received mails that name them
	By          string
}

// erasedPerFact is how many mails one fact names at most, far below what a record may hold.
const erasedPerFact = 5_000

// Stream is the recipient's.
func (c EraseRecipient) Stream() string { return recipient.Stream(c.RecipientID) }

// Decide erases once, and again what was found since.
func (c EraseRecipient) Decide(s recipient.State) (list []recipient.Fact, err error) {
	fresh := slices.DeleteFunc(slices.Clone(c.Mails), func(id string) bool { return s.ErasedMails[id] })
	if s.Erased && len(fresh) == 0 {
		return nil, nil
	}
	f := recipient.RecipientErased{Tenant: c.Tenant, RecipientID: c.RecipientID, By: c.By}
	if len(fresh) == 0 {
		return []recipient.Fact{f}, nil
	}
	for chunk := range slices.Chunk(fresh, erasedPerFact) {
		f.Mails = chunk
		list = append(list, f)
	}
	return list, nil
}

// CertifyErasure records that an erasure was carried out.
type CertifyErasure struct {
	Tenant      string
	RecipientID string
	SHA256      string // of the certificate
}

// Stream is the recipient's.
func (c CertifyErasure) Stream() string { return recipient.Stream(c.RecipientID) }

// Decide records each certificate once.
func (c CertifyErasure) Decide(s recipient.State) ([]recipient.Fact, error) {
	if !s.Erased || s.Certified == c.SHA256 {
		return nil, nil
	}
	return []recipient.Fact{recipient.ErasureCertified{Tenant: c.Tenant, RecipientID: c.RecipientID, SHA256: c.SHA256}}, nil
}
