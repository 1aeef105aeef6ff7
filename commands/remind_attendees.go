package commands

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// ChangeReminders says when attendees of one event are reminded.
type ChangeReminders struct {
	UID    string
	Before []string
	By     string
}

// Stream is the event's.
func (c ChangeReminders) Stream() string { return event.Stream(c.UID) }

// Decide changes it.
func (c ChangeReminders) Decide(s event.State) ([]event.Fact, error) {
	if !s.Exists {
		return nil, event.ErrUnknown
	}
	for _, r := range c.Before {
		if _, err := event.ParseReminder(r); err != nil {
			return nil, err
		}
	}
	return []event.Fact{event.RemindersChanged{Tenant: s.Tenant, UID: s.UID, Before: append([]string{}, c.Before...), By: c.By}}, nil
}

// RemindAttendees has everybody reminded if it is time. What was missed while the server was down is done once, unless
// the event has begun.
type RemindAttendees struct {
	UID     string
	Default []string  // when, if the event does not say
	Since   time.Time // the event is as it is; what was due before is not made up for
	Now     time.Time
}

// Stream is the event's.
func (c RemindAttendees) Stream() string { return event.Stream(c.UID) }

// Decide finds the last reminder that is due and was not sent.
func (c RemindAttendees) Decide(s event.State) ([]event.Fact, error) {
	var facts []event.Fact
	at := nextReminder(s, c.Default, occurrence{due: later(s.Reminded, c.Since), id: s.ReminderOf})
	for ; !at.due.IsZero() && !at.due.After(c.Now); at = nextReminder(s, c.Default, at) {
		if at.start.After(c.Now) {
			facts = []event.Fact{event.RemindersDue{Tenant: s.Tenant, UID: s.UID, Number: s.ReminderNumber + 1, Instance: at.id, Due: at.due}}
		}
	}
	return facts, nil
}

// NextReminder is when [RemindAttendees] is to be asked next; zero: never, as the event is now.
func NextReminder(s event.State, defaults []string, now time.Time) time.Time {
	return nextReminder(s, defaults, occurrence{due: now, id: s.ReminderOf}).due
}

// occurrence is a reminder of one instance.
type occurrence struct {
	due, start time.Time
	id         event.InstanceID
}

func (o occurrence) before(p occurrence) bool {
	return o.due.Before(p.due) || o.due.Equal(p.due) && o.id < p.id
}

// nextReminder is the first one behind another; zero if there is none.
func nextReminder(s event.State, defaults []string, after occurrence) (next occurrence) {
	list := defaults
	if s.Reminders != nil {
		list = *s.Reminders
	}
	reminders := event.RemindersOf(list)
	if !s.Exists || s.Cancelled() || len(reminders) == 0 {
		return next
	}
	consider := func(id event.InstanceID, start time.Time) (past bool) {
		past = true
		for _, r := range reminders {
			o := occurrence{due: r.Due(start), start: start, id: id}
			if after.before(o) && (next.due.IsZero() || o.before(next)) {
				next = o
			}
			past = past && !next.due.IsZero() && o.due.After(next.due)
		}
		return past
	}
	if s.Content.Recurrence.IsZero() {
		consider("", s.Content.Start.UTC)
		return next
	}
	for id, inst := range s.Instances { // those that differ may lie anywhere
		if here := s.At(id, recur.Instance); !inst.Cancelled {
			consider(id, here.Content.Start.UTC)
		}
	}
	for start := range recur.Starts(s.Content) {
		id := event.Moment{UTC: start, Local: "x", AllDay: s.Content.Start.AllDay}.Instance()
		if _, differs := s.Instances[id]; differs || start.Before(after.due) {
			continue
		}
		if consider(id, start) {
			break
		}
	}
	return next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
