package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// reply is what the API answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// into reads the body.
func (r reply) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
}

// call calls the API as somebody with a key; headers are pairs. A body that is no string is sent as JSON.
func (s *stage) call(t testing.TB, ctx context.Context, method, path, key string, body any, headers ...string) reply {
	t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.app.HTTPAddr.String()+path, in)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, raw}
}

// must is call with an answer that has to come.
func (s *stage) must(t testing.TB, ctx context.Context, want int, method, path, key string, body any, headers ...string) reply {
	t.Helper()
	r := s.call(t, ctx, method, path, key, body, headers...)
	if r.status != want {
		t.Fatalf("%s %s: %d %s, want %d", method, path, r.status, r.body, want)
	}
	return r
}

// party is an event as a caller of the API wants it.
func party(organizer, summary string) map[string]any {
	start := time.Now().UTC().AddDate(0, 1, 0)
	return map[string]any{
		"organizer": organizer, "organizer_name": "Olga", "summary": summary, "location": "The garden",
		"start": map[string]any{"local": start.Format("2006-01-02") + "T18:00:00", "tzid": "Europe/Berlin"},
		"end":   map[string]any{"local": start.Format("2006-01-02") + "T22:00:00", "tzid": "Europe/Berlin"},
	}
}

// create makes an event and returns its UID.
func (s *stage) create(t testing.TB, ctx context.Context, key string, event map[string]any) string {
	t.Helper()
	var made struct{ ID string }
	s.must(t, ctx, 202, "POST", "/v1/events", key, event).into(t, &made)
	return made.ID
}

