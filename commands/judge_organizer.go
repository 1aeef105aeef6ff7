package commands

import "github.com/calendar-invite-server/cis/domain/organizer"

// Judgement is what an operator decides about an account.
type Judgement string

// The judgements.
const (
	Suspend    Judgement = "suspend"
	Reinstate  Judgement = "reinstate"
	AllowBulk  Judgement = "allow-bulk"
	ForbidBulk Judgement = "forbid-bulk"
)

// JudgeOrganizer decides about an account. One that was never seen begins with it, so that somebody can be allowed, or
// kept out, beforehand.
type JudgeOrganizer struct {
	Organizer organizer.Ref
	Address   string
	Judgement Judgement
	Reason    string
	By        string
}

// Stream is the organizer's.
func (c JudgeOrganizer) Stream() string { return organizer.Stream(c.Organizer.OrganizerID) }

// Decide changes what is not so already.
func (c JudgeOrganizer) Decide(s organizer.State) ([]organizer.Fact, error) {
	var fact organizer.Fact
	switch {
	case c.Judgement == Suspend && !s.Suspended:
		fact = organizer.OrganizerSuspended{Ref: c.Organizer, Reason: c.Reason, By: c.By}
	case c.Judgement == Reinstate && s.Suspended:
		fact = organizer.OrganizerReinstated{Ref: c.Organizer, By: c.By}
	case c.Judgement == AllowBulk && !s.Bulk:
		fact = organizer.BulkAllowed{Ref: c.Organizer, By: c.By}
	case c.Judgement == ForbidBulk && s.Bulk:
		fact = organizer.BulkForbidden{Ref: c.Organizer, By: c.By}
	default:
		return nil, nil
	}
	return append(register(s, c.Organizer, c.Address, ""), fact), nil
}
