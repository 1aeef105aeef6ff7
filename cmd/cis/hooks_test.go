package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// hook is somebody's endpoint, which checks what it is told as Standard Webhooks says.
type hook struct {
	*httptest.Server
	mu      sync.Mutex
	secrets []string
	answer  func(n int) (status int, header string) // to the n-th call, from 1
	calls   []told
}

type told struct {
	id, kind, subject, sequence string
	signatures                  int // good ones
	at                          time.Time
}

func newHook(t *testing.T) *hook {
	h := &hook{answer: func(int) (int, string) { return 204, "" }}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		var e struct{ ID, Type, Subject, Sequence, SpecVersion string }
		if json.Unmarshal(body, &e) != nil || e.SpecVersion != "1.0" || e.ID != r.Header.Get("webhook-id") || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents+json") {
			t.Errorf("it is no CloudEvent: %v %s", r.Header, body)
		}
		stamp, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		if err != nil || time.Since(time.Unix(stamp, 0)).Abs() > time.Minute {
			t.Errorf("webhook-timestamp: %q", r.Header.Get("webhook-timestamp"))
		}
		good := 0
		for _, secret := range h.secrets {
			key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
			mac := hmac.New(sha256.New, key)
			mac.Write([]byte(e.ID + "." + r.Header.Get("webhook-timestamp") + "."))
			mac.Write(body)
			if slices.Contains(strings.Fields(r.Header.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))) {
				good++
			}
		}
		h.calls = append(h.calls, told{e.ID, e.Type, e.Subject, e.Sequence, good, time.Now()})
		status, header := h.answer(len(h.calls))
		if name, value, ok := strings.Cut(header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) set(answer func(int) (int, string)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer, h.calls = answer, nil
}

