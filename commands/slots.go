package commands

import (
	"context"
	"sync"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/google/uuid"
)

// maxBlock is how many slots are reserved at once.
const maxBlock = 500

// Slots is a block of an event's slots for bulk invitations, already reserved. It is safe for concurrent use.
type Slots struct {
	mu   sync.Mutex
	free int
	all  bool // there is no limit
}

// take says whether there was one left.
func (s *Slots) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all {
		return true
	}
	if s.free == 0 {
		return false
	}
	s.free--
	return true
}

// put gives one back that was not needed.
func (s *Slots) put() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
}

// Enough says whether there is one for each of n.
func (s *Slots) Enough(n int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all || s.free >= n
}

// ReserveBlock reserves up to wanted slots under a name. The same name again is the same block, of which used are taken.
func (h *Handler) ReserveBlock(ctx context.Context, meta Meta, c ReserveSlots, used int) (*Slots, error) {
	if _, err := h.ForEvent(ctx, meta, c); err != nil {
		return nil, err
	}
	ev, err := h.FreshEvent(ctx, c.UID)
	return &Slots{free: max(0, ev.Blocks[c.Block]-used), all: ev.InviteLimit == 0}, err
}

// desk reserves slots for single requests of bulk origins: those that come at the same time share an append, so that ten
// thousand of them cost the event's stream a few dozen.
type desk struct {
	mu      sync.Mutex
	waiting map[string][]chan slotAnswer // event → who waits; an entry means that somebody serves them
}

type slotAnswer struct {
	granted bool
	err     error
}

// takeSlot reserves one slot.
func (h *Handler) takeSlot(ctx context.Context, meta Meta, uid string) (bool, error) {
	answer := make(chan slotAnswer, 1)
	h.desk.mu.Lock()
	queue, served := h.desk.waiting[uid]
	if h.desk.waiting == nil {
		h.desk.waiting = map[string][]chan slotAnswer{}
	}
	h.desk.waiting[uid] = append(queue, answer)
	h.desk.mu.Unlock()
	if !served {
		go h.serveSlots(context.WithoutCancel(ctx), meta, uid)
	}
	select {
	case a := <-answer:
		return a.granted, a.err
	case <-ctx.Done(): // a slot may stay reserved for nobody; it is never given twice
		return false, ctx.Err()
	}
}

// serveSlots answers everybody who waits for slots of an event, a block at a time.
func (h *Handler) serveSlots(ctx context.Context, meta Meta, uid string) {
	for {
		h.desk.mu.Lock()
		queue := h.desk.waiting[uid]
		if len(queue) == 0 {
			delete(h.desk.waiting, uid)
			h.desk.mu.Unlock()
			return
		}
		n := min(len(queue), maxBlock)
		batch := queue[:n:n]
		h.desk.waiting[uid] = queue[n:]
		h.desk.mu.Unlock()
		block := uuid.NewString()
		meta.Command = uuid.NewSHA1(namespace, []byte(block))
		slots, err := h.ReserveBlock(ctx, meta, ReserveSlots{UID: uid, Block: block, Wanted: n}, 0)
		for _, answer := range batch {
			answer <- slotAnswer{granted: err == nil && slots.take(), err: err}
		}
	}
}

// returnSlot gives one back that was not needed after all.
func (h *Handler) returnSlot(ctx context.Context, meta Meta, uid string) error {
	block := uuid.NewString()
	meta.Command = uuid.NewSHA1(namespace, []byte(block))
	_, err := h.ForEvent(ctx, meta, freeSlot{uid: uid, block: block})
	return err
}

// freeSlot gives back a slot of whatever block.
type freeSlot struct{ uid, block string }

// Stream is the event's.
func (c freeSlot) Stream() string { return event.Stream(c.uid) }

// Decide returns one slot.
func (c freeSlot) Decide(s event.State) ([]event.Fact, error) {
	if _, had := s.Blocks[c.block]; had || s.Reserved == 0 {
		return nil, nil
	}
	return []event.Fact{event.InviteSlotsReturned{Tenant: s.Tenant, UID: s.UID, Block: c.block, Count: 1}}, nil
}
