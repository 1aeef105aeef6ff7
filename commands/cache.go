package commands

import (
	"context"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/organizer"
)

const (
	cacheAge  = time.Second // how long another process's change may go unseen
	cacheSize = 10_000
)

// cache keeps the states of streams that others ask about all the time.
type cache[S any] struct {
	mu     sync.Mutex
	states map[string]cached[S]
}

type cached[S any] struct {
	state S
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
	if err == nil && seen.State.Exists { // guesses of strangers must not fill the cache
		h.events.put(uid, cached[event.State]{seen.State, read})
	}
	return seen.State, err
}

// FreshEvent returns an event as it is now, past the cache.
func (h *Handler) FreshEvent(ctx context.Context, uid string) (event.State, error) {
	h.events.forget(uid)
	return h.Event(ctx, uid)
}

// EventAt returns an event as it was at a content revision.
func (h *Handler) EventAt(ctx context.Context, uid string, revision int) (event.State, error) {
	list, _, err := h.log.Load(ctx, event.Stream(uid))
	var s event.State
	for _, f := range list {
		fact, ok := f.(event.Fact)
		if !ok {
			continue
		}
		next := event.Evolve(s, fact)
		if next.Revision > revision {
			break
		}
		s = next
	}
	return s, err
}

// Organizer returns an account, as fresh as [Handler.Event] is. The zero State says that it was never seen.
func (h *Handler) Organizer(ctx context.Context, id string) (organizer.State, error) {
	if s, ok := h.organizers.get(id, time.Now()); ok {
		return s, nil
	}
	read := time.Now()
	seen, err := load(ctx, h.log, organizer.Stream(id), organizer.Evolve)
	if err == nil {
		h.organizers.put(id, cached[organizer.State]{seen.State, read})
	}
	return seen.State, err
}

// FreshOrganizer returns an account as it is now, past the cache.
func (h *Handler) FreshOrganizer(ctx context.Context, id string) (organizer.State, error) {
	h.organizers.forget(id)
	return h.Organizer(ctx, id)
}

func (c *cache[S]) get(id string, now time.Time) (S, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.states[id]
	return e.state, ok && now.Sub(e.read) < cacheAge
}

func (c *cache[S]) put(id string, e cached[S]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states == nil || len(c.states) >= cacheSize {
		c.states = map[string]cached[S]{}
	}
	c.states[id] = e
}

func (c *cache[S]) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.states, id)
}
