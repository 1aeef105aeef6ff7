package eventstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
)

// Checkpoint returns the position a consumer has stored, 0 for none.
type Checkpoint func(context.Context) (uint64, error)

// Subscriber is a Watermill message.Subscriber over the log: a filtered catch-up subscription to $all whose messages
// carry a [Page] of records each, in order, the next one only after the last was acknowledged (and read ahead
// meanwhile). Pages are large while the consumer is behind and small when it is live.
//
// The consumer keeps its own position: after any drop, and after a Nack, the subscription starts again from what
// Checkpoint says then. The topic passed to Subscribe is only a name for logs.
type Subscriber struct {
	client   *Client
	opts     SubscriberOptions
	mu       sync.Mutex
	cancels  []context.CancelFunc
	again    context.CancelFunc // of the subscription under way; nil: none
	running  sync.WaitGroup
	isClosed bool
}

// SubscriberOptions says what is read and from where.
type SubscriberOptions struct {
	StreamPrefixes []string
	Checkpoint     Checkpoint
	PageSize       int           // records per message at most; default 1000
	Linger         time.Duration // least time between two pages while live, so that a busy log comes in fewer pages; default 25 ms
}

var _ message.Subscriber = (*Subscriber)(nil)

// NewSubscriber makes a subscriber; nothing is read before Subscribe.
func (c *Client) NewSubscriber(opts SubscriberOptions) *Subscriber {
	if opts.PageSize == 0 {
		opts.PageSize = 1000
	}
	if opts.Linger == 0 {
		opts.Linger = 25 * time.Millisecond
	}
	return &Subscriber{client: c, opts: opts}
}

type pageKey struct{}

// PageOf returns the page a message of a [Subscriber] carries.
func PageOf(msg *message.Message) Page {
	page, _ := msg.Context().Value(pageKey{}).(Page)
	return page
}

// Subscribe delivers pages until ctx ends or Close is called; then the channel is closed.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return nil, fmt.Errorf("eventstore: subscriber %s is closed", topic)
	}
	ctx, cancel := context.WithCancel(ctx)
	s.cancels = append(s.cancels, cancel)
	out := make(chan *message.Message)
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		defer close(out)
		s.run(ctx, topic, out)
	}()
	return out, nil
}

// Close ends all subscriptions and waits for them.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.isClosed = true
	for _, cancel := range s.cancels {
		cancel()
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// Restart has the subscription start again from what Checkpoint says now.
func (s *Subscriber) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again != nil {
		s.again()
	}
}

// run subscribes again after any drop, with a growing pause while nothing gets through.
func (s *Subscriber) run(ctx context.Context, topic string, out chan<- *message.Message) {
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		delivered, err := s.subscribeOnce(ctx, out)
		if ctx.Err() != nil {
			return
		}
		if delivered {
			pause = 50 * time.Millisecond
		}
		s.client.log.Info("eventstore: subscribing again", "subscription", topic, "pause", pause, "reason", err)
		select {
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		case <-ctx.Done():
		}
	}
}

var errNacked = fmt.Errorf("eventstore: the page was not processed")

func (s *Subscriber) subscribeOnce(ctx context.Context, out chan<- *message.Message) (delivered bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.again = cancel
	s.mu.Unlock()
	after, err := s.opts.Checkpoint(ctx)
	if err != nil {
		return false, fmt.Errorf("reading the checkpoint: %w", err)
	}
	f, err := s.client.openFeed(ctx, ofStreams(s.opts.StreamPrefixes), after, s.opts.PageSize)
	if err != nil {
		return false, err
	}
	var last time.Time
	for {
		if wait := s.opts.Linger - time.Since(last); wait > 0 && !f.full() {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
		page, err := f.next()
		if err != nil {
			return delivered, err
		}
		last = time.Now()
		msg := message.NewMessage(watermill.NewUUID(), nil)
		msg.SetContext(context.WithValue(ctx, pageKey{}, page))
		select {
		case out <- msg:
		case <-ctx.Done():
			return delivered, ctx.Err()
		}
		select {
		case <-msg.Acked():
			delivered = true
		case <-msg.Nacked():
			return delivered, errNacked
		case <-ctx.Done():
			return delivered, ctx.Err()
		}
	}
}