// TestAPI is the way from an event to its answers over the API alone.
func TestAPI(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	ctx := within(t, time.Minute)
	made := s.must(t, ctx, 202, "POST", "/v1/events", s.key, party("olga@organizer.example", "Summer party"), "Idempotency-Key", "one")
	var receipt struct {
		ID       string
		Changed  bool
		Position uint64
	}
	made.into(t, &receipt)
	uid, at := receipt.ID, made.header.Get("X-Position")
	if made.header.Get("Location") != "/v1/events/"+uid || at == "" || !receipt.Changed {
		t.Fatalf("created: %v %s", made.header, made.body)
	}
	get := s.must(t, ctx, 200, "GET", "/v1/events/"+uid, s.key, nil, "X-Min-Position", at)
	var ev struct {
		Summary   string
		Revision  int64
		Organizer struct{ Address, Name string }
		Start     struct{ Local, TZID string }
	}
	get.into(t, &ev)
	if ev.Summary != "Summer party" || ev.Organizer.Address != "olga@organizer.example" || ev.Organizer.Name != "Olga" || ev.Start.TZID != "Europe/Berlin" || !strings.HasSuffix(ev.Start.Local, "T18:00:00") {
		t.Errorf("the event: %s", get.body)
	}
	etag := get.header.Get("ETag")
	t.Run("the same call again is the same event, another call with its key is refused", func(t *testing.T) {
		again := s.must(t, ctx, 202, "POST", "/v1/events", s.key, party("olga@organizer.example", "Summer party"), "Idempotency-Key", "one")
		var same struct{ ID string }
		if again.into(t, &same); same.ID != uid {
			t.Errorf("another event: %s", again.body)
		}
		s.must(t, ctx, 409, "POST", "/v1/events", s.key, party("olga@organizer.example", "Winter party"), "Idempotency-Key", "one")
		list := s.must(t, ctx, 200, "GET", "/v1/events", s.key, nil)
		if n := strings.Count(string(list.body), `"uid"`); n != 1 {
			t.Errorf("%d events", n)
		}
	})
	t.Run("a read says when nothing has changed", func(t *testing.T) {
		if r := s.must(t, ctx, 304, "GET", "/v1/events/"+uid, s.key, nil, "If-None-Match", etag); len(r.body) > 0 {
			t.Errorf("a body: %s", r.body)
		}
	})
	t.Run("nobody overwrites what they have not seen", func(t *testing.T) {
		changed := s.must(t, ctx, 202, "PATCH", "/v1/events/"+uid, s.key, map[string]any{"summary": "Garden party"}, "If-Match", etag)
		s.must(t, ctx, 412, "PATCH", "/v1/events/"+uid, s.key, map[string]any{"summary": "House party"}, "If-Match", etag)
		now := s.must(t, ctx, 200, "GET", "/v1/events/"+uid, s.key, nil, "X-Min-Position", changed.header.Get("X-Position"))
		if !strings.Contains(string(now.body), `"Garden party"`) || now.header.Get("ETag") != changed.header.Get("ETag") {
			t.Errorf("%s %s, want the revision %s", now.header.Get("ETag"), now.body, changed.header.Get("ETag"))
		}
	})
	t.Run("people are invited one by one, each for themselves", func(t *testing.T) {
		body := map[string]any{"invites": []map[string]string{{"address": "ann@example.com", "name": "Ann"}, {"address": "not an address"}, {"address": "Bob@Example.com"}}}
		r := s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites", s.key, body, "Idempotency-Key", "invites")
		var got struct {
			Results []struct{ Address, ID, Result, Reason string }
		}
		r.into(t, &got)
		if len(got.Results) != 3 || got.Results[0].Result != "requested" || got.Results[1].Reason != "address-invalid" || got.Results[2].Address != "bob@example.com" {
			t.Fatalf("%s", r.body)
		}
		again := s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites", s.key, body, "Idempotency-Key", "invites")
		if !strings.Contains(string(again.body), `"requested"`) || strings.Contains(string(again.body), "already-invited") {
			t.Errorf("repeated: %s", again.body)
		}
		other := s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites", s.key, body)
		if !strings.Contains(string(other.body), `"already-invited"`) {
			t.Errorf("a new call: %s", other.body)
		}
		list := s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/attendees?limit=1", s.key, nil, "X-Min-Position", r.header.Get("X-Position"))
		var page struct {
			Items []struct{ ID, Address, Name, Status string }
			Next  string
		}
		if list.into(t, &page); len(page.Items) != 1 || page.Next == "" {
			t.Fatalf("the first page: %s", list.body)
		}
		first := page.Items[0].Address
		s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/attendees?limit=1&cursor="+page.Next, s.key, nil).into(t, &page)
		if len(page.Items) != 1 || page.Items[0].Address == first {
			t.Errorf("the second page: %+v", page)
		}
		if _, err := s.sink.Wait(ctx, "ann@example.com", 1); err != nil {
			t.Error(err)
		}
		answer := s.must(t, ctx, 202, "PUT", "/v1/events/"+uid+"/attendees/"+got.Results[0].ID+"/reply", s.key, map[string]string{"status": "accepted", "comment": "by telephone"})
		replies := s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/replies", s.key, nil, "X-Min-Position", answer.header.Get("X-Position"))
		if !strings.Contains(string(replies.body), `"status":"accepted"`) || !strings.Contains(string(replies.body), "by telephone") || strings.Contains(string(replies.body), "bob@") {
			t.Errorf("replies: %s", replies.body)
		}
		numbers := s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/statistics", s.key, nil, "X-Min-Position", answer.header.Get("X-Position"))
		if !strings.Contains(string(numbers.body), `"accepted":1`) || !strings.Contains(string(numbers.body), `"attendees":2`) {
			t.Errorf("statistics: %s", numbers.body)
		}
	})
	t.Run("a table is looked at before it is worked off, and needs the right", func(t *testing.T) {
		table := "Name;E-Mail\nCleo;cleo@example.com\nNobody;nowhere\nCleo;cleo@example.com\n"
		csv := []string{"Content-Type", "text/csv"}
		s.must(t, ctx, 403, "POST", "/v1/events/"+uid+"/invites/table", s.key, table, csv...)
		s.must(t, ctx, 202, "PATCH", "/v1/organizers/olga@organizer.example", s.key, map[string]any{"bulk": true})
		look := s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites/table?dry_run=true", s.key, table, csv...)
		if want := `{"rows":3,"usable":1,"duplicate":1,"problems":[{"line":3,"reason":"its email is not a mail address"}],"sample":[{"address":"cleo@example.com","name":"Cleo"}]}`; string(look.body) != want {
			t.Errorf("preview: %s, want %s", look.body, want)
		}
		r := s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites/table", s.key, table, csv...)
		if _, err := s.sink.Wait(ctx, "cleo@example.com", 1); err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "the table", func() error {
			if got := s.must(t, ctx, 200, "GET", r.header.Get("Location"), s.key, nil); !strings.Contains(string(got.body), `"accepted":1`) || !strings.Contains(string(got.body), `"finished"`) {
				return fmt.Errorf("got %s", got.body)
			}
			return nil
		})
		s.must(t, ctx, 400, "POST", "/v1/events/"+uid+"/invites/table", s.key, "who\nann\n", csv...)
	})
	t.Run("what happened is on the record, with who did it", func(t *testing.T) {
		history := s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/history", s.key, nil)
		for _, want := range []string{`"EventCreated"`, `"EventUpdated"`, `"by":"operator"`, "olga@organizer.example"} {
			if !strings.Contains(string(history.body), want) {
				t.Errorf("no %s in %s", want, history.body)
			}
		}
		all := s.must(t, ctx, 200, "GET", "/v1/history?type=EventCreated&limit=10", s.key, nil)
		if strings.Count(string(all.body), `"EventCreated"`) != 1 {
			t.Errorf("history: %s", all.body)
		}
	})
	t.Run("the report is mailed", func(t *testing.T) {
		if r := s.must(t, ctx, 200, "GET", "/event/"+uid+"/report", s.key, nil); string(r.body) != `"Acknowledged"` {
			t.Errorf("%s", r.body)
		}
		eventually(t, ctx, "the report", func() error {
			for _, m := range s.sink.Mails("olga@organizer.example") {
				if bytes.Contains(m.Data, []byte("attendees.csv")) {
					return nil
				}
			}
			return fmt.Errorf("it is not there")
		})
	})
	t.Run("the published lists, by path and by body", func(t *testing.T) {
		byPath := s.must(t, ctx, 200, "GET", "/organizer/olga@organizer.example/events", s.key, nil)
		for _, body := range []string{`{"organizer": "olga@organizer.example"}`, "eyJvcmdhbml6ZXIiOiAib2xnYUBvcmdhbml6ZXIuZXhhbXBsZSJ9"} {
			if r := s.must(t, ctx, 200, "GET", "/organizer/x/events", s.key, body); !bytes.Equal(r.body, byPath.body) || !bytes.Contains(r.body, []byte(uid)) {
				t.Errorf("%s: %s", body, r.body)
			}
		}
		s.must(t, ctx, 404, "GET", "/organizer/x/events", s.key, nil)
		old := s.must(t, ctx, 200, "GET", "/shadow/organizer/olga@organizer.example/statistics", s.key, nil)
		if old.header.Get("Deprecation") == "" || old.header.Get("Sunset") == "" || !bytes.Contains(old.body, []byte(`"events":1`)) || old.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v %s", old.header, old.body)
		}
	})
	t.Run("cancelled, everybody is told, and it is once", func(t *testing.T) {
		r := s.must(t, ctx, 202, "DELETE", "/v1/events/"+uid, s.key, nil)
		if !strings.Contains(string(r.body), `"changed":true`) {
			t.Errorf("%s", r.body)
		}
		if r := s.must(t, ctx, 202, "DELETE", "/v1/events/"+uid, s.key, nil); !strings.Contains(string(r.body), `"changed":false`) {
			t.Errorf("again: %s", r.body)
		}
		eventually(t, ctx, "the cancellation", func() error {
			for _, m := range s.sink.Mails("ann@example.com") {
				if bytes.Contains(m.Data, []byte("Event Cancelled: Garden party")) {
					return nil
				}
			}
			return fmt.Errorf("it is not there")
		})
	})
	t.Run("bad input is refused, with what is wrong", func(t *testing.T) {
		for body, want := range map[string]string{
			`{`: "request-invalid", `{"summary":""}`: `"location":"body.summary"`, `{"start":{"local":"x"}}`: "event-invalid", `{}`: "nothing-to-change",
			`{"start":{"local":"2027-01-01T10:00:00","tzid":"Mars/Olympus"}}`: "time zone", `{"end":{"local":"1999-01-01T10:00:00"}}`: "event-invalid",
			`{"rrule":"FREQ=SECONDLY"}`: "event-invalid", `{"nonsense":1}`: "unexpected property",
		} {
			if r := s.call(t, ctx, "PATCH", "/v1/events/"+uid, s.key, body); r.status != 400 || !strings.Contains(string(r.body), want) || r.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %s, want %s", body, r.status, r.body, want)
			}
		}
		for _, path := range []string{"/v1/events?cursor=nonsense", "/v1/events?limit=0", "/v1/events?sort=best", "/v1/events?from=tomorrow", "/v1/events/short"} {
			if r := s.call(t, ctx, "GET", path, s.key, nil); r.status != 400 {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
		s.must(t, ctx, 413, "POST", "/v1/events", s.key, `{"summary":"`+strings.Repeat("x", 2<<20)+`"}`)
		s.must(t, ctx, 400, "GET", "/v1/events", s.key, nil, "X-Min-Position", "999999999")
	})
}