func (h *hook) seen() []told {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// wait waits until the endpoint was called n times.
func (h *hook) wait(t *testing.T, ctx context.Context, n int) []told {
	t.Helper()
	eventually(t, ctx, fmt.Sprintf("%d calls", n), func() error {
		if got := h.seen(); len(got) < n {
			return fmt.Errorf("got %d", len(got))
		}
		return nil
	})
	return h.seen()
}

func always(status int, header string) func(int) (int, string) {
	return func(int) (int, string) { return status, header }
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	s := startHooks(t)
	ctx := within(t, time.Minute)
	h := newHook(t)
	var made struct{ ID, Secret string }
	s.must(t, ctx, 201, "POST", "/v1/webhooks", s.key, map[string]any{"url": h.URL + "/hook", "types": []string{"event.created", "invite.requested", "rsvp.received"}}).into(t, &made)
	h.secrets = []string{made.Secret}
	uid := s.create(t, ctx, s.key, party("olga@organizer.example", "One"))
	invite := func(who string) {
		s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites", s.key, map[string]any{"invites": []map[string]string{{"address": who + "@example.com"}}})
	}
	invite("ann")
	t.Run("in order, signed, and only what was asked for", func(t *testing.T) {
		calls := h.wait(t, ctx, 2)
		if calls[0].kind != "event.created" || calls[1].kind != "invite.requested" || calls[0].subject != uid || calls[0].sequence >= calls[1].sequence || calls[0].signatures != 1 || calls[1].signatures != 1 {
			t.Errorf("%+v", calls)
		}
	})
	t.Run("what fails is tried again before what follows", func(t *testing.T) {
		h.set(func(n int) (int, string) {
			if n <= 2 {
				return 500, ""
			}
			return 200, ""
		})
		invite("bob")
		invite("cleo")
		calls := h.wait(t, ctx, 4)
		if calls[0].id != calls[1].id || calls[1].id != calls[2].id || calls[3].id == calls[0].id {
			t.Errorf("%+v", calls)
		}
	})
	t.Run("who asks to be left alone for a while is", func(t *testing.T) {
		h.set(func(n int) (int, string) {
			if n == 1 {
				return 429, "Retry-After: 1"
			}
			return 200, ""
		})
		invite("dora")
		if calls := h.wait(t, ctx, 2); calls[1].at.Sub(calls[0].at) < time.Second {
			t.Errorf("only %v", calls[1].at.Sub(calls[0].at))
		}
	})
	t.Run("a redirect is not followed", func(t *testing.T) {
		elsewhere := newHook(t)
		h.set(func(n int) (int, string) {
			if n == 1 {
				return 307, "Location: " + elsewhere.URL
			}
			return 200, ""
		})
		invite("emil")
		h.wait(t, ctx, 2)
		if len(elsewhere.seen()) > 0 {
			t.Error("it was")
		}
	})
	t.Run("a new secret is used beside the old one for a day", func(t *testing.T) {
		h.set(always(200, ""))
		var next struct{ Secret string }
		s.must(t, ctx, 201, "POST", "/v1/webhooks/"+made.ID+"/rotate", s.key, nil).into(t, &next)
		h.mu.Lock()
		h.secrets = []string{made.Secret, next.Secret}
		h.mu.Unlock()
		signatures := 0
		for n := 0; signatures != 2 && ctx.Err() == nil; n++ { // the sender looks at an endpoint once a second
			invite(fmt.Sprintf("fred-%d", n))
			signatures = h.wait(t, ctx, n+1)[n].signatures
		}
	})
	t.Run("the log of deliveries, and once more by hand", func(t *testing.T) {
		h.set(always(200, ""))
		var list struct {
			Items []struct {
				Message       string
				Status, Tries int
			}
			Next string
		}
		s.must(t, ctx, 200, "GET", "/v1/webhooks/"+made.ID+"/deliveries?limit=2", s.key, nil).into(t, &list)
		if len(list.Items) != 2 || list.Next == "" || list.Items[0].Status != 200 {
			t.Fatalf("%+v", list)
		}
		id := list.Items[0].Message
		if r := s.must(t, ctx, 200, "POST", "/v1/webhooks/"+made.ID+"/deliveries/"+id+"/redeliver", s.key, nil); !strings.Contains(string(r.body), `"status":200`) {
			t.Errorf("%s", r.body)
		}
		if calls := h.wait(t, ctx, 1); calls[0].id != id {
			t.Errorf("%+v", calls)
		}
		s.must(t, ctx, 404, "POST", "/v1/webhooks/"+made.ID+"/deliveries/00000000-0000-4000-8000-000000000000/redeliver", s.key, nil)
	})
	t.Run("410 ends it, and enabled it goes on where it stopped", func(t *testing.T) {
		h.set(always(410, ""))
		invite("gina")
		h.wait(t, ctx, 1)
		eventually(t, ctx, "the end", func() error {
			if r := s.must(t, ctx, 200, "GET", "/v1/webhooks/"+made.ID, s.key, nil); !strings.Contains(string(r.body), `"disabled":"gone"`) {
				return fmt.Errorf("%s", r.body)
			}
			return nil
		})
		first := h.seen()[0].id
		h.set(always(200, ""))
		invite("hans")
		s.must(t, ctx, 202, "PATCH", "/v1/webhooks/"+made.ID, s.key, map[string]any{"enabled": true})
		if calls := h.wait(t, ctx, 2); calls[0].id != first {
			t.Errorf("it went on with %+v, want %s first", calls, first)
		}
	})
	t.Run("what fails for too long ends it", func(t *testing.T) {
		h.set(always(500, ""))
		invite("ida")
		eventually(t, ctx, "the end", func() error {
			if r := s.must(t, ctx, 200, "GET", "/v1/webhooks/"+made.ID, s.key, nil); !strings.Contains(string(r.body), `"disabled":"failing"`) {
				return fmt.Errorf("%s", r.body)
			}
			return nil
		})
		if n := len(h.seen()); n != len(s.app.cfg.HookPauses)+1 {
			t.Errorf("%d attempts", n)
		}
	})
	t.Run("removed it is told nothing, and bad ones are refused", func(t *testing.T) {
		s.must(t, ctx, 202, "DELETE", "/v1/webhooks/"+made.ID, s.key, nil)
		for _, url := range []string{"ftp://example.com", "https://user:pw@example.com/", "nowhere", "https://"} {
			if r := s.call(t, ctx, "POST", "/v1/webhooks", s.key, map[string]any{"url": url}); r.status != 400 {
				t.Errorf("%s: %d %s", url, r.status, r.body)
			}
		}
		s.must(t, ctx, 400, "POST", "/v1/webhooks", s.key, map[string]any{"url": h.URL, "types": []string{"moon.risen"}})
	})
}

// startHooks starts an instance whose webhooks go to this machine and are tried again soon.
func startHooks(t *testing.T) *stage {
	t.Helper()
	return startStage(t, map[string]string{"CIS_PRIVATE_WEBHOOKS": "on", "CIS_WEBHOOK_PAUSES": "10ms,10ms,10ms", "CIS_API_RATE": "0"})
}

// stream is an open stream of live updates.
type stream struct {
	resp   *http.Response
	events chan sse
}

type sse struct{ id, event, data string }

// live opens a stream; it must be there at once.
func (s *stage) live(t testing.TB, ctx context.Context, key, query, lastID string) *stream {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.app.HTTPAddr.String()+"/v1/live"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", key)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		t.Fatalf("live: %d %v %s", resp.StatusCode, resp.Header, body)
	}
	st := &stream{resp, make(chan sse, 1000)}
	go func() {
		defer close(st.events)
		var e sse
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.event = value
			case "data":
				e.data = value
			case "":
				if e.id != "" {
					st.events <- e
				}
				e = sse{}
			}
		}
	}()
	t.Cleanup(func() { _ = resp.Body.Close() })
	return st
}

