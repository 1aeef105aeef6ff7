package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestKeys has keys that may little, expire, are rotated and revoked.
func TestKeys(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	ctx := within(t, time.Minute)
	uid := s.create(t, ctx, s.key, party("olga@organizer.example", "Olga's"))
	theirs := s.create(t, ctx, s.key, party("otto@organizer.example", "Otto's"))
	s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites", s.key, map[string]any{"invites": []map[string]string{{"address": "ann@example.com", "name": "Ann"}}})
	issue := func(body map[string]any) (id, secret string) {
		t.Helper()
		var made struct{ ID, Key string }
		s.must(t, ctx, 201, "POST", "/v1/keys", s.key, body).into(t, &made)
		return made.ID, made.Key
	}
	t.Run("a key does what its scopes say and sees people masked", func(t *testing.T) {
		_, reader := issue(map[string]any{"name": "reader", "scopes": []string{"events:read"}})
		s.must(t, ctx, 200, "GET", "/v1/events", reader, nil)
		eventually(t, ctx, "the attendee", func() error {
			if r := s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/attendees", reader, nil); !strings.Contains(string(r.body), `"address":"a*******@example.com","name":"A*******","masked":true`) {
				return fmt.Errorf("got %s", r.body)
			}
			return nil
		})
		if r := s.must(t, ctx, 200, "GET", "/v1/events/"+uid+"/attendees?q=ann@example.com", reader, nil); !strings.Contains(string(r.body), "a*******") {
			t.Errorf("who sees people masked can still look for them by address: %s", r.body)
		}
		for _, c := range []struct{ method, path string }{{"DELETE", "/v1/events/" + uid}, {"GET", "/v1/keys"}, {"GET", "/system/events"}, {"GET", "/v1/history"}, {"GET", "/v1/organizers"}, {"GET", "/v1/tenants"}} {
			s.must(t, ctx, 403, c.method, c.path, reader, nil)
		}
		s.must(t, ctx, 200, "GET", "/v1/events", "", nil, "Authorization", "Bearer "+reader)
	})
	t.Run("a key of an organizer sees only theirs", func(t *testing.T) {
		_, hers := issue(map[string]any{"name": "olga", "scopes": []string{"events:read", "events:write", "invites:write", "attendees:read", "organizers:read"}, "organizer": "olga@organizer.example"})
		if r := s.must(t, ctx, 200, "GET", "/v1/events", hers, nil); strings.Contains(string(r.body), theirs) || !strings.Contains(string(r.body), uid) {
			t.Errorf("events: %s", r.body)
		}
		for _, path := range []string{"/v1/events/" + theirs, "/event/" + theirs, "/event/" + theirs + "/statistics", "/event/" + theirs + "/attendees", "/v1/events/" + theirs + "/attendees", "/v1/events/" + theirs + "/links", "/organizer/otto@organizer.example/events"} {
			s.must(t, ctx, 404, "GET", path, hers, nil)
		}
		s.must(t, ctx, 404, "PATCH", "/v1/events/"+theirs, hers, map[string]any{"summary": "mine"})
		s.must(t, ctx, 404, "DELETE", "/v1/events/"+theirs, hers, nil)
		s.must(t, ctx, 403, "GET", "/v1/organizers", hers, nil)
		s.must(t, ctx, 202, "PATCH", "/v1/events/"+uid, hers, map[string]any{"summary": "still mine"})
		mine := s.create(t, ctx, hers, party("otto@organizer.example", "in Otto's name?"))
		eventually(t, ctx, "whose it is", func() error {
			if r := s.call(t, ctx, "GET", "/event/"+mine, hers, nil); !strings.Contains(string(r.body), `"mailto":"olga@organizer.example"`) {
				return fmt.Errorf("%s", r.body)
			}
			return nil
		})
	})
	t.Run("nobody gives what they do not have", func(t *testing.T) {
		_, weak := issue(map[string]any{"name": "weak", "scopes": []string{"keys:write", "members:write"}})
		if r := s.call(t, ctx, "POST", "/v1/keys", weak, map[string]any{"name": "strong", "scopes": []string{"events:write"}}); r.status != 403 || !strings.Contains(string(r.body), "scope-not-yours") {
			t.Errorf("%d %s", r.status, r.body)
		}
		s.must(t, ctx, 403, "PUT", "/v1/members/ada@example.com", weak, map[string]string{"role": "administrator"})
		s.must(t, ctx, 400, "POST", "/v1/keys", s.key, map[string]any{"name": "x", "scopes": []string{"everything"}})
		s.must(t, ctx, 400, "POST", "/v1/keys", s.key, map[string]any{"name": "x", "scopes": []string{"events:read"}, "expires": time.Now().Add(-time.Hour)})
	})
	t.Run("a rotated key's old secret is good for a while, a revoked key is not", func(t *testing.T) {
		id, first := issue(map[string]any{"name": "turning", "scopes": []string{"events:read"}})
		rotate := func(body any) (key string) {
			var made struct{ Key string }
			s.must(t, ctx, 201, "POST", "/v1/keys/"+id+"/rotate", s.key, body).into(t, &made)
			return made.Key
		}
		second := rotate(map[string]any{"grace_seconds": 3600})
		s.must(t, ctx, 200, "GET", "/v1/events", first, nil)
		s.must(t, ctx, 200, "GET", "/v1/events", second, nil)
		third := rotate(map[string]any{"grace_seconds": 0})
		s.must(t, ctx, 401, "GET", "/v1/events", first, nil)
		s.must(t, ctx, 401, "GET", "/v1/events", second, nil)
		s.must(t, ctx, 200, "GET", "/v1/events", third, nil)
		last := s.must(t, ctx, 202, "DELETE", "/v1/keys/"+id, s.key, nil)
		if r := s.call(t, ctx, "GET", "/v1/events", third, nil); r.status != 401 || !strings.Contains(string(r.body), "key-invalid") {
			t.Errorf("revoked: %d %s", r.status, r.body)
		}
		eventually(t, ctx, "what became of it", func() error {
			r := s.must(t, ctx, 200, "GET", "/v1/keys/"+id, s.key, nil, "X-Min-Position", last.header.Get("X-Position"))
			for _, want := range []string{`"revoked":`, `"rotated":`, `"last_used":"` + time.Now().UTC().Format(time.DateOnly)} {
				if !strings.Contains(string(r.body), want) {
					return fmt.Errorf("no %s in %s", want, r.body)
				}
			}
			return nil
		})
	})
	t.Run("the same call shows a secret once", func(t *testing.T) {
		body := map[string]any{"name": "once", "scopes": []string{"events:read"}}
		first := s.must(t, ctx, 201, "POST", "/v1/keys", s.key, body, "Idempotency-Key", "k")
		again := s.must(t, ctx, 201, "POST", "/v1/keys", s.key, body, "Idempotency-Key", "k")
		var a, b struct{ ID, Key string }
		first.into(t, &a)
		if again.into(t, &b); a.ID != b.ID || a.Key == "" || b.Key != "" {
			t.Errorf("%s then %s", first.body, again.body)
		}
	})
	t.Run("no secret is in the log, in Postgres or in an answer", func(t *testing.T) {
		_, secret := issue(map[string]any{"name": "hidden", "scopes": []string{"events:read"}})
		for _, rec := range allFacts(t, ctx, s.app.facts) {
			raw, err := json.Marshal(rec.Fact)
			if err != nil || bytes.Contains(raw, []byte(secret)) || bytes.Contains(raw, []byte(secret[len(secret)-20:])) {
				t.Errorf("%s holds it: %s %v", rec.Fact.FactName(), raw, err)
			}
		}
		r := s.must(t, ctx, 200, "GET", "/v1/history?limit=1000", s.key, nil)
		if strings.Contains(string(r.body), `"hash"`) {
			t.Error("the history shows hashes of keys")
		}
	})
}

