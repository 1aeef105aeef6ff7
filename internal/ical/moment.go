package ical

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/emersion/go-ical"
)

const (
	date     = "20060102"
	dateTime = "20060102T150405"

	localDate     = "2006-01-02"
	localDateTime = "2006-01-02T15:04:05"
)

// locations caches zones by the names people gave them; reading one takes longer than reading a whole mail.
var (
	locations sync.Map
	known     atomic.Int64
)

const maxKnown = 5_000

// moment reads a DATE or DATE-TIME property (RFC 5545 §3.3.4, §3.3.5).
func (z *zones) moment(p *ical.Prop) (event.Moment, error) {
	return z.momentOf(p.Value, p.Params.Get(ical.ParamTimezoneID))
}

func (z *zones) momentOf(v, tzid string) (event.Moment, error) {
	v = strings.Trim(v, " \t\"")
	if len(v) == len(date) || len(v) == len(date)+1 && v[len(date)] == 'Z' { // QUIRK: Google's birthdays and others put a Z behind dates
		v = v[:len(date)]
		t, err := time.Parse(date, v)
		if err != nil || !plausible(t) {
			return event.Moment{}, fmt.Errorf("%q is not a date", v)
		}
		return event.Moment{Local: t.Format(localDate), AllDay: true, UTC: t}, nil
	}
	c := clock{loc: time.UTC} // UTC wins over a TZID that contradicts it
	if !strings.HasSuffix(v, "Z") {
		var err error
		if c, err = z.clock(tzid); err != nil {
			return event.Moment{}, err
		}
		z.floats = z.floats || cleanTZID(tzid) == ""
	}
	wall, err := time.Parse(dateTime, strings.TrimSuffix(v, "Z"))
	if err != nil { // QUIRK: seconds are missing in what some web shops write
		if wall, err = time.Parse("20060102T1504", strings.TrimSuffix(v, "Z")); err != nil {
			return event.Moment{}, fmt.Errorf("%q is not a date-time", v)
		}
	}
	if !plausible(wall) {
		return event.Moment{}, fmt.Errorf("%q is in no year", v)
	}
	return c.moment(wall), nil
}

// plausible says whether a time has a year that can be written, in every zone and a while later.
func plausible(t time.Time) bool { return t.Year() > 1 && t.Year() < 9000 }

// moment is wall time as this clock shows it.
func (c clock) moment(wall time.Time) event.Moment {
	utc := c.instant(wall)
	if c.custom != nil || c.loc == time.UTC { // rules without a name: only the instant can be kept
		return event.Moment{Local: utc.Format(localDateTime), UTC: utc}
	}
	// A wall time that the clock skips is shown as the one it jumps to.
	return event.Moment{Local: utc.In(c.loc).Format(localDateTime), TZID: c.loc.String(), UTC: utc}
}

// instant is when the clock shows a wall time.
func (c clock) instant(wall time.Time) time.Time {
	if c.custom != nil {
		return recur.Instant(wall, func(at time.Time) int { return c.custom.offsetAt(at.Unix()) })
	}
	return recur.Instant(wall, recur.Offset(c.loc))
}

// later is a moment d after m, on the wall for whole days and in fact for hours (RFC 5545 §3.3.6).
func later(m event.Moment, d time.Duration) event.Moment {
	if m.AllDay {
		t := m.UTC.AddDate(0, 0, max(1, int(d/(24*time.Hour))))
		return event.Moment{Local: t.Format(localDate), AllDay: true, UTC: t}
	}
	return recur.At(m.UTC.Add(d), m.TZID)
}
