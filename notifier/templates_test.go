package notifier

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/address"
)

// folder writes files below a folder of its own.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTemplates(t *testing.T) {
	dir := folder(t, map[string]string{
		"invite.txt":                         "Subject: Come to {summary}\n\n{organizer} ({mailto}) and {uid}, {events} of {event_limit}\n",
		"de/invite.txt":                      "Subject: Einladung: {summary}\n\n{{if .Location}}Ort: {location}{{end}}\n",
		"de/cancel.txt":                      "Subject: Abgesagt: {summary}\n\nx\n",
		"tenants/acme/invite.txt":            "Subject: ACME: {summary}\n\nx\n",
		"tenants/acme/de/event-created.html": "<p>Fertig: {uid} {event_url}</p>\n",
	})
	templates, err := LoadTemplates(dir)
	if err != nil {
		t.Fatal(err)
	}
	subject := func(tenant, language string) string {
		s, _, _, err := templates.find(tenant, language).render("invite", sampleView())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for want, key := range map[string][2]string{
		"Come to Summer party & games": {"", ""}, "Einladung: Summer party & games": {"other", "de"}, "ACME: Summer party & games": {"acme", "fr"},
	} {
		if got := subject(key[0], key[1]); got != want {
			t.Errorf("%v: got %q, want %q", key, got, want)
		}
	}
	if _, text, html, err := templates.find("acme", "de").render("event-created", sampleView()); err != nil || !strings.Contains(html, "<p>Fertig: a1a1") || !strings.Contains(text, "Your event is ready") {
		t.Errorf("what is not overridden stays: %v %s %s", err, text, html)
	}
	for _, c := range []struct{ tenant, language, name, want string }{
		{"acme", "de", "invite", "ACME: Summer party & games"}, {"acme", "de", "cancel", "Abgesagt: Summer party & games"}, {"acme", "", "cancel", "Event Cancelled: Summer party & games"},
	} {
		if got, _, _, err := templates.find(c.tenant, c.language).render(c.name, sampleView()); err != nil || got != c.want {
			t.Errorf("%v: got %q, %v", c, got, err)
		}
	}
	_, text, _, err := templates.find("", "").render("invite", sampleView())
	if err != nil || !strings.Contains(text, "Olga Example (olga@example.com) and "+strings.Repeat("a1", 20)+", 1 of 5") {
		t.Errorf("placeholders: %s %v", text, err)
	}
	for name, files := range map[string]map[string]string{
		"{nonsense} stands for nothing": {"invite.txt": "Subject: {nonsense}\n"},
		"is no template":                {"invitation.txt": "Subject: x\n"},
		"its first line must be":        {"invite.txt": "Hello\n"},
		"unexpected EOF":                {"invite.html": "{{if .Location}}\n"},
		"can't evaluate field":          {"de/invite.html": "{{.Nothing}}\n"},
	} {
		if _, err := LoadTemplates(folder(t, files)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := LoadTemplates(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there")
	}
	export := filepath.Join(t.TempDir(), "export")
	if err := Export(export); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadTemplates(export); err != nil {
		t.Errorf("what is exported can be used: %v", err)
	}
}

// TestTemplatesForOldEngines: what Outlook's engine and phones need, and what no mail may have.
func TestTemplatesForOldEngines(t *testing.T) {
	c := composer(t)
	c.Footer = "Example Ltd <1 Example Street>"
	for _, name := range c.templates.Names() {
		p, err := c.Preview(name, "default", "")
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?i)<(style|script|link|img|form|svg|video)|position:|display:\s*(flex|grid)|javascript:|Calendar ?Snack`).MatchString(p.HTML) {
			t.Errorf("%s: something old engines, or readers, cannot have:\n%s", name, p.HTML)
		}
		for _, want := range []string{"XHTML 1.0 Transitional", `name="viewport"`, "<!--[if mso]>", "max-width:560px", `role="presentation"`, "Example Ltd &lt;1 Example Street&gt;"} {
			if !strings.Contains(p.HTML, want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
		d := xml.NewDecoder(strings.NewReader(p.HTML))
		d.Strict, d.Entity = true, map[string]string{"ldquo": "“", "rdquo": "”", "rarr": "→", "nbsp": " "}
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s is not well-formed: %v", name, err)
				break
			}
		}
		if !strings.Contains(p.Text, "Example Ltd") || strings.Contains(p.Text, "<no value>") || strings.Contains(p.HTML, "<no value>") {
			t.Errorf("%s:\n%s", name, p.Text)
		}
		subject, _, _ := strings.Cut(p.Text, "\n")
		if strings.Contains(strings.ToLower(subject), "limit") != (name == "event-limit") {
			t.Errorf("%s: the word limit stands in one subject only: %s", name, subject)
		}
	}
	if _, err := c.Preview("nonsense", "", ""); err == nil {
		t.Error("a mail there is not")
	}
}

// TestTemplateMissing: a mail whose template does not work is not lost.
func TestTemplateMissing(t *testing.T) {
	c := NewComposer(address.NewDirectory(address.NewBook("cis.example", ""), nil), "https://cis.example", nil, &Templates{sets: map[setKey]*set{}})
	if _, err := c.compose(aLetter("invite"), golden); !errors.Is(err, errTemplate) {
		t.Errorf("got %v", err)
	}
	broken, err := LoadTemplates("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broken.sets[setKey{}].text.New("invite.txt").Parse("Subject: x\n{{index .Changes 99}}"); err != nil {
		t.Fatal(err)
	}
	c.templates = broken
	couriers := &Couriers{opts: Options{Composer: c, Now: time.Now}, lanes: []*lane{{slots: make(chan struct{}, 1)}}}
	if _, err := couriers.send(context.Background(), couriers.lanes[0], aLetter("invite")); !errors.Is(err, errTemplate) {
		t.Errorf("the courier keeps it owed: got %v", err)
	}
}

func TestTestEnvironment(t *testing.T) {
	c := composer(t)
	c.Test = true
	mail, err := c.compose(aLetter("event-created"), golden)
	if err != nil || !strings.Contains(string(mail.Data), "Subject: [Test] Your event is ready") {
		t.Errorf("%s %v", mail.Data, err)
	}
}

func TestPace(t *testing.T) {
	now := golden
	p := newPace(Rates{PerDomain: 2}, func() time.Time { return now })
	row := func(n int) mailKey { return mailKey{kindInvite, "e", itoa(n)} }
	for i, want := range []time.Duration{0, 500 * time.Millisecond, time.Second} {
		if got := p.domain(row(i), "gmail.com"); got != want {
			t.Errorf("the %d. mail waits %v, want %v", i+1, got, want)
		}
	}
	if got := p.domain(row(9), "example.com"); got != 0 {
		t.Errorf("another domain waits %v", got)
	}
	if got := p.domain(row(2), "gmail.com"); got != time.Second {
		t.Errorf("too early it waits on, without losing its place: %v", got)
	}
	now = now.Add(time.Second)
	if a, b := p.domain(row(2), "gmail.com"), p.domain(row(1), "gmail.com"); a != 0 || b != 0 {
		t.Errorf("when its moment has come it goes: %v %v", a, b)
	}
	p = newPace(Rates{PerSecond: 10}, func() time.Time { return now })
	if a, b, c := p.next(), p.next(), p.next(); a != 0 || b != 100*time.Millisecond || c != 200*time.Millisecond {
		t.Errorf("ten a second: %v %v %v", a, b, c)
	}
}

func TestChanges(t *testing.T) {
	was := aLetter("invite").event.Content
	is := was
	is.Location, is.Description = "", "More."
	is.Start.Local, is.End.Local = "2026-12-05T10:00:00", "2026-12-05T11:30:00"
	want := []Change{
		{"Time", "Fri 4 Dec 2026 10:00 – 11:30 (Europe/Berlin)", "Sat 5 Dec 2026 10:00 – 11:30 (Europe/Berlin)"}, {"Place", "The garden", "–"}, {Label: "Description"},
	}
	got := changes(was, is)
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
	if got := changes(was, was); got != nil {
		t.Errorf("nothing is different: %v", got)
	}
}
