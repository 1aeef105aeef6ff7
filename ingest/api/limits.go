package api

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	clientBurst     = 200 // requests a client address may make at once
	clientRate      = 1.0 // and then per second
	recipientEvents = 5   // events a day that may invite an address they had not invited before
	maxTracked      = 100_000
)

// limits keeps the published link from being a way to mail strangers: per client address and per recipient. They are
// kept in memory, so every process counts for itself and a restart forgives.
type limits struct {
	mu         sync.Mutex
	clients    map[string]bucket
	recipients map[string]map[string]time.Time // person → event → first asked for
}

type bucket struct {
	tokens float64
	at     time.Time
}

func (l *limits) allowClient(ip string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.clients == nil || len(l.clients) >= maxTracked {
		l.clients = map[string]bucket{}
	}
	b, known := l.clients[ip]
	if !known {
		b = bucket{clientBurst, now}
	}
	b.tokens = min(clientBurst, b.tokens+now.Sub(b.at).Seconds()*clientRate)
	b.at = now
	ok := b.tokens >= 1
	if ok {
		b.tokens--
	}
	l.clients[ip] = b
	return ok
}

func (l *limits) allowRecipient(person, uid string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.recipients == nil || len(l.recipients) >= maxTracked {
		l.recipients = map[string]map[string]time.Time{}
	}
	events := l.recipients[person]
	if _, known := events[uid]; known {
		return true
	}
	for e, at := range events {
		if now.Sub(at) > 24*time.Hour {
			delete(events, e)
		}
	}
	if len(events) >= recipientEvents {
		return false
	}
	if events == nil {
		events = map[string]time.Time{}
		l.recipients[person] = events
	}
	events[uid] = now
	return true
}

// clientIP is who asks: the connection's address, or what a trusted proxy says (the last hop it did not make itself).
func clientIP(r *http.Request, proxies []*net.IPNet) string {
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
