package ical

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/emersion/go-ical"
)

// Calendar is what a calendar object says, as far as iTIP needs it.
type Calendar struct {
	Method   string // upper case; empty if there is none
	ProdID   string
	Events   []Event
	Others   int      // components that are neither events nor zones: tasks, journals, free/busy
	Problems []string // what was dropped while reading
	Unknown  []string // TZIDs that could not be resolved, as written
}

// Event is a VEVENT.
type Event struct {
	UID         string
	Sequence    int
	DTStamp     time.Time
	Summary     string
	Description string
	Location    string
	Status      string // upper case
	Start, End  event.Moment
	Organizer   Person
	Attendees   []Attendee
	Instance    event.InstanceID // RECURRENCE-ID; empty: the event itself
	ThisAndNext bool             // RECURRENCE-ID with RANGE=THISANDFUTURE
	Recurrence  event.Recurrence
	Comment     string
	ReplyTime   time.Time // X-MICROSOFT-CDO-REPLYTIME, when Outlook says more than DTSTAMP
	Problems    []string  // times that could not be resolved and the like
	Unnamed     bool      // the start is in a zone known only by the rules of a VTIMEZONE
}

// Person is a calendar user address with a name.
type Person struct {
	Address string // without mailto:
	Name    string
	SentBy  string // without mailto:
}

// Attendee is an ATTENDEE.
type Attendee struct {
	Person
	PartStat    string // upper case
	DelegatedTo []string
}

