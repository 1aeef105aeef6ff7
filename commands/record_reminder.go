package commands

import "github.com/calendar-invite-server/cis/domain/invitation"

// RecordReminder records that an attendee was reminded, or cannot be: a refused reminder is not tried again either.
type RecordReminder struct {
	Ref       invitation.Ref
	Number    int // of the event's reminders
	MessageID string
	Answer    string
	Refused   int // the reply, if it was refused for good
}

// Stream is the invitation's.
func (c RecordReminder) Stream() string { return c.Ref.Stream() }

// Decide records it once.
func (c RecordReminder) Decide(s invitation.State) ([]invitation.Fact, error) {
	if s.Reminded >= c.Number {
		return nil, nil
	}
	return []invitation.Fact{invitation.ReminderSent{Ref: c.Ref, Number: c.Number, MessageID: c.MessageID, Answer: c.Answer, Refused: c.Refused}}, nil
}
