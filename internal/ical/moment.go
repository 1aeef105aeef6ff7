package ical

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/emersion/go-ical"
)

const (
	date     = "20060102"
	dateTime = "20060102T150405"

	localDate     = "2006-01-02"
	localDateTime = "2006-01-02T15:04:05"
)

// ErrZone says that a time's zone is not known. Taking it for UTC would move the meeting by hours, silently.
var ErrZone = errors.New("unknown time zone")

// moment reads a DATE or DATE-TIME property (RFC 5545 §3.3.4, §3.3.5).
func moment(p *ical.Prop) (event.Moment, error) {
	v := strings.TrimSpace(p.Value)
	if len(v) == len(date) {
		t, err := time.Parse(date, v)
		if err != nil {
			return event.Moment{}, fmt.Errorf("%q is not a date", v)
		}
		return event.Moment{Local: t.Format(localDate), AllDay: true, UTC: t}, nil
	}
	tzid := p.Params.Get(ical.ParamTimezoneID)
	if strings.HasSuffix(v, "Z") {
		tzid = "" // UTC wins over a TZID that contradicts it
	}
	loc, err := zone(tzid)
	if err != nil {
		return event.Moment{}, err
	}
	t, err := time.ParseInLocation(dateTime, strings.TrimSuffix(v, "Z"), loc)
	if err != nil {
		return event.Moment{}, fmt.Errorf("%q is not a date-time", v)
	}
	m := event.Moment{Local: t.Format(localDateTime), UTC: t.UTC()}
	if loc != time.UTC {
		m.TZID = loc.String()
	}
	return m, nil
}

// zone resolves a TZID. A time without zone and Z is "floating"; it is taken for UTC, as calendars do that mail them.
func zone(tzid string) (*time.Location, error) {
	name := strings.Trim(strings.TrimSpace(tzid), `"`)
	switch strings.ToUpper(name) {
	case "", "UTC", "ETC/UTC", "GMT", "Z":
		return time.UTC, nil
	case "LOCAL":
		return nil, fmt.Errorf("%w %q", ErrZone, tzid)
	}
	if loc, ok := locations.Load(name); ok {
		return loc.(*time.Location), nil //nolint:forcetypeassert // only this function stores here
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%w %q", ErrZone, tzid)
	}
	locations.Store(name, loc)
	return loc, nil
}

// locations caches zones by IANA name; reading one takes longer than reading a whole mail. Only names that exist get
// in, so it is bounded.
var locations sync.Map

// later is a moment d after m, on the wall for whole days and in fact for hours (RFC 5545 §3.3.6).
func later(m event.Moment, d time.Duration) event.Moment {
	if m.AllDay {
		t := m.UTC.AddDate(0, 0, max(1, int(d/(24*time.Hour))))
		return event.Moment{Local: t.Format(localDate), AllDay: true, UTC: t}
	}
	loc, err := zone(m.TZID)
	if err != nil {
		loc = time.UTC
	}
	t := m.UTC.Add(d)
	return event.Moment{Local: t.In(loc).Format(localDateTime), TZID: m.TZID, UTC: t}
}
