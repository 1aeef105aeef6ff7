package ical_test

import (
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// TestVTimezone: each zone that is written says by its rules alone what the zone's clocks show: read back under a name
// nobody knows, every wall time of some years is the same instant.
func TestVTimezone(t *testing.T) {
	for _, tzid := range []string{
		"Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Sao_Paulo", "Asia/Tehran", "Africa/Casablanca",
		"Asia/Jerusalem", "Pacific/Auckland", "Europe/Dublin", "America/St_Johns", "Pacific/Chatham", "Etc/GMT-5",
	} {
		start := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
		data, err := ical.Write(ical.Message{
			Method: "REQUEST", UID: "u", DTStamp: start, Organizer: ical.Person{Address: "o@x.example"}, Attendee: ical.Attendee{Person: ical.Person{Address: "a@x.example"}},
			Content: event.Content{
				Summary: "S", Start: recur.At(start, tzid), End: recur.At(start.Add(time.Hour), tzid), Recurrence: event.Recurrence{Rule: "FREQ=WEEKLY"},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), "BEGIN:VTIMEZONE"); n != 1 || !strings.Contains(string(data), "\r\nTZID:"+tzid+"\r\n") {
			t.Errorf("%s: %d VTIMEZONEs", tzid, n)
		}
		// The same rules under another name, asked for the time at noon and in the night of every day.
		_, zone, _ := strings.Cut(string(data), "BEGIN:VTIMEZONE")
		zone, _, _ = strings.Cut("BEGIN:VTIMEZONE"+zone, "BEGIN:VEVENT")
		zone = strings.Replace(zone, "TZID:"+tzid, "TZID:Nameless", 1)
		var events strings.Builder
		var want []time.Time
		for day := range 3 * 365 {
			at := time.Date(2026, 1, 2+day, 12*(day%2), 30, 0, 0, recur.Zone(tzid))
			if _, before := at.Add(-3 * time.Hour).Zone(); before != offsetOf(at.Add(3*time.Hour)) {
				continue // clocks change right then: two answers may be right
			}
			want = append(want, at.UTC())
			events.WriteString("BEGIN:VEVENT\r\nUID:u\r\nDTSTART;TZID=Nameless:" + at.Format("20060102T150405") + "\r\nEND:VEVENT\r\n")
		}
		cal, err := ical.Read([]byte("BEGIN:VCALENDAR\r\n" + zone + events.String() + "END:VCALENDAR\r\n"))
		if err != nil || len(cal.Unknown) > 0 || len(cal.Events) != len(want) {
			t.Fatalf("%s: %v, %v", tzid, err, cal.Unknown)
		}
		for i, e := range cal.Events {
			if !e.Start.UTC.Equal(want[i]) {
				t.Fatalf("%s: %v is %v, want %v\n%s", tzid, e.Start.Local, e.Start.UTC, want[i], zone)
			}
		}
	}
}

func offsetOf(t time.Time) int {
	_, offset := t.Zone()
	return offset
}

// TestWriteInstance: one instance of a series stands alone, with RECURRENCE-ID in the series' zone.
func TestWriteInstance(t *testing.T) {
	start := time.Date(2026, 12, 11, 9, 0, 0, 0, time.UTC)
	m := ical.Message{
		Method: "REQUEST", UID: "u", Sequence: 3, DTStamp: start, Instance: "20261211T090000Z", Zone: "Europe/Berlin",
		Organizer: ical.Person{Address: "o@x.example"}, Attendee: ical.Attendee{Person: ical.Person{Address: "a@x.example"}},
		Content: event.Content{Summary: "S", Start: recur.At(start.Add(2*time.Hour), "Europe/Berlin"), End: recur.At(start.Add(3*time.Hour), "Europe/Berlin")},
	}
	data, err := ical.Write(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"RECURRENCE-ID;TZID=Europe/Berlin:20261211T100000\r\n", "DTSTART;TZID=Europe/Berlin:20261211T120000\r\n", "TZID:Europe/Berlin\r\n"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %q in\n%s", want, data)
		}
	}
	if strings.Contains(string(data), "RRULE:FREQ=WEEKLY") || strings.Count(string(data), "BEGIN:VEVENT") != 1 {
		t.Errorf("there is more than the instance:\n%s", data)
	}
	if e := readOne(t, data); e.Instance != m.Instance || !e.Start.UTC.Equal(m.Content.Start.UTC) {
		t.Errorf("got %+v", e)
	}
	m.Instance, m.Zone, m.Method = "20261211", "", "CANCEL"
	day := event.Moment{Local: "2026-12-11", AllDay: true, UTC: time.Date(2026, 12, 11, 0, 0, 0, 0, time.UTC)}
	m.Content.Start, m.Content.End = day, day
	if data, err = ical.Write(m); err != nil || !strings.Contains(string(data), "RECURRENCE-ID;VALUE=DATE:20261211\r\n") {
		t.Errorf("%v\n%s", err, data)
	}
}
