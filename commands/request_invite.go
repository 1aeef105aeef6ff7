package commands

import (
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/organizer"
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
	Bulk       string   `json:",omitzero"` // the bulk mail that asks,
	Line       int      `json:",omitzero"` // and where in its table
	Standing   Standing `json:",omitzero"`
	Now        time.Time
}

// Standing is what is known about those whom an invitation is between; the handler looks it up.
type Standing struct {
	Organizer organizer.State
	Recipient recipient.State
	NoSlot    bool // of a bulk invitation: the event has none left
}

// Stream is the invitation's.
func (c RequestInvite) Stream() string { return invitation.Stream(c.EventUID, c.AttendeeID) }

// Decide verifies the request and grants it once. A denial is a fact of its own, with its reason. Of the origin test an
// invitation may be sent again.
func (c RequestInvite) Decide(s invitation.State) ([]invitation.Fact, error) {
	switch {
	case !slices.Contains(invitation.Origins, c.Origin):
		return nil, invitation.ErrOrigin
	case !c.Event.Exists:
		return nil, event.ErrUnknown
	case s.Exists && !s.Withdrawn && c.Bulk != "" && s.Bulk == c.Bulk && s.Line == c.Line:
		return nil, nil // this very request
	case s.Exists && !s.Withdrawn && c.Origin == invitation.Shared:
		return nil, nil // the delegate is invited already
	case c.again(s):
		return []invitation.Fact{invitation.ResendRequested{Ref: c.ref(), Number: s.Resends + 1, At: c.Now}}, nil
	}
	if reason := c.denial(s); reason != nil {
		if s.Denied == reason.Code && (c.Bulk == "" || s.DeniedBulk == c.Bulk && s.DeniedLine == c.Line) {
			return nil, nil
		}
		return []invitation.Fact{invitation.InviteDenied{
			Ref: c.ref(), OrganizerID: c.Event.OrganizerID, Origin: c.Origin, Reason: reason.Code, Bulk: c.Bulk, Line: c.Line,
		}}, nil
	}
	return []invitation.Fact{invitation.InviteRequested{
		Ref: c.ref(), OrganizerID: c.Event.OrganizerID, Address: c.Address, Name: c.Name, Origin: c.Origin, Bulk: c.Bulk, Line: c.Line,
	}}, nil
}

func (c RequestInvite) ref() invitation.Ref {
	return invitation.Ref{Tenant: c.Tenant, EventUID: c.EventUID, AttendeeID: c.AttendeeID}
}

// again says that an invitation is sent once more because it is one for testing.
func (c RequestInvite) again(s invitation.State) bool {
	return c.Origin == invitation.Test && s.Exists && !s.Withdrawn && s.Told > 0 && c.verify() == nil && !c.Now.Equal(s.LastResend)
}

// denial is the reason not to invite; nil if there is none.
func (c RequestInvite) denial(s invitation.State) *fault.Error {
	if reason := c.verify(); reason != nil {
		return reason
	}
	switch {
	case s.Exists && !s.Withdrawn:
		return invitation.ErrAlready
	case c.Origin.InBulk() && c.Standing.NoSlot:
		return event.ErrLimit
	}
	return nil
}

// verify is the table of what rules out an invitation, whether or not there is one.
func (c RequestInvite) verify() *fault.Error {
	switch {
	case c.Standing.Organizer.Suspended:
		return organizer.ErrSuspended
	case c.Event.Cancelled():
		return event.ErrIsCancelled
	case recur.Over(c.Event.Content, c.Now):
		return event.ErrOver
	case c.Standing.Recipient.Refuses(c.Event.OrganizerID) != nil:
		return c.Standing.Recipient.Refuses(c.Event.OrganizerID)
	case c.Origin.InBulk() && !c.Standing.Organizer.Bulk:
		return organizer.ErrBulk
	}
	return nil
}

// needsSlot says whether granting the request takes one of the event's slots.
func (c RequestInvite) needsSlot(s invitation.State) bool {
	return c.Origin.InBulk() && c.Event.InviteLimit > 0 && c.denial(s) == nil
}
