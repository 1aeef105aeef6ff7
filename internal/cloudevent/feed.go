package cloudevent

import (
	"context"
	"errors"
	"log/slog"
	"sort"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
)

const (
	kept        = 4096 // events that happened last, for those who come back
	maxCatchUps = 4    // followers that read the log at the same time
	pageSize    = 500
	pieceSize   = 2000 // of the log, that a follower reads at a time
)

// ErrStop ends [Feed.Follow] without being an error.
var ErrStop = errors.New("cloudevent: stop")

// Feed tells what happens as it happens: one subscription of the process for as many followers as there are. Who begins
// further back reads the log until the feed has what follows.
type Feed struct {
	store    *eventstore.Client
	log      *facts.Log
	source   string
	slog     *slog.Logger
	catchUps chan struct{}

	mu      sync.Mutex
	events  []Event       // the newest last
	from    uint64        // everything behind this position is kept
	to      uint64        // seen up to here; 0: nothing yet
	changed chan struct{} // closed and replaced when there is more

	followers int
}

// NewFeed makes a feed; Run fills it. source is the address of this server.
func NewFeed(log *facts.Log, source string, logger *slog.Logger) *Feed {
	return &Feed{store: log.Store(), log: log, source: source, slog: logger, changed: make(chan struct{}), catchUps: make(chan struct{}, maxCatchUps)}
}

// Run follows the log until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		after, err := f.start(ctx)
		if err == nil {
			err = f.store.Follow(ctx, Prefixes, after, pageSize, func(page eventstore.Page) error {
				pause = 50 * time.Millisecond
				return f.add(ctx, page)
			})
		}
		if ctx.Err() != nil {
			break
		}
		f.slog.Info("feed: subscribing again", "pause", pause, "reason", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		case <-ctx.Done():
		}
	}
	return nil
}

// start is where to follow from: what was seen last, or, at first, the end of the log.
func (f *Feed) start(ctx context.Context) (uint64, error) {
	f.mu.Lock()
	to := f.to
	f.mu.Unlock()
	if to > 0 {
		return to, nil
	}
	head, err := f.store.Head(ctx)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from, f.to = head, head
	return head, nil
}

// add keeps what a page says, if there is anybody to tell: who comes later reads the log.
func (f *Feed) add(ctx context.Context, page eventstore.Page) error {
	f.mu.Lock()
	alone := f.followers == 0
	if alone {
		f.events, f.from, f.to = nil, max(f.from, page.Position), max(f.to, page.Position)
	}
	f.mu.Unlock()
	if alone {
		return nil
	}
	list, err := f.read(ctx, page)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, list...)
	if extra := len(f.events) - kept; extra > 0 {
		f.from = f.events[extra-1].Position
		f.events = append(make([]Event, 0, 2*kept), f.events[extra:]...)
	}
	f.to = max(f.to, page.Position)
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

// read makes events of a page's records.
func (f *Feed) read(ctx context.Context, page eventstore.Page) ([]Event, error) {
	var out []Event
	for _, r := range page.Records {
		rec, err := facts.Decode(r)
		if err != nil {
			return nil, err
		}
		if _, wanted := Of(rec, f.source); !wanted {
			continue
		}
		if rec.Fact, err = f.log.Open(ctx, rec); err != nil {
			return nil, err
		}
		e, _ := Of(rec, f.source)
		out = append(out, e)
	}
	return out, nil
}

// since returns what is kept behind a position, or, if that is too long ago, false. changed says when there is more.
func (f *Feed) since(position uint64) (list []Event, to uint64, changed <-chan struct{}, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.to == 0 || position < f.from {
		return nil, f.to, f.changed, false
	}
	i := sort.Search(len(f.events), func(i int) bool { return f.events[i].Position > position })
	return f.events[i:len(f.events):len(f.events)], max(position, f.to), f.changed, true
}

// Now is the position up to which everything has happened.
func (f *Feed) Now(ctx context.Context) (uint64, error) {
	if _, to, _, _ := f.since(0); to > 0 {
		return to, nil
	}
	return f.store.Head(ctx)
}

// Known is the newest position the feed has seen; 0: none yet.
func (f *Feed) Known() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.to
}

// Follow calls each with what happened behind a position, in order, and with how far that reaches, until ctx ends or each
// fails; with [ErrStop] that is no error. Where nothing happens each is called once per beat with nothing.
func (f *Feed) Follow(ctx context.Context, after uint64, beat time.Duration, each func(list []Event, to uint64) error) error {
	f.count(1)
	defer f.count(-1)
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		list, to, changed, ok := f.since(after)
		var err error
		if !ok {
			after, err = f.catchUp(ctx, after, each)
		} else if len(list) > 0 || to > after {
			err, after = each(list, to), to
		}
		if errors.Is(err, ErrStop) {
			return nil
		}
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		select {
		case <-changed:
		case <-ticker.C:
			if err := each(nil, after); errors.Is(err, ErrStop) {
				return nil
			} else if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *Feed) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.followers += n
}

// catchUp reads a piece of the log that is not kept any more, and returns how far it came. While each works nothing is
// held: it may take days.
func (f *Feed) catchUp(ctx context.Context, after uint64, each func([]Event, uint64) error) (uint64, error) {
	list, to, err := f.piece(ctx, after)
	if err == nil {
		err = each(list, to)
	}
	return max(after, to), err
}

func (f *Feed) piece(ctx context.Context, after uint64) (list []Event, to uint64, err error) {
	select {
	case f.catchUps <- struct{}{}:
		defer func() { <-f.catchUps }()
	case <-ctx.Done():
		return nil, after, ctx.Err()
	}
	err = f.store.Follow(ctx, Prefixes, after, pieceSize, func(page eventstore.Page) error {
		more, err := f.read(ctx, page)
		if err != nil {
			return err
		}
		list, to = append(list, more...), max(after, page.Position)
		if len(list) >= pieceSize || page.CaughtUp {
			return eventstore.ErrDone
		}
		return nil
	})
	return list, to, err
}

// At reads what stands at a position; false if that is nothing anybody is told.
func (f *Feed) At(ctx context.Context, position uint64) (e Event, found bool, err error) {
	if position == 0 {
		return e, false, nil
	}
	err = f.store.Follow(ctx, Prefixes, position-1, 1, func(page eventstore.Page) error {
		list, err := f.read(ctx, page)
		if err == nil && len(list) > 0 && list[0].Position == position {
			e, found = list[0], true
		}
		if err == nil && (page.Position >= position || page.CaughtUp) {
			err = eventstore.ErrDone
		}
		return err
	})
	return e, found, err
}
