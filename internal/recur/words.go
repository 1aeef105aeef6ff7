package recur

import (
	"fmt"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
)

// Repeats says how a series repeats, in few words; empty for a single event.
func Repeats(c event.Content) string {
	if c.Recurrence.IsZero() {
		return ""
	}
	words := map[string]string{"DAILY": "every day", "WEEKLY": "every week", "MONTHLY": "every month", "YEARLY": "every year"}
	parts := map[string]string{}
	for p := range strings.SplitSeq(c.Recurrence.Rule, ";") {
		name, value, _ := strings.Cut(p, "=")
		parts[name] = value
	}
	said := words[parts["FREQ"]]
	switch {
	case said == "":
		return "on several dates"
	case parts["INTERVAL"] != "" && parts["INTERVAL"] != "1":
		said = fmt.Sprintf("every %s %ss", parts["INTERVAL"], strings.TrimPrefix(said, "every "))
	}
	if n := parts["COUNT"]; n != "" {
		said += ", " + n + " times"
	}
	if until, err := time.Parse("20060102", parts["UNTIL"][:min(8, len(parts["UNTIL"]))]); err == nil {
		said += ", until " + until.Format("2 Jan 2006")
	}
	return said
}

// When says a time the way the organizer wrote it.
func When(from, to event.Moment) string {
	start, err1 := parseLocal(from)
	end, err2 := parseLocal(to)
	if err1 != nil || err2 != nil {
		return from.Local
	}
	if from.AllDay {
		if end = end.AddDate(0, 0, -1); end.After(start) { // the end is exclusive
			return start.Format("Mon 2 Jan 2006") + " – " + end.Format("Mon 2 Jan 2006")
		}
		return start.Format("Mon 2 Jan 2006")
	}
	zone := from.TZID
	if zone == "" {
		zone = "UTC"
	}
	layout := "15:04"
	if start.Format("20060102") != end.Format("20060102") {
		layout = "Mon 2 Jan 2006 15:04"
	}
	return fmt.Sprintf("%s – %s (%s)", start.Format("Mon 2 Jan 2006 15:04"), end.Format(layout), zone)
}

func parseLocal(m event.Moment) (time.Time, error) {
	if m.AllDay {
		return time.Parse("2006-01-02", m.Local)
	}
	return time.Parse("2006-01-02T15:04:05", m.Local)
}
