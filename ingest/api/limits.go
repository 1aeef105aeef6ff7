package api

import (
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/internal/httpapi"
)

const (
	clientBurst     = 200 // requests of links a client address may make at once
	clientRate      = 1.0 // and then per second
	recipientEvents = 5   // events a day that may invite an address they had not invited before
	maxTracked      = 100_000
)

// limits keeps links from being a way to mail strangers: per client address and per recipient. They are kept in memory,
// so every process counts for itself and a restart forgives.
type limits struct {
	clients httpapi.Buckets

	mu         sync.Mutex
	recipients map[string]map[string]time.Time // person → event → first asked for
}

func newLimits() *limits {
	return &limits{clients: httpapi.Buckets{Rate: clientRate, Burst: clientBurst}}
}

func (l *limits) allowClient(ip string, now time.Time) bool {
	_, _, ok := l.clients.Take(ip, now)
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