// next is the next message.
func (st *stream) next(t testing.TB, ctx context.Context) sse {
	t.Helper()
	select {
	case e, ok := <-st.events:
		if !ok {
			t.Fatal("the stream ended")
		}
		return e
	case <-ctx.Done():
		t.Fatal("nothing came")
	}
	return sse{}
}

func TestLive(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	ctx := within(t, time.Minute)
	uid := s.create(t, ctx, s.key, party("olga@organizer.example", "One"))
	var hers, masked struct{ ID, Key string }
	s.must(t, ctx, 201, "POST", "/v1/keys", s.key, map[string]any{"name": "olga", "scopes": []string{"events:read", "attendees:read"}, "organizer": "olga@organizer.example"}).into(t, &hers)
	s.must(t, ctx, 201, "POST", "/v1/keys", s.key, map[string]any{"name": "masked", "scopes": []string{"events:read"}}).into(t, &masked)
	all, olga, blind := s.live(t, ctx, s.key, "", ""), s.live(t, ctx, hers.Key, "", ""), s.live(t, ctx, masked.Key, "?types=invite.requested", "")
	invite := func(uid, who string) {
		t.Helper()
		s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites", s.key, map[string]any{"invites": []map[string]string{{"address": who + "@example.com", "name": who}}})
	}
	otto := s.create(t, ctx, s.key, party("otto@organizer.example", "Otto's"))
	invite(otto, "bob")
	invite(uid, "ann")
	if e := all.next(t, ctx); e.event != "event.created" || !strings.Contains(e.data, otto) {
		t.Errorf("first: %+v", e)
	}
	if e := olga.next(t, ctx); e.event != "invite.requested" || !strings.Contains(e.data, uid) || !strings.Contains(e.data, "ann@example.com") {
		t.Errorf("an organizer hears of others' events: %+v", e)
	}
	first := blind.next(t, ctx)
	if strings.Contains(first.data, "bob@") || first.event != "invite.requested" {
		t.Errorf("who may not see people sees them: %+v", first)
	}
	t.Run("who comes back misses nothing", func(t *testing.T) {
		_ = blind.resp.Body.Close()
		again := s.live(t, ctx, s.key, "?types=invite.requested", first.id)
		if e := again.next(t, ctx); !strings.Contains(e.data, "ann@example.com") {
			t.Errorf("%+v", e)
		}
		before, err := strconv.Atoi(first.id)
		if err != nil {
			t.Fatal(err)
		}
		far := s.live(t, ctx, s.key, "", "1") // from before this process kept anything
		if e := far.next(t, ctx); e.event != "event.created" || !strings.Contains(e.data, uid) {
			t.Errorf("from the start: %+v, before %d", e, before)
		}
	})
	t.Run("only one event", func(t *testing.T) {
		one := s.live(t, ctx, s.key, "?types=invite.requested&event="+uid, "")
		invite(otto, "cleo")
		invite(uid, "dora")
		if e := one.next(t, ctx); !strings.Contains(e.data, "dora@example.com") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("bad input", func(t *testing.T) {
		for _, query := range []string{"?types=moon.risen", "?event=x", "?after=x"} {
			s.must(t, ctx, 400, "GET", "/v1/live"+query, s.key, nil)
		}
		s.must(t, ctx, 404, "GET", "/v1/live?event="+otto, hers.Key, nil)
		s.must(t, ctx, 401, "GET", "/v1/live", "", nil)
	})
}
