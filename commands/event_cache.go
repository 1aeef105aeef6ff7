package commands

import (
	"context"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
)

const (
	eventCacheAge  = time.Second // how long another process's change may go unseen
	eventCacheSize = 10_000
)

// eventCache keeps the states of events that invitations and replies ask about all the time.
type eventCache struct {
	mu     sync.Mutex
	states map[string]cachedEvent
}

type cachedEvent struct {
	state event.State
	read  time.Time
}

// Event returns an event as it was at most a second ago; what this process changed is seen at once. The zero State
// says that there is none.
func (h *Handler) Event(ctx context.Context, uid string) (event.State, error) {
	if s, ok := h.events.get(uid, time.Now()); ok {
		return s, nil
	}
	read := time.Now()
	seen, err := load(ctx, h.log, event.Stream(uid), event.Evolve)
	s := seen.State
	if err == nil && s.Exists { // guesses of strangers must not fill the cache
		h.events.put(uid, cachedEvent{s, read})
	}
	return s, err
}

// FreshEvent returns an event as it is now, past the cache.
func (h *Handler) FreshEvent(ctx context.Context, uid string) (event.State, error) {
	h.events.forget(uid)
	return h.Event(ctx, uid)
}

func (c *eventCache) get(uid string, now time.Time) (event.State, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.states[uid]
	return e.state, ok && now.Sub(e.read) < eventCacheAge
}

func (c *eventCache) put(uid string, e cachedEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states == nil || len(c.states) >= eventCacheSize {
		c.states = map[string]cachedEvent{}
	}
	c.states[uid] = e
}

func (c *eventCache) forget(uid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.states, uid)
}
