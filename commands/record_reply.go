package commands

import (
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// Answer is what every iTIP answer of an attendee says: who, about which event, from which version of it.
type Answer struct {
	Tenant     string
	Event      event.State
	EventUID   string
	AttendeeID string
	Address    string
	Name       string
	Instance   event.InstanceID // of a series; empty: the event itself
	Reply      event.Revision
	SentBy     string // who wrote it for the attendee
	Proof      string // how the sender is known; empty: it was not checked
}

// Stream is the invitation's.
func (a Answer) Stream() string { return invitation.Stream(a.EventUID, a.AttendeeID) }

func (a Answer) ref() invitation.Ref {
	return invitation.Ref{Tenant: a.Tenant, EventUID: a.EventUID, AttendeeID: a.AttendeeID}
}

// revision is which version of the event was answered, and when. A SEQUENCE nobody has sent counts as the current one:
// some clients raise it, and the next one they use does not.
func (a Answer) revision() event.Revision {
	r := a.Reply
	r.Sequence = min(r.Sequence, a.Event.At(a.Instance, recur.Instance).Sequence)
	return r
}

// check refuses answers to what does not exist, and those that somebody writes for an attendee nobody knows.
func (a Answer) check(s invitation.State) error {
	switch {
	case !a.Event.Exists:
		return event.ErrUnknown
	case a.Instance != "" && !isInstance(a.Event, a.Instance):
		return event.ErrInstance
	case a.SentBy != "" && !s.Exists:
		return invitation.ErrProof
	case s.Withdrawn:
		return invitation.ErrWithdrawn
	}
	return nil
}

// RecordReply records what an attendee's calendar answered (RFC 5546 §3.2.3).
type RecordReply struct {
	Answer
	Status  invitation.Status
	ProdID  string
	Comment string
	Vouched bool // somebody looked at it and released it
}

// Decide counts an answer that is newer than the last one and different. Somebody who was never invited becomes an
// attendee by answering, an invitation was forwarded to them; unless the event's policy is another.
func (c RecordReply) Decide(s invitation.State) ([]invitation.Fact, error) {
	if err := c.check(s); err != nil {
		return nil, err
	}
	previous, last := s.Answer(c.Instance)
	reply := c.revision()
	switch {
	case c.Status == "" || c.Status == invitation.NoAction:
		return nil, invitation.ErrAnswer
	case !s.Exists && !c.Vouched && c.Event.Crashers == event.CrashersHold:
		return nil, event.ErrCrasher
	case !s.Exists && !c.Vouched && c.Event.Crashers == event.CrashersCancel:
		return c.turnAway(s), nil
	case s.Exists && !last.IsZero() && !reply.NewerThan(last):
		return nil, nil // older, or the same again
	case s.Exists && previous == c.Status && s.ProdID == c.ProdID && c.Comment == "":
		return nil, nil
	}
	fact := invitation.RsvpReceived{
		Ref: c.ref(), OrganizerID: c.Event.OrganizerID, Address: c.Address, Name: c.Name,
		Status: c.Status, Previous: previous, ProdID: c.ProdID, PreviousProdID: s.ProdID, Reply: reply, Comment: c.Comment,
		Instance: c.Instance, SentBy: c.SentBy, Proof: c.Proof, Stale: reply.Sequence < c.Event.At(c.Instance, recur.Instance).Sequence,
	}
	if c.Instance == "" {
		fact.Apart = s.Apart()
	} else {
		fact.PreviousProdID = s.Instances[c.Instance].ProdID
	}
	if s.Exists {
		fact.Name = s.Name
	} else {
		fact.Origin, fact.Told = invitation.Shared, c.Event.Revision
	}
	return []invitation.Fact{fact}, nil
}

// turnAway takes the event out of a stranger's calendar, once.
func (c RecordReply) turnAway(s invitation.State) []invitation.Fact {
	if s.TurnedAway > 0 {
		return nil
	}
	return []invitation.Fact{invitation.CrasherTurnedAway{Ref: c.ref(), OrganizerID: c.Event.OrganizerID, Address: c.Address, Name: c.Name}}
}
