package commands

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
)

// resendPause is how long an attendee waits between two copies of an invitation.
const resendPause = time.Hour

// RequestResend asks that an attendee get the current version once more, as REFRESH does (RFC 5546 §3.2.6).
type RequestResend struct {
	Answer
	Now time.Time
}

// Decide grants it to attendees, once in a while.
func (c RequestResend) Decide(s invitation.State) ([]invitation.Fact, error) {
	if err := c.check(s); err != nil {
		return nil, err
	}
	switch {
	case !s.Exists:
		return nil, invitation.ErrUnknown
	case c.Event.Cancelled():
		return nil, event.ErrIsCancelled
	case s.Resends > 0 && c.Now.Equal(s.LastResend):
		return nil, nil // this very request
	case s.Resends > 0 && c.Now.Before(s.LastResend.Add(resendPause)):
		return nil, invitation.ErrSoon
	case s.Told == 0:
		return nil, nil // the first one is still to come
	}
	return []invitation.Fact{invitation.ResendRequested{Ref: c.ref(), Number: s.Resends + 1, At: c.Now}}, nil
}