// Read reads the first calendar of a file; see [ReadAll].
func Read(data []byte) (*Calendar, error) {
	all, err := ReadAll(data)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ReadAll reads all calendars of a file (RFC 5545 §3.4). It fails with [ErrTooLarge], [ErrTooDeep] or [ErrNoCalendar];
// anything smaller that is wrong is dropped and noted, with the first calendar.
func ReadAll(data []byte) ([]*Calendar, error) {
	roots, problems, err := parse(data)
	if err != nil {
		return nil, err
	}
	all := make([]*Calendar, 0, len(roots))
	for _, root := range roots {
		all = append(all, readCalendar(root))
	}
	all[0].Problems = append(problems, all[0].Problems...)
	return all, nil
}

func readCalendar(root *ical.Component) *Calendar {
	cal := &Calendar{Method: strings.ToUpper(strings.TrimSpace(value(root, ical.PropMethod))), ProdID: textOf(root, ical.PropProductID)}
	zones := newZones(root)
	for _, comp := range root.Children {
		switch comp.Name {
		case ical.CompEvent:
			cal.Events = append(cal.Events, readEvent(comp, zones))
		case ical.CompTimezone:
		default:
			cal.Others++
		}
	}
	for _, comp := range root.Children { // also where nobody asked yet: in alarms, tasks, unknown properties
		zones.check(comp)
	}
	cal.Unknown = zones.unresolved
	if zones.floats {
		cal.Problems = append(cal.Problems, "there are times without a zone; they are taken for "+zones.floating.String())
	}
	return cal
}

// check resolves every TZID below a component.
func (z *zones) check(c *ical.Component) {
	for _, props := range c.Props {
		for i := range props {
			if tzid := props[i].Params.Get(ical.ParamTimezoneID); tzid != "" && !strings.HasSuffix(strings.TrimSpace(props[i].Value), "Z") {
				_, _ = z.clock(tzid)
			}
		}
	}
	for _, child := range c.Children {
		z.check(child)
	}
}

func readEvent(c *ical.Component, z *zones) Event {
	e := Event{
		UID: strings.TrimSpace(value(c, ical.PropUID)), Status: strings.ToUpper(strings.TrimSpace(value(c, ical.PropStatus))),
		Summary: textOf(c, ical.PropSummary), Description: textOf(c, ical.PropDescription), Location: textOf(c, ical.PropLocation),
		Comment: textOf(c, ical.PropComment), Organizer: person(c.Props.Get(ical.PropOrganizer)),
	}
	e.Sequence, _ = strconv.Atoi(strings.TrimSpace(value(c, ical.PropSequence)))
	e.Sequence = max(0, e.Sequence)
	e.DTStamp = stamp(value(c, ical.PropDateTimeStamp))
	e.ReplyTime = stamp(value(c, "X-MICROSOFT-CDO-REPLYTIME"))
	for i := range c.Props[ical.PropAttendee] {
		prop := &c.Props[ical.PropAttendee][i]
		a := Attendee{Person: person(prop), PartStat: strings.ToUpper(strings.TrimSpace(prop.Params.Get(ical.ParamParticipationStatus)))}
		for _, to := range prop.Params[ical.ParamDelegatedTo] {
			a.DelegatedTo = append(a.DelegatedTo, address(to))
		}
		e.Attendees = append(e.Attendees, a)
	}
	e.readTimes(c, z)
	e.readRecurrence(c, z)
	return e
}

func (e *Event) problem(name string, err error) {
	e.Problems = append(e.Problems, name+": "+err.Error())
}

// maxDates bounds RDATE and EXDATE lists.
const maxDates = 5_000

// readRecurrence reads RRULE, RDATE, EXDATE and RECURRENCE-ID.
func (e *Event) readRecurrence(c *ical.Component, z *zones) {
	if p := c.Props.Get(ical.PropRecurrenceID); p != nil {
		m, err := z.moment(p)
		if err != nil {
			e.problem("RECURRENCE-ID", err)
		}
		e.Instance = m.Instance()
		e.ThisAndNext = strings.EqualFold(p.Params.Get("RANGE"), "THISANDFUTURE")
		if e.Instance == "" {
			e.Instance = "unreadable" // never the whole series
		}
	}
	if rule := strings.TrimSpace(value(c, ical.PropRecurrenceRule)); rule != "" && !e.Start.IsZero() {
		var err error
		if e.Recurrence.Rule, err = recur.Rule(rule, e.Start); err != nil {
			e.problem("RRULE", err)
		}
		if e.Unnamed {
			e.problem("RRULE", fmt.Errorf("%w: rules without a name cannot be followed for a series", ErrZone))
		}
	}
	e.Recurrence.Dates = e.dates(c, z, ical.PropRecurrenceDates)
	if without := e.dates(c, z, ical.PropExceptionDates); !e.Recurrence.IsZero() {
		e.Recurrence.Without = without
	}
}

// dates reads a list of moments; of a PERIOD its start counts.
func (e *Event) dates(c *ical.Component, z *zones, name string) (list []event.Moment) {
	for _, p := range c.Props[name] {
		tzid := p.Params.Get(ical.ParamTimezoneID)
		for v := range strings.SplitSeq(p.Value, ",") {
			v, _, _ = strings.Cut(strings.TrimSpace(v), "/")
			if v == "" {
				continue
			}
			m, err := z.momentOf(v, tzid)
			if err != nil || len(list) >= maxDates {
				if err != nil {
					e.problem(name, err)
				}
				return list
			}
			if m.AllDay && !e.Start.AllDay && !e.Start.IsZero() { // QUIRK: Lotus Notes writes whole days for meetings with a time
				if m, err = z.momentOf(v+e.Start.UTC.In(recur.Zone(e.Start.TZID)).Format("T150405"), e.Start.TZID); err != nil {
					continue
				}
			}
			list = append(list, m)
		}
	}
	return list
}

// readTimes resolves DTSTART and DTEND or DURATION (RFC 5545 §3.6.1).
func (e *Event) readTimes(c *ical.Component, z *zones) {
	problem := e.problem
	start := c.Props.Get(ical.PropDateTimeStart)
	if start == nil {
		return
	}
	e.Unnamed = z.isCustom(start)
	var err error
	if e.Start, err = z.moment(start); err != nil {
		problem("DTSTART", err)
		return
	}
	if end := c.Props.Get(ical.PropDateTimeEnd); end != nil {
		if e.End, err = z.moment(end); err != nil {
			problem("DTEND", err)
		}
		return
	}
	length := time.Duration(0)
	if d := c.Props.Get(ical.PropDuration); d != nil {
		d.Value = strings.TrimSpace(d.Value)
		if length, err = d.Duration(); err != nil {
			problem("DURATION", err)
			return
		}
	} else if e.Start.AllDay {
		length = 24 * time.Hour
	}
	if e.End = later(e.Start, length); !plausible(e.End.UTC) {
		e.End = event.Moment{}
		problem("DURATION", errors.New("it ends in no year"))
	}
}

func value(c *ical.Component, name string) string {
	if p := c.Props.Get(name); p != nil {
		return p.Value
	}
	return ""
}

func textOf(c *ical.Component, name string) string {
	return strings.TrimSpace(unescape(value(c, name)))
}

func person(p *ical.Prop) Person {
	if p == nil {
		return Person{}
	}
	return Person{Address: address(p.Value), Name: strings.TrimSpace(p.Params.Get(ical.ParamCommonName)), SentBy: address(p.Params.Get(ical.ParamSentBy))}
}

// address strips mailto:, in any case.
func address(s string) string {
	s = strings.TrimSpace(s)
	if len(s) >= 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	return strings.TrimSpace(s)
}

// stamp reads a UTC date-time; the zero time if it is none. A missing Z is forgiven: DTSTAMP is UTC by definition.
func stamp(s string) time.Time {
	t, err := time.Parse(dateTime, strings.TrimSuffix(strings.TrimSpace(s), "Z"))
	if err != nil || !plausible(t) {
		return time.Time{}
	}
	return t
}
