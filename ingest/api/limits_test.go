package api

import (
	"fmt"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	t.Run("a client may ask 200 times at once and then once a second", func(t *testing.T) {
		var l limits
		for i := range clientBurst {
			if !l.allowClient("192.0.2.1", now) {
				t.Fatalf("refused at %d", i)
			}
		}
		if l.allowClient("192.0.2.1", now) {
			t.Error("the 201st was allowed")
		}
		if !l.allowClient("192.0.2.2", now) {
			t.Error("another client pays for the first")
		}
		if !l.allowClient("192.0.2.1", now.Add(time.Second)) || l.allowClient("192.0.2.1", now.Add(time.Second)) {
			t.Error("a second later it is one, not none and not two")
		}
	})
	t.Run("five new events a day may invite an address, and the ones that did may ask again", func(t *testing.T) {
		var l limits
		for i := range recipientEvents {
			if !l.allowRecipient("ann", fmt.Sprint(i), now) {
				t.Fatalf("refused at %d", i)
			}
		}
		if l.allowRecipient("ann", "sixth", now) || !l.allowRecipient("ann", "0", now) || !l.allowRecipient("bob", "sixth", now) {
			t.Error("the sixth event, the first again, another person")
		}
		if !l.allowRecipient("ann", "sixth", now.Add(25*time.Hour)) {
			t.Error("refused the next day")
		}
	})
}

func TestClientIP(t *testing.T) {
	_, proxies, _ := net.ParseCIDR("10.0.0.0/8")
	for _, c := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:1", "", "192.0.2.1"},
		{"192.0.2.1:1", "198.51.100.9", "192.0.2.1"}, // nobody believes a stranger's header
		{"10.0.0.1:1", "198.51.100.9", "198.51.100.9"},
		{"10.0.0.1:1", "203.0.113.7, 198.51.100.9, 10.0.0.2", "198.51.100.9"}, // the last hop not our own; what is before it is hearsay
		{"10.0.0.1:1", "nonsense", "10.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", c.forwarded)
		if got := clientIP(r, []*net.IPNet{proxies}); got != c.want {
			t.Errorf("%s forwarded for %q: got %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}
