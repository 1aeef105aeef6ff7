package ical

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-ical"
	"github.com/teambition/rrule-go"
)

// customZone is a zone known only by the rules of a VTIMEZONE (RFC 5545 §3.6.5).
type customZone struct {
	changes []change // by instant
	before  int      // seconds east of UTC before the first change
}

// change is the moment an offset begins to hold.
type change struct {
	at     int64 // Unix seconds
	offset int   // seconds east of UTC
}

const (
	firstYear, lastYear = 1970, 2100 // rules are followed between these
	maxChanges          = 2_000
)

// newCustomZone reads the rules; nil if there are none that can be read.
func newCustomZone(def *ical.Component) *customZone {
	z := &customZone{}
	first := true
	for _, c := range def.Children {
		if c.Name != ical.CompTimezoneStandard && c.Name != ical.CompTimezoneDaylight || len(z.changes) > maxChanges {
			continue
		}
		from, ok1 := utcOffset(value(c, ical.PropTimezoneOffsetFrom))
		to, ok2 := utcOffset(value(c, ical.PropTimezoneOffsetTo))
		start, err := time.Parse(dateTime, strings.TrimSuffix(strings.TrimSpace(value(c, ical.PropDateTimeStart)), "Z"))
		if !ok1 || !ok2 || err != nil {
			continue
		}
		if first || c.Name == ical.CompTimezoneStandard {
			z.before, first = from, false
		}
		for _, wall := range onsets(c, start) {
			z.changes = append(z.changes, change{wall.Unix() - int64(from), to})
		}
	}
	if len(z.changes) == 0 {
		return nil
	}
	slices.SortStableFunc(z.changes, func(a, b change) int { return int(min(1, max(-1, a.at-b.at))) })
	return z
}

// onsets are the wall times at which an observance begins.
func onsets(c *ical.Component, start time.Time) []time.Time {
	list := []time.Time{start}
	for _, p := range c.Props[ical.PropRecurrenceDates] {
		for v := range strings.SplitSeq(p.Value, ",") {
			if t, err := time.Parse(dateTime, strings.TrimSpace(v)); err == nil && len(list) < maxChanges {
				list = append(list, t)
			}
		}
	}
	opt, err := rrule.StrToROption(strings.TrimSpace(value(c, ical.PropRecurrenceRule)))
	if err != nil || opt.Freq > rrule.MONTHLY { // nobody changes clocks weekly
		return list
	}
	if start.Year() < firstYear && opt.Count == 0 && opt.Interval <= 1 { // QUIRK: Outlook's rules begin in 1601
		start = start.AddDate(firstYear-start.Year(), 0, 0)
	}
	const cycle = 400 // years after which the calendar is the same; see recur, where a rule that never fires is cheap so, too
	shift := (9999 - cycle - start.Year()) / cycle * cycle
	until := opt.Until
	opt.Dtstart, opt.Until = start.AddDate(shift, 0, 0), time.Time{}
	rule, err := rrule.NewRRule(*opt)
	if err != nil {
		return list
	}
	for next := rule.Iterator(); len(list) < maxChanges; {
		t, ok := next()
		if t = t.AddDate(-shift, 0, 0); !ok || t.Year() > lastYear || !until.IsZero() && t.After(until.Add(24*time.Hour)) {
			break
		}
		list = append(list, t)
	}
	return list
}

// utcOffset reads UTC-OFFSET, seconds east (RFC 5545 §3.3.14).
func utcOffset(s string) (int, bool) {
	s = strings.TrimSpace(s)
	if len(s) != 5 && len(s) != 7 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	n := [3]int{}
	for i := 1; i+1 < len(s); i += 2 {
		if s[i] < '0' || s[i] > '9' || s[i+1] < '0' || s[i+1] > '9' {
			return 0, false
		}
		n[i/2] = int(s[i]-'0')*10 + int(s[i+1]-'0')
	}
	seconds := n[0]*3600 + n[1]*60 + n[2]
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// offsetAt is how many seconds east of UTC clocks are at an instant.
func (z *customZone) offsetAt(unix int64) int {
	i, found := slices.BinarySearchFunc(z.changes, unix, func(c change, at int64) int { return int(min(1, max(-1, c.at-at))) })
	for found && i+1 < len(z.changes) && z.changes[i+1].at == unix {
		i++
	}
	if !found {
		i--
	}
	if i < 0 {
		return z.before
	}
	return z.changes[i].offset
}

// equivalent finds an IANA zone whose clocks show the same for ten years around now, so that what follows is known by
// a name; nil if there is none.
func (z *customZone) equivalent() *time.Location {
	for _, loc := range candidates() {
		if z.sameAs(loc) {
			return loc
		}
	}
	return nil
}

var compared = sync.OnceValue(func() (at []int64) {
	start := time.Date(2024, 1, 1, 3, 30, 0, 0, time.UTC)
	for d := range 10 * 366 / 3 {
		at = append(at, start.AddDate(0, 0, 3*d).Unix())
	}
	return at
})

func (z *customZone) sameAs(loc *time.Location) bool {
	same := func(at int64) bool {
		_, offset := time.Unix(at, 0).In(loc).Zone()
		return offset == z.offsetAt(at)
	}
	for _, at := range compared() {
		if !same(at) {
			return false
		}
	}
	from, to := compared()[0], compared()[len(compared())-1]
	for _, c := range z.changes { // and to the second around every change
		if c.at > from && c.at < to && (!same(c.at-1) || !same(c.at)) {
			return false
		}
	}
	return true
}
