package commands

import (
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// RequestInvite asks that somebody be invited to an event.
type RequestInvite struct {
	Tenant     string
	Event      event.State // as far as known; the courier looks again
	EventUID   string
	AttendeeID string
	Address    string
	Name       string
	Origin     invitation.Origin
	Suppressed bool // mail to the address came back for good
	Now        time.Time
}

// Stream is the invitation's.
func (c RequestInvite) Stream() string { return invitation.Stream(c.EventUID, c.AttendeeID) }

// Decide grants the request once. A request for a cancelled or past event is a fact of its own, without a mail.
func (c RequestInvite) Decide(s invitation.State) ([]invitation.Fact, error) {
	switch {
	case !slices.Contains(invitation.Origins, c.Origin):
		return nil, invitation.ErrOrigin
	case !c.Event.Exists:
		return nil, event.ErrUnknown
	case s.Exists && !s.Withdrawn:
		return nil, nil // invited already
	}
	ref := invitation.Ref{Tenant: c.Tenant, EventUID: c.EventUID, AttendeeID: c.AttendeeID}
	if reason := c.denial(); reason != "" {
		if s.Denied == reason {
			return nil, nil
		}
		return []invitation.Fact{invitation.InviteDenied{Ref: ref, OrganizerID: c.Event.OrganizerID, Origin: c.Origin, Reason: reason}}, nil
	}
	return []invitation.Fact{invitation.InviteRequested{
		Ref: ref, OrganizerID: c.Event.OrganizerID, Address: c.Address, Name: c.Name, Origin: c.Origin,
	}}, nil
}

// denial is the code of the reason not to invite, empty if there is none.
func (c RequestInvite) denial() string {
	switch {
	case c.Event.Cancelled():
		return event.ErrIsCancelled.Code
	case recur.Over(c.Event.Content, c.Now):
		return event.ErrOver.Code
	case c.Suppressed:
		return recipient.ErrSuppressed.Code
	}
	return ""
}
