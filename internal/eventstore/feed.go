package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// Page is a run of records in log order.
type Page struct {
	Records  []Recorded
	Position uint64 // everything up to here has been seen, matching or not
	CaughtUp bool   // nothing newer was there when the page ended: what follows is live
}

// feed is one catch-up subscription to $all, filtered by prefixes, read ahead by up to two pages.
type feed struct {
	sub  *esdb.Subscription
	size int

	mu      sync.Mutex
	changed *sync.Cond
	page    Page
	fresh   bool // page says something that has not been taken
	err     error
}

func ofStreams(prefixes []string) esdb.SubscriptionFilter {
	return esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: prefixes}
}

func ofTypes(names []string) esdb.SubscriptionFilter {
	return esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: names}
}

// openFeed subscribes behind a position (0: from the start). It ends when ctx does.
func (c *Client) openFeed(ctx context.Context, filter esdb.SubscriptionFilter, after uint64, size int) (*feed, error) {
	opts := esdb.SubscribeToAllOptions{
		From:               esdb.Start{},
		Filter:             &filter,
		MaxSearchWindow:    1000,
		CheckpointInterval: 1,
	}
	if after > 0 {
		opts.From = esdb.Position{Commit: after, Prepare: after}
	}
	// The library's call may hang while the server is away, so it runs beside a watch on ctx, and a subscription that
	// comes too late is closed.
	done := make(chan error, 1)
	f := &feed{size: size, page: Page{Position: after}}
	f.changed = sync.NewCond(&f.mu)
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		sub, err := c.db.SubscribeToAll(ctx, opts)
		f.sub = sub
		done <- err
		if err == nil && ctx.Err() != nil {
			_ = sub.Close()
		}
	}()
	select {
	case err := <-done:
		if err != nil {
			return nil, classify(err)
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		f.receive()
	}()
	context.AfterFunc(ctx, func() { f.fail(ctx.Err()) })
	return f, nil
}

func (f *feed) receive() {
	defer func() { _ = f.sub.Close() }()
	for {
		ev := f.sub.Recv()
		f.mu.Lock()
		for len(f.page.Records) >= 2*f.size && f.err == nil {
			f.changed.Wait()
		}
		if f.err != nil {
			f.mu.Unlock()
			return
		}
		switch {
		case ev.SubscriptionDropped != nil:
			f.err = fmt.Errorf("%w: subscription dropped: %w", ErrUnavailable, ev.SubscriptionDropped.Error)
		case ev.EventAppeared != nil:
			r := recorded(ev.EventAppeared)
			f.page.Records = append(f.page.Records, r)
			f.page.Position, f.fresh = r.Position, true
		case ev.CheckPointReached != nil && ev.CheckPointReached.Commit > f.page.Position:
			f.page.Position, f.fresh = ev.CheckPointReached.Commit, true
		case ev.CaughtUp != nil:
			f.page.CaughtUp, f.fresh = true, true
		case ev.FellBehind != nil:
			f.page.CaughtUp = false
		}
		f.changed.Broadcast()
		f.mu.Unlock()
	}
}

func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = errors.Join(f.err, err)
	f.changed.Broadcast()
}

// full says that a whole page is waiting.
func (f *feed) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.page.Records) >= f.size
}

// next waits for something new and returns all of it, up to a page.
func (f *feed) next() (Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.fresh && f.err == nil {
		f.changed.Wait()
	}
	if !f.fresh {
		return Page{}, f.err
	}
	page := f.page
	if len(page.Records) <= f.size {
		f.page = Page{Position: page.Position, CaughtUp: page.CaughtUp}
		f.fresh = false
	} else {
		f.page.Records = append([]Recorded(nil), page.Records[f.size:]...)
		page.Records = page.Records[:f.size:f.size]
		page.Position, page.CaughtUp = page.Records[f.size-1].Position, false
	}
	f.changed.Broadcast()
	return page, nil
}

// ErrDone ends [Client.Follow] without being an error.
var ErrDone = errors.New("eventstore: done")

// Follow delivers the records of streams with the given prefixes behind a position (0: from the start), in log order, a
// page of at most size at a time: first what is there, then what comes. It goes on until ctx ends, the server is away,
// or each fails; with [ErrDone] that is no error.
func (c *Client) Follow(ctx context.Context, prefixes []string, after uint64, size int, each func(Page) error) error {
	return c.follow(ctx, ofStreams(prefixes), after, size, each)
}

// FollowTypes is [Client.Follow] for records by how the names of their types begin, whatever stream they are in.
func (c *Client) FollowTypes(ctx context.Context, types []string, after uint64, size int, each func(Page) error) error {
	return c.follow(ctx, ofTypes(types), after, size, each)
}

func (c *Client) follow(ctx context.Context, filter esdb.SubscriptionFilter, after uint64, size int, each func(Page) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f, err := c.openFeed(ctx, filter, after, size)
	if err != nil {
		return err
	}
	for {
		page, err := f.next()
		if err == nil {
			err = each(page)
		}
		if errors.Is(err, ErrDone) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Scan reads all records of streams with the given prefixes that are there now, in log order, a page at a time.
func (c *Client) Scan(ctx context.Context, prefixes []string, each func([]Recorded) error) error {
	return c.Follow(ctx, prefixes, 0, 1000, func(page Page) error {
		if len(page.Records) > 0 {
			if err := each(page.Records); err != nil {
				return err
			}
		}
		if page.CaughtUp {
			return ErrDone
		}
		return nil
	})
}

// NothingBetween says whether streams with the given prefixes have no record behind a position and up to another.
func (c *Client) NothingBetween(ctx context.Context, prefixes []string, after, to uint64) (none bool, err error) {
	err = c.Follow(ctx, prefixes, after, 1, func(page Page) error {
		switch {
		case len(page.Records) > 0:
			none = page.Records[0].Position > to
			return ErrDone
		case page.CaughtUp:
			none = true
			return ErrDone
		}
		return nil
	})
	return none, err
}
