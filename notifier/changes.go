package notifier

import (
	"context"
	"sync"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/internal/recur"
)

// Change is a difference between what an attendee knew and what holds now, in words.
type Change struct{ Label, From, To string }

// changes says what is different for people.
func changes(was, is event.Content) (list []Change) {
	add := func(label, from, to string) {
		if from != to {
			list = append(list, Change{label, orNone(from), orNone(to)})
		}
	}
	add("Title", was.Summary, is.Summary)
	if !was.SameTime(is) {
		add("Time", recur.When(was.Start, was.End), recur.When(is.Start, is.End))
		add("Repeats", recur.Repeats(was), recur.Repeats(is))
	}
	add("Place", was.Location, is.Location)
	if was.Description != is.Description {
		list = append(list, Change{Label: "Description"})
	}
	if len(list) == 0 && !was.Equal(is) { // dates of a series
		list = append(list, Change{Label: "Dates"})
	}
	return list
}

func orNone(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// maxPast bounds how many past versions of events are kept.
const maxPast = 1000

// pastContents keeps events as they were: an update of a large event compares with the same version again and again.
type pastContents struct {
	mu     sync.Mutex
	states map[pastKey]event.State
}

type pastKey struct {
	uid      string
	revision int
}

func (p *pastContents) at(ctx context.Context, h *commands.Handler, uid string, revision int) (event.State, error) {
	key := pastKey{uid, revision}
	p.mu.Lock()
	s, ok := p.states[key]
	p.mu.Unlock()
	if ok {
		return s, nil
	}
	s, err := h.EventAt(ctx, uid, revision)
	if err != nil {
		return s, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.states == nil || len(p.states) >= maxPast {
		p.states = map[pastKey]event.State{}
	}
	p.states[key] = s
	return s, nil
}
