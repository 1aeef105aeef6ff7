package httpapi

import (
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/internal/access"
	"github.com/calendar-invite-server/cis/internal/problem"
)

// Limits are how often the API may be called, in requests per second; twice as many at once. 0: any number.
type Limits struct {
	Key    int // with one key, or by one person
	Tenant int // by all of a tenant, where it has no limit of its own
	Client int // from one address
	// TenantPerMinute is what a tenant has of its own; 0: nothing.
	TenantPerMinute func(tenant string) int
}

// maxTracked bounds how many callers are remembered; beyond it all are forgiven.
const maxTracked = 100_000

// Buckets lets each of many callers do something at a rate, and a burst of it at once. They are kept in memory, so every
// process counts for itself and a restart forgives.
type Buckets struct {
	Rate  float64 // per second; 0: any number
	Burst float64

	mu     sync.Mutex
	levels map[string]level
}

type level struct {
	tokens float64
	at     time.Time
}

// Take takes one token of a caller. It returns how many are left, and, if there was none, when there is one again.
func (b *Buckets) Take(who string, now time.Time) (left int, wait time.Duration, ok bool) {
	return b.take(who, b.Rate, b.Burst, now)
}

func (b *Buckets) take(who string, rate, burst float64, now time.Time) (left int, wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.levels == nil || len(b.levels) >= maxTracked {
		b.levels = map[string]level{}
	}
	l, known := b.levels[who]
	if !known {
		l = level{burst, now}
	}
	l.tokens = min(burst, l.tokens+now.Sub(l.at).Seconds()*rate)
	l.at = now
	if ok = l.tokens >= 1; ok {
		l.tokens--
	} else {
		wait = time.Duration((1 - l.tokens) / rate * float64(time.Second))
	}
	b.levels[who] = l
	return int(l.tokens), wait, ok
}

// allow takes a token and tells nothing.
func (b *Buckets) allow(who string) bool {
	_, _, ok := b.Take(who, time.Now())
	return ok
}

// check takes a token and says in the answer's headers how it stands.
func (b *Buckets) check(w http.ResponseWriter, who string) error {
	if b.Rate == 0 {
		return nil
	}
	left, wait, ok := b.Take(who, time.Now())
	return tell(w, b.Rate, b.Burst, left, wait, ok)
}

// tell writes the RateLimit headers.
func tell(w http.ResponseWriter, rate, burst float64, left int, wait time.Duration, ok bool) error {
	h := w.Header()
	h.Set("RateLimit-Limit", strconv.Itoa(int(burst)))
	h.Set("RateLimit-Remaining", strconv.Itoa(left))
	h.Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil((burst-float64(left))/rate))))
	if ok {
		return nil
	}
	return problem.Later(problem.ErrTooMany, wait)
}

// rates are the buckets of the API.
type rates struct {
	keys, tenants, clients *Buckets
	failures               *Buckets // wrong keys, per client
	tenantPerMin           func(string) int
}

func newRates(l Limits) rates {
	per := func(n int) *Buckets { return &Buckets{Rate: float64(n), Burst: 2 * float64(n)} }
	return rates{keys: per(l.Key), tenants: per(l.Tenant), clients: per(l.Client), failures: &Buckets{Rate: 1, Burst: 30}, tenantPerMin: l.TenantPerMinute}
}

// check counts a call for its tenant and for its key; the headers tell about the key.
func (r rates) check(w http.ResponseWriter, p access.Principal) error {
	if r.tenantPerMin != nil {
		if n := r.tenantPerMin(p.Tenant); n > 0 {
			left, wait, ok := r.tenants.take(p.Tenant, float64(n)/60, float64(n), time.Now())
			if err := tell(w, float64(n)/60, float64(n), left, wait, ok); err != nil {
				return err
			}
			return r.keys.check(w, p.By())
		}
	}
	if err := r.tenants.check(w, p.Tenant); err != nil {
		return err
	}
	return r.keys.check(w, p.By())
}

// ClientIP is who asks: the connection's address, or what a trusted proxy says (the last hop it did not make itself).
func ClientIP(r *http.Request, proxies []*net.IPNet) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	hops := strings.Split(r.Header.Get("X-Forwarded-For"), ",")
	for i := len(hops) - 1; i >= 0 && trusted(host, proxies); i-- {
		hop := strings.TrimSpace(hops[i])
		if net.ParseIP(hop) == nil {
			break
		}
		host = hop
	}
	return host
}

func trusted(host string, proxies []*net.IPNet) bool {
	ip := net.ParseIP(host)
	for _, p := range proxies {
		if ip != nil && p.Contains(ip) {
			return true
		}
	}
	return false
}
