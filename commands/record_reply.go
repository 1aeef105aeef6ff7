package commands

import (
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
)

// RecordReply records what an attendee's calendar answered (RFC 5546 §3.2.3).
type RecordReply struct {
	Tenant     string
	Event      event.State
	EventUID   string
	AttendeeID string
	Address    string
	Name       string
	Status     invitation.Status
	ProdID     string
	Reply      event.Revision
	Comment    string
}

// Stream is the invitation's.
func (c RecordReply) Stream() string { return invitation.Stream(c.EventUID, c.AttendeeID) }

// Decide counts an answer that is newer than the last one and different. Somebody who was never invited becomes an
// attendee by answering: an invitation was forwarded to them.
func (c RecordReply) Decide(s invitation.State) ([]invitation.Fact, error) {
	switch {
	case !c.Event.Exists:
		return nil, event.ErrUnknown
	case c.Status == "" || c.Status == invitation.NoAction:
		return nil, invitation.ErrAnswer
	case s.Exists && !s.LastReply.IsZero() && !c.Reply.NewerThan(s.LastReply):
		return nil, nil // older, or the same again
	case s.Exists && s.Status == c.Status && s.ProdID == c.ProdID:
		return nil, nil
	}
	fact := invitation.RsvpReceived{
		Ref:         invitation.Ref{Tenant: c.Tenant, EventUID: c.EventUID, AttendeeID: c.AttendeeID},
		OrganizerID: c.Event.OrganizerID, Address: c.Address, Name: c.Name,
		Status: c.Status, Previous: s.Status, ProdID: c.ProdID, PreviousProdID: s.ProdID, Reply: c.Reply, Comment: c.Comment,
	}
	if s.Exists {
		fact.Name = s.Name
	} else {
		fact.Origin, fact.Told = invitation.Shared, c.Event.Revision
	}
	return []invitation.Fact{fact}, nil
}
