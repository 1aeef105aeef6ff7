package notifier

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden mails that are missing")

var golden = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func composer(t testing.TB) *Composer {
	t.Helper()
	templates, err := LoadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	return NewComposer(address.NewDirectory(address.NewBook("cis.example", ""), nil), "https://cis.example/", nil, templates)
}

func aLetter(kind string) *letter {
	start := time.Date(2026, 12, 4, 9, 0, 0, 0, time.UTC)
	ev := event.State{
		Exists: true, UID: strings.Repeat("a1", 20), OrganizerAddress: "olga@organizer.example", OrganizerName: "Olga Müller",
		ReplyTo: "rsvp+abcdefghijklmnopqrstuvwxyz234567@cis.example", Sequence: 1,
		Content: event.Content{
			Summary: "Summer party, with <friends> & family", Location: "The garden", Description: "Bring a chair.\nAnd a friend.",
			Start: event.Moment{Local: "2026-12-04T10:00:00", TZID: "Europe/Berlin", UTC: start},
			End:   event.Moment{Local: "2026-12-04T11:30:00", TZID: "Europe/Berlin", UTC: start.Add(90 * time.Minute)},
		},
	}
	l := &letter{
		kind: kind, to: person{"ann@example.com", "Ann"}, event: ev, partstat: "NEEDS-ACTION", token: strings.Repeat("0123456789", 4), bounce: "bounced",
		about: person{"bob@example.com", "Bob"}, reason: "it holds no calendar", original: []byte("From: Bob <bob@example.com>\r\n\r\nI am late\r\n"),
		counter: counterProposal(kind, start),
	}
	sample := sampleLetter(kind)
	switch kind {
	case "invite", "update", "cancel", "withdrawn", "reminder":
		l.unsub = sample.unsub
	case "status", "report", "undone", "help", "event-created", "event-created-test", "event-limit", "bulk-summary", "enrolled", "subscription-ended":
		l.own, l.limit, l.reply, l.numbers, l.bulk, l.item, l.order, l.event.ReplyTo = sample.own, 5, sample.reply, sample.numbers, sample.bulk, sample.item, sample.order, ""
	}
	switch kind {
	case "update":
		l.before = ev
		l.before.Content.Location, l.before.Content.Description = "The hall", "Bring a chair."
		l.before.Content.Start.Local, l.before.Content.End.Local = "2026-12-03T10:00:00", "2026-12-03T11:30:00"
	case "sign-in":
		l.event, l.code = event.State{}, "K7QX2M"
	case "report", "bulk-summary":
		l.file = sample.file
	}
	return l
}

func counterProposal(kind string, start time.Time) (c invitation.Counter) {
	if strings.Contains(kind, "counter") {
		c = invitation.Counter{Start: event.Moment{Local: "2026-12-05T10:00:00", TZID: "Europe/Berlin", UTC: start.AddDate(0, 0, 1)}, Comment: "Friday is full."}
		c.End = c.Start
	}
	return c
}

// aSeries is the same party every week, or one of them.
func aSeries(id event.InstanceID) *letter {
	l := aLetter("invite")
	l.event.Content.Recurrence = event.Recurrence{Rule: "FREQ=WEEKLY;COUNT=5", Without: []event.Moment{recur.At(l.event.Content.Start.UTC.AddDate(0, 0, 14), "Europe/Berlin")}}
	if id != "" {
		l.kind, l.instance, l.zone = "update", id, "Europe/Berlin"
		l.event = l.event.At(id, recur.Instance)
	}
	return l
}

// render writes a letter with boundaries that do not change from run to run.
func render(t testing.TB, l *letter) []byte {
	t.Helper()
	mail, err := composer(t).compose(l, golden)
	if err != nil {
		t.Fatal(err)
	}
	data := mail.Data
	for i, m := range regexp.MustCompile(`boundary="?([0-9a-zA-Z]+)"?`).FindAllSubmatch(data, -1) {
		data = bytes.ReplaceAll(data, m[1], fmt.Appendf(nil, "BOUNDARY%d", i))
	}
	return data
}

