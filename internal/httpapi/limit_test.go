package httpapi_test

import (
	"net"
	"net/http/httptest"
	"testing"

	"github.com/calendar-invite-server/cis/internal/httpapi"
)

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
		if got := httpapi.ClientIP(r, []*net.IPNet{proxies}); got != c.want {
			t.Errorf("%s forwarded for %q: got %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}
