package event

import (
	"strings"
	"time"
)

// maxBefore is how long before the start a reminder may be.
const maxBefore = 60 * 24 * time.Hour

// Reminder says when attendees are reminded: so long before the start, or at a time of day in UTC within the 24 hours
// before it.
type Reminder struct {
	Before time.Duration
	Daily  bool
	At     time.Duration // since midnight
}

// ParseReminder reads 24h, 90m, or daily@12:00. It fails with [ErrReminder].
func ParseReminder(s string) (Reminder, error) {
	if at, daily := strings.CutPrefix(s, "daily@"); daily {
		t, err := time.Parse("15:04", at)
		if err != nil {
			return Reminder{}, ErrReminder.With(s)
		}
		return Reminder{Daily: true, At: time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute}, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Minute || d > maxBefore {
		return Reminder{}, ErrReminder.With(s)
	}
	return Reminder{Before: d}, nil
}

// Due is when to remind of what starts at start.
func (r Reminder) Due(start time.Time) time.Time {
	if !r.Daily {
		return start.Add(-r.Before)
	}
	due := start.UTC().Truncate(24 * time.Hour).Add(r.At)
	if !due.Before(start) {
		due = due.Add(-24 * time.Hour)
	}
	return due
}

// RemindersOf reads a list of reminders, leaving out what cannot be read.
func RemindersOf(list []string) []Reminder {
	var out []Reminder
	for _, s := range list {
		if r, err := ParseReminder(s); err == nil {
			out = append(out, r)
		}
	}
	return out
}
