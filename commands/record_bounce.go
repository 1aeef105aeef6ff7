package commands

import "github.com/calendar-invite-server/cis/domain/invitation"

// RecordBounce records that a mail to an attendee came back for good (RFC 3464).
type RecordBounce struct {
	Ref        invitation.Ref
	Status     string // RFC 3463
	Diagnostic string
	Hard       bool // the address does not work
}

// Stream is the invitation's.
func (c RecordBounce) Stream() string { return c.Ref.Stream() }

// Decide records it once.
func (c RecordBounce) Decide(s invitation.State) ([]invitation.Fact, error) {
	switch {
	case !s.Exists:
		return nil, invitation.ErrUnknown
	case s.Bounced:
		return nil, nil
	}
	return []invitation.Fact{invitation.Bounced{Ref: c.Ref, Status: c.Status, Diagnostic: c.Diagnostic, Hard: c.Hard}}, nil
}
