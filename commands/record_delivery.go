package commands

import "github.com/calendar-invite-server/cis/domain/invitation"

// RecordDelivery records what became of a mail to an attendee. The mail has left, so it is never refused.
type RecordDelivery struct {
	Ref      invitation.Ref
	Method   string // REQUEST or CANCEL
	Handover invitation.Handover
	Failed   bool // refused for good
	Code     int  // of the SMTP reply to a refused mail
}

// Stream is the invitation's.
func (c RecordDelivery) Stream() string { return c.Ref.Stream() }

// Decide records the outcome. A revision that was told before is recorded again as a repeat: the mail went out twice. A
// refusal of what they know already, or of what was refused before, says nothing new.
func (c RecordDelivery) Decide(s invitation.State) ([]invitation.Fact, error) {
	h := c.Handover
	told := s.Told
	if h.Instance != "" {
		told = s.Instances[h.Instance].Told
	}
	if c.Failed {
		if s.Failed >= h.Revision || c.Method == "REQUEST" && told >= h.Revision {
			return nil, nil
		}
		return []invitation.Fact{invitation.DeliveryFailed{Ref: c.Ref, Revision: h.Revision, Method: c.Method, Code: c.Code, Answer: h.Answer}}, nil
	}
	h.Repeat = told >= h.Revision
	switch {
	case c.Method == "CANCEL":
		return []invitation.Fact{invitation.CancellationSent{Ref: c.Ref, Handover: h}}, nil
	case h.Instance == "" && (s.Told == 0 || s.Told == h.Revision && h.Revision == 1):
		return []invitation.Fact{invitation.InviteSent{Ref: c.Ref, Handover: h}}, nil
	default:
		return []invitation.Fact{invitation.UpdateSent{Ref: c.Ref, Handover: h}}, nil
	}
}
