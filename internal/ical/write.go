package ical

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/emersion/go-ical"
)

// ProdID is how the server names itself in what it writes.
const ProdID = "-//Calendar Invite Server//EN"

// Message is an iTIP message to one attendee (RFC 5546 §3.2.2, §3.2.5, §3.2.8).
type Message struct {
	Method    string // REQUEST, CANCEL, DECLINECOUNTER or PUBLISH
	UID       string
	Sequence  int
	DTStamp   time.Time
	Content   event.Content
	Organizer Person
	Attendee  Attendee
	Alarm     time.Duration // before the start; 0: none

	Instance event.InstanceID // the one instance of a series this is about: there is no master beside it, or Outlook ignores it
	Zone     string           // then: the zone of the series, in which RECURRENCE-ID is written
	Comment  string
}

// Write encodes a message. It fails only if a field makes the result invalid (an empty UID, say).
func Write(m Message) ([]byte, error) { return encode(m.Method, "", []Message{m}) }

// Publish encodes events for anybody to look at (RFC 5546 §3.2.1): a calendar with a name, without attendees. The
// messages' Method may be CANCEL for those that do not take place.
func Publish(name string, list []Message) ([]byte, error) { return encode("PUBLISH", name, list) }

func encode(method, name string, list []Message) ([]byte, error) {
	cal := ical.NewCalendar()
	cal.Props.SetText(ical.PropVersion, "2.0")
	cal.Props.SetText(ical.PropProductID, ProdID)
	cal.Props.SetText(ical.PropCalendarScale, "GREGORIAN")
	cal.Props.SetText(ical.PropMethod, method)
	if name = clean(name, false); name != "" {
		cal.Props.SetText("NAME", name) // RFC 7986 §5.1
		cal.Props.SetText("X-WR-CALNAME", name)
		refresh := ical.NewProp("REFRESH-INTERVAL")
		refresh.Params.Set(ical.ParamValue, "DURATION")
		refresh.Value = "PT1H"
		cal.Props.Set(refresh)
	}
	zones := map[string]bool{}
	var events []*ical.Component
	for _, m := range list {
		zone := m.Zone
		if !m.Content.Recurrence.IsZero() {
			zone = m.Content.Start.TZID
		}
		events = append(events, component(m, zone))
		if zone != "" && !m.Content.Start.AllDay && !zones[zone] {
			zones[zone] = true
			cal.Children = append(cal.Children, vtimezone(zone, m.Content.Start.UTC))
		}
	}
	cal.Children = append(cal.Children, events...)
	if len(events) == 0 { // the library refuses a calendar without any, RFC 7986 does not
		return fold([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:" + ProdID + "\r\nMETHOD:" + method + "\r\nNAME:" + textValue(name) + "\r\nEND:VCALENDAR\r\n")), nil
	}
	var buf bytes.Buffer
	if err := ical.NewEncoder(&buf).Encode(cal); err != nil {
		return nil, fmt.Errorf("writing a calendar: %w", err)
	}
	return fold(buf.Bytes()), nil
}

// textValue escapes text (RFC 5545 §3.3.11).
func textValue(s string) string {
	return strings.NewReplacer(`\`, `\\`, `;`, `\;`, `,`, `\,`, "\n", `\n`).Replace(s)
}

// component is the VEVENT of a message.
func component(m Message, zone string) *ical.Component {
	ev := ical.NewComponent(ical.CompEvent)
	ev.Props.SetText(ical.PropUID, m.UID)
	set(ev, ical.PropSequence, strconv.Itoa(m.Sequence))
	set(ev, ical.PropDateTimeStamp, m.DTStamp.UTC().Format(dateTime)+"Z")
	if at, _, ok := m.Instance.Time(); ok {
		when := recur.At(at, zone)
		when.AllDay = len(m.Instance) == len(date)
		setMoments(ev, ical.PropRecurrenceID, zone, when)
	}
	setText(ev, ical.PropSummary, m.Content.Summary)
	setText(ev, ical.PropDescription, m.Content.Description)
	setText(ev, ical.PropLocation, m.Content.Location)
	setText(ev, ical.PropComment, m.Comment)
	setMoments(ev, ical.PropDateTimeStart, zone, m.Content.Start)
	setMoments(ev, ical.PropDateTimeEnd, zone, m.Content.End)
	if rule := m.Content.Recurrence.Rule; rule != "" {
		set(ev, ical.PropRecurrenceRule, clean(rule, false))
	}
	setMoments(ev, ical.PropRecurrenceDates, zone, m.Content.Recurrence.Dates...)
	setMoments(ev, ical.PropExceptionDates, zone, m.Content.Recurrence.Without...)
	switch m.Method {
	case "CANCEL":
		set(ev, ical.PropStatus, "CANCELLED")
	case "REQUEST", "PUBLISH":
		set(ev, ical.PropStatus, "CONFIRMED")
	}
	set(ev, ical.PropTransparency, "OPAQUE")
	if m.Organizer.Address != "" {
		ev.Props.Set(personProp(ical.PropOrganizer, m.Organizer))
	}
	if m.Attendee.Address != "" {
		ev.Props.Set(attendeeProp(m.Attendee))
	}
	if m.Alarm > 0 && m.Method == "REQUEST" {
		alarm := ical.NewComponent(ical.CompAlarm)
		set(alarm, ical.PropAction, "DISPLAY")
		alarm.Props.SetText(ical.PropDescription, "Reminder")
		set(alarm, ical.PropTrigger, fmt.Sprintf("-PT%dM", int(m.Alarm/time.Minute)))
		ev.Children = append(ev.Children, alarm)
	}
	return ev
}

func set(c *ical.Component, name, v string) {
	p := ical.NewProp(name)
	p.Value = v
	c.Props.Set(p)
}

// setText sets a TEXT property, if there is any text.
func setText(c *ical.Component, name, s string) {
	if s = clean(s, true); s != "" {
		c.Props.SetText(name, s)
	}
}

// setMoments writes a property of one or several moments: dates, times in a zone, or UTC, which needs no VTIMEZONE
// (RFC 5545 §3.3.4, §3.3.5).
func setMoments(c *ical.Component, name, zone string, list ...event.Moment) {
	var values []string
	allDay := false
	for _, m := range list {
		switch {
		case m.IsZero():
		case m.AllDay:
			allDay = true
			values = append(values, m.UTC.Format(date))
		case zone != "":
			values = append(values, m.UTC.In(recur.Zone(zone)).Format(dateTime))
		default:
			values = append(values, m.UTC.UTC().Format(dateTime)+"Z")
		}
	}
	if len(values) == 0 {
		return
	}
	p := ical.NewProp(name)
	p.Value = strings.Join(values, ",")
	switch {
	case allDay:
		p.Params.Set(ical.ParamValue, "DATE")
	case zone != "":
		p.Params.Set(ical.ParamTimezoneID, zone)
	}
	c.Props.Set(p)
}

func personProp(name string, who Person) *ical.Prop {
	p := ical.NewProp(name)
	if cn := parameter(who.Name); cn != "" {
		p.Params.Set(ical.ParamCommonName, cn)
	}
	p.Value = "mailto:" + clean(who.Address, false)
	return p
}

func attendeeProp(a Attendee) *ical.Prop {
	p := personProp(ical.PropAttendee, a.Person)
	p.Params.Set("CUTYPE", "INDIVIDUAL")
	p.Params.Set(ical.ParamRole, "REQ-PARTICIPANT")
	p.Params.Set(ical.ParamParticipationStatus, a.PartStat)
	p.Params.Set("RSVP", "TRUE")
	return p
}

// parameter makes a string fit for a parameter's value: there is no way to write a quote, a line end or a control
// character in one (RFC 5545 §3.1).
func parameter(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(clean(s, false), `"`, "'"))
}

// clean removes what cannot stand in a content line: control characters, and broken UTF-8. Line ends become \n where
// lines are allowed and a space where they are not.
func clean(s string, lines bool) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			if lines {
				return '\n'
			}
			return ' '
		case r == '\t':
			return ' '
		case r < 0x20 || r == 0x7f:
			return -1
		}
		return r
	}, s)
}

// fold breaks lines after at most 75 octets, on a character's boundary (RFC 5545 §3.1).
func fold(data []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(data) + len(data)/40)
	for line := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte("\r\n")), []byte("\r\n")) {
		limit := 75
		for len(line) > limit {
			cut := limit
			for cut > 1 && !utf8.RuneStart(line[cut]) {
				cut--
			}
			out.Write(line[:cut])
			out.WriteString("\r\n ")
			line, limit = line[cut:], 74 // the space counts
		}
		out.Write(line)
		out.WriteString("\r\n")
	}
	return out.Bytes()
}
