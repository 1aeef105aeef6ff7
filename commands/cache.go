package commands

import (
	"context"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/member"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/domain/tenant"
)

const (
	cacheAge  = time.Second // how long another process's change may go unseen
	cacheSize = 10_000

	staleAge  = 10 * time.Minute // how long who may call is believed while the log is away: reads do not need it
	staleWait = time.Second      // how long the log may take to answer before that,
	loadWait  = 5 * time.Second  // and where nothing is known
)

// cache keeps the states of streams that others ask about all the time.
type cache[S any] struct {
	mu     sync.Mutex
	states map[string]cached[S]
}

type cached[S any] struct {
	state  S
	read   time.Time // or tried to
	loaded time.Time
}

// Event returns an event as it was at most a second ago; what this process changed is seen at once. The zero State
// says that there is none.
func (h *Handler) Event(ctx context.Context, uid string) (event.State, error) {
	// Guesses of strangers must not fill the cache.
	return cachedLoad(ctx, h, &h.events, uid, event.Stream(uid), event.Evolve, func(s event.State) bool { return s.Exists })
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
	return cachedLoad(ctx, h, &h.organizers, id, organizer.Stream(id), organizer.Evolve, func(organizer.State) bool { return true })
}

// FreshOrganizer returns an account as it is now, past the cache.
func (h *Handler) FreshOrganizer(ctx context.Context, id string) (organizer.State, error) {
	h.organizers.forget(id)
	return h.Organizer(ctx, id)
}

// Key returns an API key, as fresh as [Handler.Event] is. The zero State says that there is none.
func (h *Handler) Key(ctx context.Context, id string) (key.State, error) {
	return patientLoad(ctx, h, &h.keys, id, key.Stream(id), key.Evolve, func(s key.State) bool { return s.Exists })
}

// Member returns what somebody who signs in may do, as fresh as [Handler.Event] is.
func (h *Handler) Member(ctx context.Context, personID string) (member.State, error) {
	return patientLoad(ctx, h, &h.members, personID, member.Stream(personID), member.Evolve, func(member.State) bool { return true })
}

// Tenants returns all tenants, as fresh as [Handler.Event] is.
func (h *Handler) Tenants(ctx context.Context) (tenant.State, error) {
	return patientLoad(ctx, h, &h.tenants, "", tenant.Stream, tenant.Evolve, func(tenant.State) bool { return true })
}

// Tenant returns one of them. It fails with [tenant.ErrUnknown].
func (h *Handler) Tenant(ctx context.Context, code string) (tenant.Tenant, error) {
	all, err := h.Tenants(ctx)
	t, known := all.Of(code)
	if err == nil && !known {
		err = tenant.ErrUnknown
	}
	return t, err
}

// patientLoad is cachedLoad for what says who may call: while the log is away, what it said last counts for a while.
func patientLoad[S any, F schema.Fact](ctx context.Context, h *Handler, c *cache[S], id, stream string, evolve func(S, F) S, keep func(S) bool) (S, error) {
	last, known := c.last(id)
	known = known && time.Since(last.loaded) < staleAge
	wait := loadWait
	if known {
		wait = staleWait
	}
	short, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	s, err := cachedLoad(short, h, c, id, stream, evolve, keep)
	if err != nil && known && ctx.Err() == nil {
		c.put(id, cached[S]{last.state, time.Now(), last.loaded})
		return last.state, nil
	}
	return s, err
}

// cachedLoad folds a stream unless that was done a moment ago. What nobody should make us remember is not kept.
func cachedLoad[S any, F schema.Fact](ctx context.Context, h *Handler, c *cache[S], id, stream string, evolve func(S, F) S, keep func(S) bool) (S, error) {
	if s, ok := c.get(id, time.Now()); ok {
		return s, nil
	}
	read := time.Now()
	seen, err := load(ctx, h.log, stream, evolve)
	if err == nil && keep(seen.State) {
		c.put(id, cached[S]{seen.State, read, read})
	}
	return seen.State, err
}

func (c *cache[S]) get(id string, now time.Time) (S, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.states[id]
	return e.state, ok && now.Sub(e.read) < cacheAge
}

func (c *cache[S]) last(id string) (cached[S], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.states[id]
	return e, ok
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
