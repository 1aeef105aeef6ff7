// Package recur knows when the instances of a series take place (RFC 5545 §3.8.5), over teambition/rrule-go. Every
// answer is bounded: a rule without an end is followed for [MaxInstances] instances, one that repeats more often than
// daily is refused.
//
// Start reading at [Rule] and [Starts].
package recur

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zones by IANA name, whatever the machine has installed

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/teambition/rrule-go"
)

// MaxInstances is how many instances of a series are looked at: fifty years, daily.
const MaxInstances = 20_000

// ErrRule says that a recurrence rule cannot be used.
var ErrRule = errors.New("the recurrence rule cannot be used")

// Zone is the zone of an IANA name; UTC for an empty or unknown one.
func Zone(tzid string) *time.Location {
	if tzid == "" {
		return time.UTC
	}
	if loc, ok := zones.Load(tzid); ok {
		return loc.(*time.Location) //nolint:forcetypeassert // only this function stores here
	}
	loc, err := time.LoadLocation(tzid)
	if err != nil {
		return time.UTC
	}
	zones.Store(tzid, loc) // only names that exist: bounded
	return loc
}

var zones sync.Map

// At is the moment at an instant as clocks in an IANA zone show it; UTC if the zone is empty or unknown.
func At(t time.Time, tzid string) event.Moment {
	loc := Zone(tzid)
	if loc == time.UTC {
		tzid = ""
	}
	return event.Moment{Local: t.In(loc).Format("2006-01-02T15:04:05"), TZID: tzid, UTC: t.UTC()}
}

// Instant is when clocks show a wall time, given as if it were UTC: the first time if they do so twice; a time that is
// skipped is read with the offset from before the gap (RFC 5545 §3.3.5). offset is seconds east of UTC at an instant.
func Instant(wall time.Time, offset func(time.Time) int) time.Time {
	shifted := func(seconds int) time.Time { return wall.Add(-time.Duration(seconds) * time.Second) }
	before, after := offset(wall.Add(-24*time.Hour)), offset(wall.Add(24*time.Hour))
	if early := shifted(before); before == after || offset(early) == before {
		return early
	}
	if late := shifted(after); offset(late) == after {
		return late
	}
	return shifted(before)
}

// Offset is a zone's offset for [Instant].
func Offset(loc *time.Location) func(time.Time) int {
	return func(at time.Time) int {
		_, seconds := at.In(loc).Zone()
		return seconds
	}
}

// Rule checks an RRULE's value for a series that starts at start and returns it in one spelling, with UNTIL in UTC. It
// fails with [ErrRule].
func Rule(value string, start event.Moment) (string, error) {
	opt, err := option(value, start)
	if err != nil {
		return "", err
	}
	if _, err := rrule.NewRRule(*opt); err != nil {
		return "", fmt.Errorf("%w: %w", ErrRule, err)
	}
	s := opt.RRuleString()
	if start.AllDay { // UNTIL has the type of DTSTART (RFC 5545 §3.3.10)
		if i := strings.Index(s, "UNTIL="); i >= 0 && len(s) >= i+6+16 {
			s = s[:i+6+8] + s[i+6+16:]
		}
	}
	return s, nil
}

func option(value string, start event.Moment) (*rrule.ROption, error) {
	if len(value) > 2000 {
		return nil, fmt.Errorf("%w: it is too long", ErrRule)
	}
	value = tidy(value)
	opt, err := rrule.StrToROptionInLocation(value, Zone(start.TZID))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRule, err)
	}
	if opt.Freq > rrule.DAILY {
		return nil, fmt.Errorf("%w: it repeats more often than daily", ErrRule)
	}
	opt.Dtstart = local(start)
	return opt, nil
}

