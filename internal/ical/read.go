package ical

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones by IANA name, whatever the machine has installed

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/emersion/go-ical"
)

// Calendar is what a calendar object says, as far as iTIP needs it.
type Calendar struct {
	Method   string // upper case; empty if there is none
	ProdID   string
	Events   []Event
	Problems []string // what was dropped while reading
}

// Event is a VEVENT.
type Event struct {
	UID          string
	Sequence     int
	DTStamp      time.Time
	Summary      string
	Description  string
	Location     string
	Status       string // upper case
	Start, End   event.Moment
	Organizer    Person
	Attendees    []Attendee
	RecurrenceID string // as written; empty: the event itself
	Recurring    bool   // RRULE or RDATE
	Comment      string
	ReplyTime    time.Time // X-MICROSOFT-CDO-REPLYTIME, when Outlook says more than DTSTAMP
	Problems     []string  // times that could not be resolved and the like
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
	PartStat string // upper case
}

// Read reads a calendar object. It fails with [ErrTooLarge], [ErrTooDeep] or [ErrNoCalendar]; anything smaller that is
// wrong is dropped and noted.
func Read(data []byte) (*Calendar, error) {
	root, problems, err := parse(data)
	if err != nil {
		return nil, err
	}
	cal := &Calendar{Method: strings.ToUpper(value(root, ical.PropMethod)), ProdID: textOf(root, ical.PropProductID), Problems: problems}
	for _, comp := range root.Children {
		if comp.Name == ical.CompEvent {
			cal.Events = append(cal.Events, readEvent(comp))
		}
	}
	return cal, nil
}

func readEvent(c *ical.Component) Event {
	e := Event{
		UID: strings.TrimSpace(value(c, ical.PropUID)), Status: strings.ToUpper(strings.TrimSpace(value(c, ical.PropStatus))),
		Summary: textOf(c, ical.PropSummary), Description: textOf(c, ical.PropDescription), Location: textOf(c, ical.PropLocation),
		Comment: textOf(c, ical.PropComment), RecurrenceID: strings.TrimSpace(value(c, ical.PropRecurrenceID)),
		Recurring: value(c, ical.PropRecurrenceRule) != "" || value(c, ical.PropRecurrenceDates) != "",
		Organizer: person(c.Props.Get(ical.PropOrganizer)),
	}
	e.Sequence, _ = strconv.Atoi(strings.TrimSpace(value(c, ical.PropSequence)))
	e.DTStamp = stamp(value(c, ical.PropDateTimeStamp))
	e.ReplyTime = stamp(value(c, "X-MICROSOFT-CDO-REPLYTIME"))
	for i := range c.Props[ical.PropAttendee] {
		prop := &c.Props[ical.PropAttendee][i]
		e.Attendees = append(e.Attendees, Attendee{Person: person(prop), PartStat: strings.ToUpper(prop.Params.Get(ical.ParamParticipationStatus))})
	}
	e.readTimes(c)
	return e
}

// readTimes resolves DTSTART and DTEND or DURATION (RFC 5545 §3.6.1).
func (e *Event) readTimes(c *ical.Component) {
	problem := func(name string, err error) { e.Problems = append(e.Problems, name+": "+err.Error()) }
	start := c.Props.Get(ical.PropDateTimeStart)
	if start == nil {
		return
	}
	var err error
	if e.Start, err = moment(start); err != nil {
		problem("DTSTART", err)
		return
	}
	if end := c.Props.Get(ical.PropDateTimeEnd); end != nil {
		if e.End, err = moment(end); err != nil {
			problem("DTEND", err)
		}
		return
	}
	length := time.Duration(0)
	if d := c.Props.Get(ical.PropDuration); d != nil {
		if length, err = d.Duration(); err != nil {
			problem("DURATION", err)
			return
		}
	} else if e.Start.AllDay {
		length = 24 * time.Hour
	}
	e.End = later(e.Start, length)
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
	if err != nil {
		return time.Time{}
	}
	return t
}
