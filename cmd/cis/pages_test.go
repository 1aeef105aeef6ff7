package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/ical"
)

var rsvpIn = regexp.MustCompile(`http://[^\s"<>]+(/rsvp/[a-z2-7]+)`)

func TestPages(t *testing.T) {
	t.Parallel()
	s := startStage(t, map[string]string{"CIS_API_RATE": "0"})
	ctx := within(t, time.Minute)
	event := party("olga@organizer.example", `Party <script>alert("x")</script> & more`)
	event["description"] = "Bring a chair.\n<b>And a friend.</b>"
	uid := s.create(t, ctx, s.key, event)
	b := s.browser(t)
	var links struct{ Invite, Page, Schedule, Feed string }
	s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/links", s.key, nil).into(t, &links)

	t.Run("the signed link: looking does nothing, the button sends", func(t *testing.T) {
		for range 3 {
			code, body := b.open(t, links.Invite+"?email=ann@example.com", nil)
			if code != 200 || strings.Contains(body, "<script>") || !strings.Contains(body, "&lt;script&gt;") || !strings.Contains(body, `value="ann@example.com"`) {
				t.Fatalf("%d %s", code, body)
			}
		}
		if n := len(s.sink.Mails("ann@example.com")); n > 0 {
			t.Fatalf("%d mails went out", n)
		}
		if code, body := b.open(t, links.Invite, url.Values{"email": {"not an address"}}); code != 400 || !strings.Contains(body, "role=\"alert\"") {
			t.Errorf("%d %s", code, body)
		}
		if code, body := b.open(t, links.Invite, url.Values{"email": {"ann@example.com"}, "name": {"Ann"}}); code != 200 || !strings.Contains(body, "on its way") {
			t.Errorf("%d %s", code, body)
		}
		if code, body := b.open(t, links.Invite, url.Values{"email": {"ann@example.com"}}); code != 200 || !strings.Contains(body, "on its way") {
			t.Errorf("who is invited shows: %d %s", code, body)
		}
		if code, _ := b.open(t, links.Invite+"x", nil); code != 404 {
			t.Errorf("another link: %d", code)
		}
	})
	m, err := s.sink.Wait(ctx, "ann@example.com", 1)
	if err != nil {
		t.Fatal(err)
	}
	found := rsvpIn.FindStringSubmatch(strings.ReplaceAll(string(m.Data), "=\r\n", ""))
	if found == nil {
		t.Fatalf("no link to answer in %s", m.Data)
	}
	answer := found[1]
	status := func() string {
		var page struct {
			Items []struct{ Status, Comment string }
		}
		s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/attendees", s.key, nil).into(t, &page)
		if len(page.Items) == 0 {
			return ""
		}
		return page.Items[0].Status + " " + page.Items[0].Comment
	}
	t.Run("answering in a browser: looking does nothing, each button counts", func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD"} {
			s.must(t, ctx, 200, method, answer, "", nil)
		}
		for _, said := range []string{"accepted", "declined", "tentative"} {
			if code, body := b.open(t, answer, url.Values{"answer": {said}, "comment": {"I am " + said}}); code != 200 || !strings.Contains(body, "Saved") || strings.Count(body, `aria-pressed="true"`) != 1 {
				t.Fatalf("%d %s", code, body)
			}
			eventually(t, ctx, said, func() error {
				if got := status(); got != said+" I am "+said {
					return fmt.Errorf("got %q", got)
				}
				return nil
			})
		}
		if code, _ := b.open(t, answer, url.Values{"answer": {"perhaps"}}); code != 400 {
			t.Errorf("%d", code)
		}
		if code, _ := b.open(t, strings.Replace(answer, answer[10:14], "aaaa", 1), url.Values{"answer": {"declined"}}); code != 404 {
			t.Errorf("a forged link: %d", code)
		}
	})
	t.Run("the calendar file is one", func(t *testing.T) {
		r := s.must(t, ctx, 200, "GET", answer+"/event.ics", "", nil)
		cal, err := ical.Read(r.body)
		if err != nil || cal.Method != "PUBLISH" || len(cal.Events) != 1 || cal.Events[0].UID != uid || cal.Events[0].Start.UTC.Hour() == 18 || !strings.HasPrefix(r.header.Get("Content-Type"), "text/calendar") {
			t.Errorf("%v %s", err, r.body)
		}
	})
	t.Run("what is not public is nobody's business", func(t *testing.T) {
		for _, path := range []string{"/events/" + uid, "/events/" + uid + "/event.ics", "/events/" + strings.Repeat("a", 40), "/events/x"} {
			if code, _ := b.open(t, path, nil); code != 404 {
				t.Errorf("%s: %d", path, code)
			}
		}
	})
	var series, ev struct {
		ID        string
		Organizer struct{ ID string }
	}
	s.must(t, ctx, 202, "PATCH", "/v1/events/"+uid, s.key, map[string]any{"public": true})
	weekly := party("olga@organizer.example", "Every week")
	weekly["rrule"], weekly["public"] = "FREQ=WEEKLY;COUNT=4", true
	at := s.must(t, ctx, 202, "POST", "/v1/events", s.key, weekly)
	at.into(t, &series)
	s.must(t, ctx, 200, "GET", "/v1/events/"+uid, s.key, nil, "X-Min-Position", at.header.Get("X-Position")).into(t, &ev)
	t.Run("a public event has a page, its organizer a schedule and a feed", func(t *testing.T) {
		s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/links", s.key, nil).into(t, &links)
		if !strings.HasPrefix(links.Feed, "webcal://") || !strings.HasSuffix(links.Page, "/events/"+uid) {
			t.Errorf("%+v", links)
		}
		code, body := b.open(t, links.Page, nil)
		if code != 200 || !strings.Contains(body, "Olga") || strings.Contains(body, "olga@") || strings.Contains(body, "ann@") || strings.Contains(body, "<b>") {
			t.Errorf("%d %s", code, body)
		}
		for _, want := range []string{"calendar.google.com", "outlook.live.com", "calendar.yahoo.com", "event.ics"} {
			if !strings.Contains(body, want) {
				t.Errorf("no %s", want)
			}
		}
		if code, body := b.open(t, links.Schedule, nil); code != 200 || !strings.Contains(body, "Every week") || !strings.Contains(body, uid) || !strings.Contains(body, "webcal://") {
			t.Errorf("%d %s", code, body)
		}
		r := s.must(t, ctx, 200, "GET", "/schedule/"+ev.Organizer.ID+".ics", "", nil)
		cal, err := ical.Read(r.body)
		if err != nil || len(cal.Events) != 2 || strings.Contains(string(r.body), "olga@") || strings.Contains(string(r.body), "ann@") {
			t.Errorf("%v %s", err, r.body)
		}
	})
	t.Run("a schedule without events is one, too", func(t *testing.T) {
		r := s.must(t, ctx, 200, "GET", "/schedule/"+strings.Repeat("0", 32)+".ics", "", nil)
		if !strings.Contains(string(r.body), "BEGIN:VCALENDAR") {
			t.Errorf("%s", r.body)
		}
		s.must(t, ctx, 404, "GET", "/schedule/nobody", "", nil)
	})
	t.Run("a cancelled event takes no answers and no sign-ups", func(t *testing.T) {
		s.must(t, ctx, 202, "DELETE", "/v1/events/"+uid, s.key, nil)
		if code, _ := b.open(t, answer, url.Values{"answer": {"accepted"}}); code != 409 {
			t.Errorf("%d", code)
		}
		for _, page := range []string{answer, links.Invite} {
			if _, body := b.open(t, page, nil); !strings.Contains(body, "cancelled") || strings.Contains(body, "<button") {
				t.Errorf("%s: %s", page, body)
			}
		}
	})
	t.Run("the published link as a tenant wants it", func(t *testing.T) {
		open := s.create(t, ctx, s.key, party("olga@organizer.example", "Open"))
		link := "/event/" + open + "/invite?email=leo@example.com"
		s.must(t, ctx, 202, "PATCH", "/v1/tenants/default", s.key, map[string]any{"settings": map[string]any{"legacy_invite": "confirm", "landing_hosts": []string{"www.acme.example"}}})
		r := s.must(t, ctx, 302, "GET", link, "", nil)
		if !strings.Contains(r.header.Get("Location"), "/invite/") || len(s.sink.Mails("leo@example.com")) > 0 {
			t.Errorf("confirm: %v", r.header)
		}
		if code, body := b.open(t, r.header.Get("Location"), nil); code != 200 || !strings.Contains(body, `value="leo@example.com"`) {
			t.Errorf("%d %s", code, body)
		}
		s.must(t, ctx, 202, "PATCH", "/v1/tenants/default", s.key, map[string]any{"settings": map[string]any{"legacy_invite": "off"}})
		s.must(t, ctx, 404, "GET", link, "", nil)
		s.must(t, ctx, 202, "PATCH", "/v1/tenants/default", s.key, map[string]any{"settings": map[string]any{"landing_hosts": []string{"www.acme.example"}, "landing": "https://home.example/"}})
		for asked, want := range map[string]string{"https://www.acme.example/ok": "https://www.acme.example/ok", "https://evil.example/": "https://home.example/", "": "https://home.example/"} {
			if r := s.must(t, ctx, http.StatusFound, "GET", link+"&landing="+url.QueryEscape(asked), "", nil); r.header.Get("Location") != want {
				t.Errorf("%s leads to %s", asked, r.header.Get("Location"))
			}
		}
	})
}