func TestGolden(t *testing.T) {
	letters := map[string]*letter{"series": aSeries(""), "series-instance-update": aSeries("20261211T090000Z"), "series-instance-cancel": aSeries("20261211T090000Z")}
	letters["series-instance-cancel"].kind = "cancel"
	for kind := range methods {
		letters[kind] = aLetter(kind)
	}
	for name, l := range letters {
		t.Run(name, func(t *testing.T) {
			got := render(t, l)
			path := filepath.Join("testdata", "golden", name+".eml")
			want, err := os.ReadFile(path)
			if os.IsNotExist(err) && *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
				want = got
			} else if err != nil {
				t.Fatalf("every mail has a golden file (make golden): %v", err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMailTree holds every calendar mail against what Gmail, Outlook and Apple need to show buttons.
func TestMailTree(t *testing.T) {
	for kind, method := range map[string]string{"invite": "REQUEST", "update": "REQUEST", "cancel": "CANCEL", "withdrawn": "CANCEL", "crasher": "CANCEL", "decline-counter": "DECLINECOUNTER"} {
		t.Run(kind, func(t *testing.T) {
			data := render(t, aLetter(kind))
			for line := range bytes.SplitSeq(data, []byte("\r\n")) {
				if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
					t.Errorf("a line no relay must alter: %q", line)
				}
			}
			head, body, _ := strings.Cut(string(data), "\r\n\r\n")
			head = strings.ReplaceAll(head, "\r\n ", " ")
			for _, want := range []string{
				"From: =?utf-8?q?Olga_M=C3=BCller?= <rsvp+abcdefghijklmnopqrstuvwxyz234567@cis.example>", "Reply-To: <rsvp+abcdefghijklmnopqrstuvwxyz234567@cis.example>",
				"To: \"Ann\" <ann@example.com>", "Auto-Submitted: auto-generated", "Content-Type: multipart/mixed;",
			} {
				if !strings.Contains(head, want) {
					t.Errorf("no %q in\n%s", want, head)
				}
			}
			var tree []string
			for _, m := range regexp.MustCompile(`(?m)^Content-Type: ([^;\r\n]+)`).FindAllStringSubmatch(body, -1) {
				tree = append(tree, m[1])
			}
			if diff := cmp.Diff([]string{"multipart/alternative", "text/plain", "text/html", "text/calendar", "application/ics"}, tree); diff != "" {
				t.Error(diff)
			}
			part := body[strings.Index(body, "Content-Type: text/calendar"):]
			part = part[:strings.Index(part, "\r\n\r\n")]
			if !strings.Contains(part, "method="+method) || strings.Contains(part, "Disposition") || strings.Contains(part, "name=") {
				t.Errorf("the calendar part's header: %s", part)
			}
			msg, err := message.Parse(data)
			if err != nil || len(msg.Calendars) != 2 || !bytes.Equal(msg.Calendars[0].Data, msg.Calendars[1].Data) {
				t.Fatalf("our own reader: %+v, %v", msg, err)
			}
			cal, err := ical.Read(msg.Calendars[0].Data)
			if err != nil || cal.Method != method || len(cal.Events) != 1 || len(cal.Events[0].Attendees) != 1 {
				t.Fatalf("%+v, %v", cal, err)
			}
			if e := cal.Events[0]; e.Organizer.Address != msg.FromAddress || e.Attendees[0].Address != "ann@example.com" || e.Sequence != 1 {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// TestNoAlarm: the reminder is ours, and can be switched off.
func TestNoAlarm(t *testing.T) {
	c := composer(t)
	for alarm, want := range map[time.Duration]string{0: "", 30 * time.Minute: "TRIGGER:-PT30M"} {
		c.Alarm = alarm
		mail, err := c.compose(aLetter("invite"), golden)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := message.Parse(mail.Data)
		if err != nil {
			t.Fatal(err)
		}
		ics := string(msg.Calendars[0].Data)
		if strings.Contains(ics, "BEGIN:VALARM") != (want != "") || !strings.Contains(ics, want) || strings.Contains(ics, "X-MICROSOFT") || strings.Count(ics, "ATTENDEE") != 1 {
			t.Errorf("with %v:\n%s", alarm, ics)
		}
	}
}

func TestInjection(t *testing.T) {
	evil := "x\r\nBcc: eve@example.com\r\n\r\n\"<b>&"
	l := aLetter("invite")
	l.to.Name, l.event.OrganizerName, l.event.Content.Summary, l.event.Content.Location, l.event.Content.Description = evil, evil, evil, evil, evil
	data := string(render(t, l))
	head, _, _ := strings.Cut(data, "\r\n\r\n")
	if regexp.MustCompile(`(?m)^Bcc:`).MatchString(head) {
		t.Errorf("a header was injected:\n%s", head)
	}
	_, html, _ := strings.Cut(data, "Content-Type: text/html")
	html, _, _ = strings.Cut(html, "\r\n--BOUNDARY")
	if html = strings.ReplaceAll(html, "=\r\n", ""); strings.Contains(html, "<b>") || !strings.Contains(html, "&lt;b&gt;") {
		t.Errorf("markup got into the HTML:\n%s", html)
	}
}

func TestWhen(t *testing.T) {
	day := func(s string) event.Moment { return event.Moment{Local: s, AllDay: true} }
	at := func(s, zone string) event.Moment { return event.Moment{Local: s, TZID: zone} }
	for want, c := range map[string]event.Content{
		"Fri 4 Dec 2026 10:00 – 11:00 (Europe/Berlin)":      {Start: at("2026-12-04T10:00:00", "Europe/Berlin"), End: at("2026-12-04T11:00:00", "Europe/Berlin")},
		"Fri 4 Dec 2026 22:00 – Sat 5 Dec 2026 01:00 (UTC)": {Start: at("2026-12-04T22:00:00", ""), End: at("2026-12-05T01:00:00", "")},
		"Fri 4 Dec 2026":                  {Start: day("2026-12-04"), End: day("2026-12-05")},
		"Fri 4 Dec 2026 – Sat 5 Dec 2026": {Start: day("2026-12-04"), End: day("2026-12-06")},
	} {
		if got := recur.When(c.Start, c.End); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
