package ical

import (
	"fmt"
	"time"

	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/emersion/go-ical"
)

// ruleYears is how long clocks must have followed one rule for it to be written as one.
const ruleYears = 8

// vtimezone describes an IANA zone from the year before from on (RFC 5545 §3.6.5): where clocks change by one rule every
// year, as two rules and nothing else, which is what Outlook can read; else each change, beginning with the offset.
func vtimezone(tzid string, from time.Time) *ical.Component {
	loc := recur.Zone(tzid)
	start := time.Date(from.In(loc).Year()-1, 1, 1, 0, 0, 0, 0, loc)
	zone := ical.NewComponent(ical.CompTimezone)
	set(zone, ical.PropTimezoneID, tzid)
	changes := transitions(loc, start, start.AddDate(ruleYears+1, 0, 0))
	if len(changes) > 1 {
		if a, b := yearly(changes, 0), yearly(changes, 1); a != "" && b != "" {
			zone.Children = append(zone.Children, changes[0].component(a), changes[1].component(b))
			return zone
		}
	}
	name, offset := start.Zone()
	first := observance{at: start, from: offset, to: offset, name: name, daylight: start.IsDST()}
	zone.Children = append(zone.Children, first.component(""))
	for _, c := range changes {
		zone.Children = append(zone.Children, c.component(""))
	}
	return zone
}

// observance is a period in which clocks keep one offset.
type observance struct {
	at       time.Time // the instant it begins, in the zone
	from, to int       // seconds east of UTC
	name     string
	daylight bool
}

// transitions finds the changes of clocks between two instants, to the second.
func transitions(loc *time.Location, from, to time.Time) (list []observance) {
	for at := from; at.Before(to); {
		_, end := at.ZoneBounds()
		if end.IsZero() || end.After(to) {
			break
		}
		_, before := end.Add(-time.Second).In(loc).Zone()
		name, after := end.In(loc).Zone()
		list = append(list, observance{at: end.In(loc), from: before, to: after, name: name, daylight: end.In(loc).IsDST()})
		at = end
	}
	return list
}

// wall is the local time at which the observance begins, by the clock as it was before.
func (o observance) wall() time.Time {
	return o.at.UTC().Add(time.Duration(o.from) * time.Second)
}

// yearly is the rule that every second change, from the i-th on, follows; empty if there is none.
func yearly(changes []observance, i int) string {
	if len(changes) < 2*ruleYears {
		return ""
	}
	days := [...]string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}
	candidates := []func(t time.Time) string{
		func(t time.Time) string { // the last Sunday
			if t.AddDate(0, 0, 7).Month() == t.Month() {
				return ""
			}
			return fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYDAY=-1%s", t.Month(), days[t.Weekday()])
		},
		func(t time.Time) string { // the second Sunday
			return fmt.Sprintf("FREQ=YEARLY;BYMONTH=%d;BYDAY=%d%s", t.Month(), (t.Day()-1)/7+1, days[t.Weekday()])
		},
	}
	for _, rule := range candidates {
		first := rule(changes[i].wall())
		same := first != ""
		for n := i; same && n < len(changes); n += 2 {
			c := changes[n]
			same = rule(c.wall()) == first && c.wall().Format("150405") == changes[i].wall().Format("150405") && c.to == changes[i].to && c.from == changes[i].from
		}
		if same {
			return first
		}
	}
	return ""
}

func (o observance) component(rule string) *ical.Component {
	kind := ical.CompTimezoneStandard
	if o.daylight {
		kind = ical.CompTimezoneDaylight
	}
	c := ical.NewComponent(kind)
	set(c, ical.PropDateTimeStart, o.wall().Format(dateTime))
	set(c, ical.PropTimezoneOffsetFrom, formatOffset(o.from))
	set(c, ical.PropTimezoneOffsetTo, formatOffset(o.to))
	set(c, ical.PropTimezoneName, o.name)
	if rule != "" {
		set(c, ical.PropRecurrenceRule, rule)
	}
	return c
}

func formatOffset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	if seconds%60 != 0 {
		return fmt.Sprintf("%c%02d%02d%02d", sign, seconds/3600, seconds/60%60, seconds%60)
	}
	return fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
}
