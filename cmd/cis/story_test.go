package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/clientmail"
)

func TestStory(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	if err := story(within(t, 30*time.Second), s, func(format string, args ...any) { t.Logf(format, args...) }); err != nil {
		t.Fatal(err)
	}
}

// newEvent mails a request and returns the event's UID.
func (s *stage) newEvent(ctx context.Context, organizer, sourceUID string) (clientmail.Event, string, error) {
	start := time.Now().UTC().Truncate(time.Hour).AddDate(0, 1, 0)
	ev := clientmail.Event{
		UID: sourceUID, DTStamp: time.Now(), Start: start, End: start.Add(time.Hour), Summary: "Board <meeting> & more",
		Description: "one\ntwo", Location: "Room 1", OrganizerName: "Olga", Organizer: organizer, To: "create@" + s.app.cfg.Domain,
	}
	if err := s.mail(organizer, ev.To, clientmail.GoogleRequest(ev)); err != nil {
		return ev, "", err
	}
	m, err := s.sink.Wait(ctx, organizer, 1)
	if err != nil {
		return ev, "", err
	}
	return ev, findUID(string(bytes.ReplaceAll(m.Data, []byte("=\r\n"), nil))), nil
}

func TestReadAPI(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	ctx := within(t, 30*time.Second)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "api@google.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.invite(ctx, uid, "ann@example.com", "Ann"); err != nil {
		t.Fatal(err)
	}
	if err := s.counted(ctx, uid, map[string]int64{"noaction": 1}); err != nil {
		t.Fatal(err)
	}
	unknown := strings.Repeat("0", 40)
	for path, want := range map[string]int{
		"/event/" + uid: 200, "/event/" + uid + "/statistics": 200, "/event/" + uid + "/attendees": 200, "/system/events": 200, "/system/statistics": 200,
		"/event/" + unknown: 404, "/event/" + unknown + "/statistics": 404, "/event/" + unknown + "/attendees": 404,
		"/event/short": 400, "/event/" + strings.ToUpper(uid): 400, "/event/short/statistics": 400, "/nowhere": 404,
	} {
		code, body, err := s.get(ctx, path, s.key)
		if err != nil || code != want {
			t.Errorf("GET %s: %d %s %v, want %d", path, code, body, err, want)
		}
		if code >= 400 && !strings.Contains(string(body), `"type":"/problems/`) {
			t.Errorf("GET %s: no problem details: %s", path, body)
		}
		for _, key := range []string{"", "wrong"} {
			if code, _, _ := s.get(ctx, path, key); code != 401 && path != "/nowhere" {
				t.Errorf("GET %s with key %q: %d", path, key, code)
			}
		}
	}
	t.Run("an event has the published shape, without markup from the mail", func(t *testing.T) {
		_, body, _ := s.get(ctx, "/event/"+uid, s.key)
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields("uid created description_html dtend dtstart last_modified location_html mailto original_organizer organizer prodid sequence status summary_html") {
			if _, ok := got[name]; !ok {
				t.Errorf("%s is missing", name)
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("too much: %v", got)
		}
		for _, want := range []string{`"summary_html":"Board \u0026lt;meeting\u0026gt; \u0026amp; more"`, `"description_html":"one\u003cbr\u003etwo"`, `"mailto":"olga@organizer.example"`, `"organizer":"Olga"`} {
			if !strings.Contains(string(body), want) {
				t.Errorf("no %s in %s", want, body)
			}
		}
	})
	t.Run("attendees are masked", func(t *testing.T) {
		want := `[{"attendee":"a*******@example.com","name":"A*******","status":"noaction","origin":"api","prodid":""}]`
		eventually(t, ctx, "the list", func() error {
			if _, body, err := s.get(ctx, "/event/"+uid+"/attendees", s.key); err != nil || string(body) != want {
				return fmt.Errorf("got %s, want %s (%w)", body, want, err)
			}
			return nil
		})
	})
	t.Run("statistics have the published shape", func(t *testing.T) {
		_, body, _ := s.get(ctx, "/event/"+uid+"/statistics", s.key)
		want := fmt.Sprintf(`{"attendees":1,"rsvp":{"accepted":0,"declined":0,"noaction":1,"tentative":0},"origin":{"api":1},"prodid":{},"event_id":"%s","attendee_count":1,"rsvp_confirmed":0,"rsvp_declined":0,"rsvp_pending":1}`, uid)
		if string(body) != want {
			t.Errorf("got %s, want %s", body, want)
		}
	})
	t.Run("health and metrics need no key", func(t *testing.T) {
		for _, path := range []string{"/livez", "/readyz", "/metrics", "/thanks"} {
			if code, _, _ := s.get(ctx, path, ""); code != 200 {
				t.Errorf("%s: %d", path, code)
			}
		}
	})
}