// TestLimits has callers that call too often.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := startStage(t, map[string]string{"CIS_API_RATE": "5", "CIS_CORS_ORIGINS": "https://dash.example"})
	ctx := within(t, time.Minute)
	t.Run("one key has a rate, and is told how it stands", func(t *testing.T) {
		refused := 0
		var last reply
		for range 30 {
			if r := s.call(t, ctx, "GET", "/v1/me", s.key, nil); r.status == 429 {
				refused++
				last = r
			} else if r.header.Get("RateLimit-Remaining") == "" || r.header.Get("RateLimit-Limit") != "10" {
				t.Fatalf("headers: %v", r.header)
			}
		}
		if refused < 10 || len(last.header.Values("Retry-After")) != 1 || last.header.Get("RateLimit-Remaining") != "0" {
			t.Errorf("%d of 30 were refused: %v", refused, last.header)
		}
	})
	t.Run("a link without a key says when to come back", func(t *testing.T) {
		for range 300 {
			if r := s.call(t, ctx, "GET", "/event/unknown/invite?email=nobody@example.com", "", nil); r.status == 429 {
				if r.header.Get("Retry-After") != "60" {
					t.Errorf("headers: %v", r.header)
				}
				return
			}
		}
		t.Error("300 calls were let through")
	})
	t.Run("guessing keys is slow", func(t *testing.T) {
		codes := map[int]int{}
		for i := range 60 {
			codes[s.call(t, ctx, "GET", "/v1/me", fmt.Sprintf("cis_0123456789abcdef_%d", i), nil).status]++
		}
		if codes[429] < 20 || codes[401] < 20 {
			t.Errorf("%v", codes)
		}
	})
	t.Run("other sites' pages call only if they are on the list", func(t *testing.T) {
		for origin, want := range map[string]string{"https://dash.example": "https://dash.example", "https://evil.example": ""} {
			pre := s.call(t, ctx, "OPTIONS", "/v1/events", "", nil, "Origin", origin, "Access-Control-Request-Method", "POST")
			if pre.header.Get("Access-Control-Allow-Origin") != want || pre.status != 204 {
				t.Errorf("%s: %d %v", origin, pre.status, pre.header)
			}
		}
		if pre := s.call(t, ctx, "OPTIONS", "/event/x/statistics", "", nil, "Origin", "https://any.example", "Access-Control-Request-Method", "GET"); pre.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("a published route: %v", pre.header)
		}
	})
	t.Run("every answer has the headers that keep browsers from harm", func(t *testing.T) {
		for _, path := range []string{"/v1/events", "/docs", "/openapi.json", "/thanks", "/nowhere", "/sign-in", "/livez"} {
			h := s.call(t, ctx, "GET", path, "", nil).header
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
				if h.Get(name) != want {
					t.Errorf("%s: %s is %q", path, name, h.Get(name))
				}
			}
			if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s: %v", path, h)
			}
		}
	})
	t.Run("HEAD is GET without the body, where that does nothing", func(t *testing.T) {
		if r := s.call(t, ctx, "HEAD", "/openapi.json", "", nil); r.status != http.StatusOK || len(r.body) > 0 {
			t.Errorf("%d %d bytes", r.status, len(r.body))
		}
		if r := s.call(t, ctx, "HEAD", "/event/"+strings.Repeat("a", 40)+"/invite?email=x@example.com", "", nil); r.status != http.StatusMethodNotAllowed {
			t.Errorf("the invite link: %d", r.status)
		}
	})
}