// tidy drops what changes nothing: blanks (QUIRK: "BYDAY=MO, TU"), empty parts, RFC 7529's words for the calendar
// everybody uses, and extensions. A part that could matter and is not understood stays, and is refused.
func tidy(value string) string {
	value = strings.TrimPrefix(strings.ToUpper(strings.Join(strings.Fields(value), "")), "RRULE:")
	var parts []string
	for p := range strings.SplitSeq(value, ";") {
		if p != "" && p != "RSCALE=GREGORIAN" && p != "SKIP=OMIT" && !strings.HasPrefix(p, "X-") {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ";")
}

// local is a moment in its own zone, which is where rules count.
func local(m event.Moment) time.Time { return m.UTC.In(Zone(m.TZID)) }

// Starts are the starts of a content's instances in order, the first [MaxInstances] of them; of a single event, its one
// start. DTSTART always counts, whether it fits the rule or not, as in every calendar.
func Starts(c event.Content) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		first := c.Start.UTC
		extra := []time.Time{first}
		for _, d := range c.Recurrence.Dates {
			extra = append(extra, d.UTC)
		}
		slices.SortFunc(extra, time.Time.Compare)
		without := map[int64]bool{}
		for _, d := range c.Recurrence.Without {
			without[d.UTC.Unix()] = true
		}
		next := ruled(c)
		ruled, more := next()
		var last time.Time
		for n := 0; n < MaxInstances && (more || len(extra) > 0); n++ {
			var t time.Time
			if len(extra) > 0 && (!more || !extra[0].After(ruled)) {
				t, extra = extra[0], extra[1:]
			} else {
				t = ruled
				ruled, more = next()
			}
			if t = t.UTC(); n > 0 && t.Equal(last) || without[t.Unix()] {
				continue
			}
			last = t
			if !yield(t) {
				return
			}
		}
	}
}

// cycle is how often the calendar repeats itself, weekdays and all, in years.
const cycle = 400

// ruled iterates over what the rule gives. rrule-go looks for a rule's next time until the year 9999, which for a rule
// that never fires (30 February) takes a tenth of a second; so it is asked about the last years before that, whose
// calendar is the same.
func ruled(c event.Content) func() (time.Time, bool) {
	none := func() (time.Time, bool) { return time.Time{}, false }
	if c.Recurrence.Rule == "" {
		return none
	}
	opt, err := option(c.Recurrence.Rule, c.Start)
	if err != nil {
		return none
	}
	offset, until := Offset(Zone(c.Start.TZID)), opt.Until
	wall := local(c.Start)
	shift := (9999 - cycle - wall.Year()) / cycle * cycle
	opt.Until = time.Time{}
	opt.Dtstart = time.Date(wall.Year()+shift, wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, time.UTC)
	rule, err := rrule.NewRRule(*opt)
	if err != nil {
		return none
	}
	next := rule.Iterator()
	return func() (time.Time, bool) {
		t, ok := next()
		if !ok {
			return t, false
		}
		t = Instant(t.AddDate(-shift, 0, 0), offset)
		return t, until.IsZero() || !t.After(until)
	}
}

// Includes says whether a series has an instance that originally starts at the id's time.
func Includes(c event.Content, id event.InstanceID) bool {
	at, allDay, ok := id.Time()
	if !ok || allDay != c.Start.AllDay {
		return false
	}
	for t := range Starts(c) {
		if !t.Before(at) {
			return t.Equal(at)
		}
	}
	return false
}

// Over says whether the last instance has ended.
func Over(c event.Content, now time.Time) bool {
	length := c.End.UTC.Sub(c.Start.UTC)
	if c.Recurrence.IsZero() {
		return c.End.UTC.Before(now)
	}
	if opt, err := option(c.Recurrence.Rule, c.Start); c.Recurrence.Rule != "" && err == nil && opt.Count == 0 && opt.Until.IsZero() {
		return false // it has no last one
	}
	any := false
	for t := range Starts(c) {
		any = true
		if !t.Add(length).Before(now) {
			return false
		}
	}
	return any || c.End.UTC.Before(now)
}

// Instance is what a series' content says about one of its instances, as a single event.
func Instance(c event.Content, id event.InstanceID) event.Content {
	at, _, ok := id.Time()
	if !ok {
		return c
	}
	length := c.End.UTC.Sub(c.Start.UTC)
	c.Recurrence = event.Recurrence{}
	if c.Start.AllDay {
		c.Start, c.End = day(at), day(at.Add(length))
		return c
	}
	c.Start, c.End = At(at, c.Start.TZID), At(at.Add(length), c.End.TZID)
	return c
}

func day(t time.Time) event.Moment {
	return event.Moment{Local: t.Format("2006-01-02"), AllDay: true, UTC: t}
}