func TestInviteLink(t *testing.T) {
	t.Parallel()
	s := startStage(t, map[string]string{"CIS_LANDING_HOSTS": "shop.example"})
	ctx := within(t, 30*time.Second)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "link@google.com")
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, query string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, "http://"+s.app.HTTPAddr.String()+"/event/"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(header) == 2 {
			req.Header.Set(header[0], header[1])
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp
	}
	t.Run("bad input is 400 and an unknown event 404, and neither mails anybody", func(t *testing.T) {
		for query, want := range map[string]int{
			uid + "/invite?email=nobody": 400,
			uid + "/invite":              400,
			uid + "/invite?email=eve%40example.com%0d%0aBcc:x%40y.example":           400,
			uid + "/invite?email=eve%40example.com%2cx%40y.example":                  400,
			uid + "/invite?email=eve%40example.com&origin=nowhere":                   400,
			"short/invite?email=eve%40example.com":                                   400,
			strings.Repeat("0", 40) + "/invite?email=eve%40example.com":              404,
			uid + "/invite?email=eve%40example.com&name=" + strings.Repeat("x", 300): 400,
		} {
			if resp := do(http.MethodGet, query); resp.StatusCode != want {
				t.Errorf("%s: %d, want %d", query, resp.StatusCode, want)
			}
		}
	})
	t.Run("HEAD and prefetches never act", func(t *testing.T) {
		if resp := do(http.MethodHead, uid+"/invite?email=eve@example.com"); resp.StatusCode != 405 {
			t.Errorf("HEAD: %d", resp.StatusCode)
		}
		for _, h := range []string{"Sec-Purpose", "Purpose", "X-Moz"} {
			if resp := do(http.MethodGet, uid+"/invite?email=eve@example.com", h, "prefetch;prerender"); resp.StatusCode != 503 {
				t.Errorf("%s: %d", h, resp.StatusCode)
			}
		}
	})
	t.Run("the landing page is one that is allowed", func(t *testing.T) {
		base := "http://" + s.app.HTTPAddr.String() + "/thanks"
		for landing, want := range map[string]string{
			"": base, "https://shop.example/done?x=1": "https://shop.example/done?x=1", "shop.example/done": "http://shop.example/done",
			"https://evil.example/": base, "//evil.example": base, "javascript:alert(1)": base, "https://shop.example@evil.example/": base,
			"https://user@shop.example/": base,
		} {
			resp := do(http.MethodGet, uid+"/invite?email=ann@example.com&landing="+strings.NewReplacer(":", "%3A", "/", "%2F", "?", "%3F", "=", "%3D").Replace(landing))
			if got := resp.Header.Get("Location"); resp.StatusCode != 302 || got != want {
				t.Errorf("landing %q: %d to %q, want %q", landing, resp.StatusCode, got, want)
			}
		}
	})
	t.Run("twenty in a tight loop all work, and asking twice sends once", func(t *testing.T) {
		for i := range 20 {
			for range 2 {
				if err := s.invite(ctx, uid, fmt.Sprintf("guest%d@example.com", i), "Guest"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i := range 20 {
			if _, err := s.calendar(ctx, fmt.Sprintf("guest%d@example.com", i), 1); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.sink.Count(); n != 1+1+20 { // the confirmation, Ann from above, the guests
			t.Errorf("%d mails went out, want 22", n)
		}
	})
}
