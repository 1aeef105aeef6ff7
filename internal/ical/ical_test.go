package ical_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/google/go-cmp/cmp"
)

func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.TrimSpace(s)+"\n", "\n", "\r\n"))
}

func vevent(lines string) []byte {
	return crlf("BEGIN:VCALENDAR\nMETHOD:request\nPRODID:-//X\nBEGIN:VEVENT\nUID:u1\n" + strings.TrimSpace(lines) + "\nEND:VEVENT\nEND:VCALENDAR")
}

func readOne(t *testing.T, data []byte) ical.Event {
	t.Helper()
	cal, err := ical.Read(data)
	if err != nil || len(cal.Events) != 1 {
		t.Fatalf("got %+v, %v", cal, err)
	}
	return cal.Events[0]
}

func TestRead(t *testing.T) {
	t.Run("a request as Google writes it", func(t *testing.T) {
		e := readOne(t, vevent(`
DTSTART;TZID=Europe/Berlin:20261204T100000
DTEND;TZID=Europe/Berlin:20261204T110000
DTSTAMP:20261120T120000Z
ORGANIZER;CN="Olga, the Organizer":mailto:olga@example.com
ATTENDEE;CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=cre
 ate@cis.example:MAILTO:create@cis.example
SEQUENCE:3
SUMMARY:Board\, quarterly; all of it, with a raw comma
DESCRIPTION:one\ntwo \"quoted\"`))
		want := ical.Event{
			UID: "u1", Sequence: 3, DTStamp: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
			Summary: "Board, quarterly; all of it, with a raw comma", Description: "one\ntwo \"quoted\"",
			Start:     event.Moment{Local: "2026-12-04T10:00:00", TZID: "Europe/Berlin", UTC: time.Date(2026, 12, 4, 9, 0, 0, 0, time.UTC)},
			End:       event.Moment{Local: "2026-12-04T11:00:00", TZID: "Europe/Berlin", UTC: time.Date(2026, 12, 4, 10, 0, 0, 0, time.UTC)},
			Organizer: ical.Person{Address: "olga@example.com", Name: "Olga, the Organizer"},
			Attendees: []ical.Attendee{{Person: ical.Person{Address: "create@cis.example", Name: "create@cis.example"}, PartStat: "NEEDS-ACTION"}},
		}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("ends follow from durations and whole days", func(t *testing.T) {
		for lines, want := range map[string]string{
			"DTSTART:20261204T100000Z\nDURATION:PT90M":                          "2026-12-04T11:30:00",
			"DTSTART;VALUE=DATE:20261204":                                       "2026-12-05",
			"DTSTART;VALUE=DATE:20261204\nDURATION:P2D":                         "2026-12-06",
			"DTSTART:20261204T100000Z":                                          "2026-12-04T10:00:00",
			"DTSTART;TZID=America/New_York:20261101T003000\nDURATION:PT2H":      "2026-11-01T01:30:00",
			"DTSTART;TZID=\"Europe/Berlin\":20261204T100000\nDTEND:20261204T1Z": "",
		} {
			if e := readOne(t, vevent(lines)); e.End.Local != want {
				t.Errorf("%s: ends %q, want %q", lines, e.End.Local, want)
			}
		}
	})
	t.Run("an unknown zone is reported, never UTC", func(t *testing.T) {
		e := readOne(t, vevent("DTSTART;TZID=Middle Earth:20261204T100000"))
		if !e.Start.IsZero() || len(e.Problems) != 1 || !strings.Contains(e.Problems[0], "Middle Earth") {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("foreign line ends, marks and charsets are read alike", func(t *testing.T) {
		base := vevent("SUMMARY:Müller\nDTSTART:20261204T100000Z")
		want := readOne(t, base)
		for name, data := range map[string][]byte{
			"LF only":      bytes.ReplaceAll(base, []byte("\r\n"), []byte("\n")),
			"CR only":      bytes.ReplaceAll(base, []byte("\r\n"), []byte("\r")),
			"byte order":   append([]byte("\xef\xbb\xbf"), base...),
			"NUL":          bytes.ReplaceAll(base, []byte("SUMM"), []byte("SU\x00MM")),
			"windows-1252": bytes.ReplaceAll(base, []byte("ü"), []byte("\xfc")),
			"no ends":      base[:len(base)-len("END:VEVENT\r\nEND:VCALENDAR\r\n")],
			"broken lines": bytes.ReplaceAll(base, []byte("UID"), []byte("DTSTART;TZID=Europe/Berlin\r\nATTENDEE;CN=\"A\"B:x\r\n:\r\nUID")),
		} {
			got := readOne(t, data)
			got.Attendees = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
	t.Run("what no calendar needs is refused, quickly", func(t *testing.T) {
		for name, c := range map[string]struct {
			data []byte
			want error
		}{
			"nothing":        {nil, ical.ErrNoCalendar},
			"text":           {[]byte("hello"), ical.ErrNoCalendar},
			"24 MB of BEGIN": {bytes.Repeat([]byte("BEGIN:A\r\n"), 24<<20/9), ical.ErrTooLarge},
			"4 MB of CR":     {bytes.Repeat([]byte("X:\r"), 4<<20/3), ical.ErrNoCalendar},
			"4 MB of BEGIN":  {append([]byte("BEGIN:VCALENDAR\r\n"), bytes.Repeat([]byte("BEGIN:A\r\n"), 4<<20/9)...), ical.ErrTooDeep},
		} {
			start := time.Now()
			if _, err := ical.Read(c.data); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
			if d := time.Since(start); d > slow*time.Second {
				t.Errorf("%s took %v", name, d)
			}
		}
	})
	t.Run("a huge parameter line is dropped, quickly", func(t *testing.T) {
		data := vevent("ATTENDEE;CN=" + strings.Repeat("x;y=", 1<<18) + ":mailto:a@b\nSUMMARY:kept")
		start := time.Now()
		e := readOne(t, data)
		if e.Summary != "kept" || len(e.Attendees) != 0 || time.Since(start) > slow*100*time.Millisecond {
			t.Errorf("got %+v after %v", e, time.Since(start))
		}
	})
}

func message() ical.Message {
	start := time.Date(2026, 12, 4, 9, 0, 0, 0, time.UTC)
	return ical.Message{
		Method: "REQUEST", UID: strings.Repeat("a", 40), Sequence: 2, DTStamp: start.Add(-time.Hour), Alarm: 15 * time.Minute,
		Content: event.Content{
			Summary: "Board, quarterly; all of it", Description: "one\ntwo", Location: "Room 1",
			Start: event.Moment{Local: "2026-12-04T10:00:00", TZID: "Europe/Berlin", UTC: start},
			End:   event.Moment{Local: "2026-12-04T11:00:00", TZID: "Europe/Berlin", UTC: start.Add(time.Hour)},
		},
		Organizer: ical.Person{Address: "rsvp+x@cis.example", Name: "Olga"},
		Attendee:  ical.Attendee{Person: ical.Person{Address: "ann@example.com", Name: "Ann"}, PartStat: "NEEDS-ACTION"},
	}
}

func TestWrite(t *testing.T) {
	t.Run("what is written reads back", func(t *testing.T) {
		m := message()
		data, err := ical.Write(m)
		if err != nil {
			t.Fatal(err)
		}
		e := readOne(t, data)
		if e.UID != m.UID || e.Sequence != 2 || e.Summary != m.Content.Summary || e.Description != m.Content.Description ||
			!e.Start.UTC.Equal(m.Content.Start.UTC) || !e.End.UTC.Equal(m.Content.End.UTC) || e.Organizer != m.Organizer || e.Attendees[0].Person != m.Attendee.Person || e.Attendees[0].PartStat != m.Attendee.PartStat {
			t.Errorf("got %+v", e)
		}
		for _, line := range []string{
			"METHOD:REQUEST", "STATUS:CONFIRMED", "DTSTART:20261204T090000Z", "TRIGGER:-PT15M",
			"ATTENDEE;CN=Ann;CUTYPE=INDIVIDUAL;PARTSTAT=NEEDS-ACTION;ROLE=REQ-PARTICIPANT;RSVP=TRUE:mailto:ann@example.com",
		} {
			if !strings.Contains(strings.ReplaceAll(string(data), "\r\n ", ""), line+"\r\n") {
				t.Errorf("no line %q in\n%s", line, data)
			}
		}
	})
	t.Run("a cancellation says so twice and rings no bell", func(t *testing.T) {
		m := message()
		m.Method = "CANCEL"
		data, _ := ical.Write(m)
		for _, s := range []string{"METHOD:CANCEL\r\n", "STATUS:CANCELLED\r\n"} {
			if !bytes.Contains(data, []byte(s)) {
				t.Errorf("no %q", s)
			}
		}
		if bytes.Contains(data, []byte("VALARM")) {
			t.Error("it has an alarm")
		}
	})
	t.Run("a whole day is a date with an exclusive end", func(t *testing.T) {
		m := message()
		day := time.Date(2026, 12, 4, 0, 0, 0, 0, time.UTC)
		m.Content.Start = event.Moment{Local: "2026-12-04", AllDay: true, UTC: day}
		m.Content.End = event.Moment{Local: "2026-12-05", AllDay: true, UTC: day.AddDate(0, 0, 1)}
		data, _ := ical.Write(m)
		if !bytes.Contains(data, []byte("DTSTART;VALUE=DATE:20261204\r\n")) || !bytes.Contains(data, []byte("DTEND;VALUE=DATE:20261205\r\n")) {
			t.Errorf("%s", data)
		}
	})
	t.Run("lines are folded at 75 octets and never inside a character", func(t *testing.T) {
		m := message()
		m.Content.Summary = strings.Repeat("日本語", 60)
		data, _ := ical.Write(m)
		for line := range bytes.SplitSeq(data, []byte("\r\n")) {
			if len(line) > 75 {
				t.Errorf("%d octets: %s", len(line), line)
			}
			if !bytes.Equal(line, bytes.ToValidUTF8(line, nil)) {
				t.Errorf("a character is torn: %q", line)
			}
		}
		if e := readOne(t, data); e.Summary != m.Content.Summary {
			t.Errorf("got %q", e.Summary)
		}
	})
	t.Run("nothing in a field can start a line or a parameter", func(t *testing.T) {
		evil := "x\"\r\nATTENDEE:mailto:eve@example.com\nMETHOD:CANCEL\u2028Y:z\x00;ROLE=CHAIR"
		m := message()
		m.Content.Summary, m.Content.Location, m.Organizer.Name, m.Attendee.Name = evil, evil, evil, evil
		data, err := ical.Write(m)
		if err != nil {
			t.Fatal(err)
		}
		cal, err := ical.Read(data)
		if err != nil || cal.Method != "REQUEST" || len(cal.Events) != 1 || len(cal.Events[0].Attendees) != 1 {
			t.Errorf("got %+v, %v from\n%s", cal, err, data)
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(string(data), "\r\n ", ""), "\r\n") {
			if strings.HasPrefix(line, "ATTENDEE:") || strings.HasPrefix(line, "METHOD:CANCEL") {
				t.Errorf("injected: %s", line)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(vevent("DTSTART:20261204T100000Z"))
	f.Add([]byte("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;TZID=Europe/Berlin\nATTENDEE;CN=\"A\"B:\n"))
	data, _ := ical.Write(message())
	f.Add(data)
	for _, file := range corpus(".ics") {
		if data, err := os.ReadFile(file); err == nil && len(data) < 20_000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		begin := time.Now()
		cal, err := ical.Read(data)
		if took := time.Since(begin); took > slow*2*time.Second {
			t.Errorf("took %v for %d bytes", took, len(data))
		}
		if err != nil {
			return
		}
		for _, e := range cal.Events { // what can be read can be written, and reads back
			m := message()
			m.Content = event.Content{Summary: e.Summary, Description: e.Description, Location: e.Location, Start: e.Start, End: e.End}
			if len(e.Problems) == 0 {
				m.Content.Recurrence = e.Recurrence
			}
			m.Organizer, m.Attendee.Person = ical.Person{Address: "a@b", Name: e.Organizer.Name}, ical.Person{Address: "c@d", Name: e.Summary}
			out, err := ical.Write(m)
			if err != nil {
				t.Fatal(err)
			}
			back, err := ical.Read(out)
			if err != nil || len(back.Events) != 1 || back.Method != "REQUEST" || len(back.Events[0].Attendees) != 1 {
				t.Fatalf("%v %+v\n%s", err, back, out)
			}
			b := back.Events[0]
			if len(b.Problems) > 0 || !b.Start.UTC.Equal(e.Start.UTC) || b.Recurrence.Rule != m.Content.Recurrence.Rule || len(b.Recurrence.Dates) != len(m.Content.Recurrence.Dates) {
				t.Fatalf("read %+v, wrote\n%s\nread %+v", e, out, b)
			}
		}
	})
}
