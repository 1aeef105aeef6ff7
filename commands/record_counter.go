package commands

import (
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
)

// RecordCounter records what an attendee proposes instead (RFC 5546 §3.2.7). Nothing changes by it.
type RecordCounter struct {
	Answer
	Start, End event.Moment
	Location   string
	Comment    string
}

// Decide keeps a proposal that is newer than the last one.
func (c RecordCounter) Decide(s invitation.State) ([]invitation.Fact, error) {
	if err := c.check(s); err != nil {
		return nil, err
	}
	switch {
	case !s.Exists:
		return nil, invitation.ErrUnknown
	case s.Counter.Number > 0 && !c.revision().NewerThan(s.Counter.Reply):
		return nil, nil
	}
	return []invitation.Fact{invitation.CounterReceived{
		Ref: c.ref(), OrganizerID: c.Event.OrganizerID, Number: s.Counter.Number + 1, Instance: c.Instance, Reply: c.revision(),
		Start: c.Start, End: c.End, Location: c.Location, Comment: c.Comment, Proof: c.Proof,
	}}, nil
}
