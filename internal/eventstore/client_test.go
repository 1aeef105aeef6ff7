package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/calendar-invite-server/cis/internal/eventstore/storetest"
	"github.com/google/uuid"
)

var quiet = slog.New(slog.DiscardHandler)

// TestContract runs the contract against the EventStoreDB that EVENTSTORE_URL names (make test-eventstore).
func TestContract(t *testing.T) {
	url := os.Getenv("CIS_TEST_EVENTSTORE_URL")
	if url == "" {
		t.Skip("CIS_TEST_EVENTSTORE_URL is not set; the embedded store is covered in embedded/")
	}
	storetest.Run(t, url)
}

func serve(t *testing.T, dir, addr string) *embedded.Server {
	t.Helper()
	s, err := embedded.Open(dir, addr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, addr string) *eventstore.Client {
	t.Helper()
	c, err := eventstore.Dial("esdb://"+addr+"?tls=false", quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func proposed(n int) []eventstore.Proposed {
	out := make([]eventstore.Proposed, n)
	for i := range out {
		out[i] = eventstore.Proposed{ID: uuid.New(), Type: "Tested", Data: fmt.Appendf(nil, `{"n":%d}`, i)}
	}
	return out
}

func TestClient(t *testing.T) {
	s := serve(t, t.TempDir(), "127.0.0.1:0")
	defer s.Close()
	c := dial(t, s.Addr().String())
	ctx := t.Context()

	t.Run("an append at a revision that is gone says so", func(t *testing.T) {
		stream := "event-" + uuid.NewString()
		if _, err := c.Append(ctx, stream, eventstore.NoStream, proposed(2)...); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Append(ctx, stream, 0, proposed(1)...); !errors.Is(err, eventstore.ErrWrongRevision) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a missing stream is not found", func(t *testing.T) {
		if _, err := c.ReadStream(ctx, "event-missing", 0); !errors.Is(err, eventstore.ErrStreamNotFound) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an oversized append is refused before it is sent", func(t *testing.T) {
		big := proposed(1)
		big[0].Data = make([]byte, eventstore.MaxAppendBytes+1)
		if _, err := c.Append(ctx, "event-big", eventstore.NoStream, big...); !errors.Is(err, eventstore.ErrTooLarge) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a long stream is read in pages", func(t *testing.T) {
		const n = 4096 + 10
		for i := 0; i < n; i += 1026 {
			expected := eventstore.Revision(i - 1)
			if _, err := c.Append(ctx, "event-long", expected, proposed(min(1026, n-i))...); err != nil {
				t.Fatal(err)
			}
		}
		recs, err := c.ReadStream(ctx, "event-long", 3)
		if err != nil || len(recs) != n-3 || recs[len(recs)-1].Revision != n-1 {
			t.Errorf("got %d records, %v", len(recs), err)
		}
	})
}

func TestOutage(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir := lis.Addr().String(), t.TempDir()
	_ = lis.Close()
	c := dial(t, addr)

	t.Run("with the server down a call ends with its context", func(t *testing.T) {
		for range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			start := time.Now()
			_, err := c.Append(ctx, "event-x", eventstore.Any, proposed(1)...)
			cancel()
			if !errors.Is(err, eventstore.ErrUnavailable) || time.Since(start) > 2*time.Second {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
		}
	})
	t.Run("a call waits for a server that is still starting, and survives a restart", func(t *testing.T) {
		started := make(chan *embedded.Server)
		go func() {
			time.Sleep(1500 * time.Millisecond) // longer than the library's default patience of one second
			started <- serve(t, dir, addr)
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := c.Append(ctx, "event-y", eventstore.NoStream, proposed(1)...); err != nil {
			t.Fatal(err)
		}
		(<-started).Close()
		s := serve(t, dir, addr)
		defer s.Close()
		if _, err := c.Append(ctx, "event-y", 0, proposed(1)...); err != nil {
			t.Fatal(err)
		}
		recs, err := c.ReadStream(ctx, "event-y", 0)
		if err != nil || len(recs) != 2 {
			t.Errorf("got %d records, %v", len(recs), err)
		}
	})
}

func TestSubscriber(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir := lis.Addr().String(), t.TempDir()
	_ = lis.Close()
	s := serve(t, dir, addr)
	c := dial(t, addr)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	add := func(stream string, n int) {
		t.Helper()
		if _, err := c.Append(ctx, stream, eventstore.Any, proposed(n)...); err != nil {
			t.Fatal(err)
		}
	}
	var checkpoint atomic.Uint64
	sub := c.NewSubscriber(eventstore.SubscriberOptions{
		StreamPrefixes: []string{"invitation-"}, PageSize: 100,
		Checkpoint: func(context.Context) (uint64, error) { return checkpoint.Load(), nil },
	})
	add("invitation-a", 250)
	add("mail-x", 50)
	messages, err := sub.Subscribe(ctx, "test")
	if err != nil {
		t.Fatal(err)
	}
	var seen []eventstore.Recorded
	take := func(msg *message.Message) eventstore.Page {
		page := eventstore.PageOf(msg)
		seen = append(seen, page.Records...)
		if len(page.Records) > 100 {
			t.Errorf("a page of %d records", len(page.Records))
		}
		checkpoint.Store(page.Position)
		msg.Ack()
		return page
	}
	for !take(<-messages).CaughtUp {
	}
	wantSeen := func(n int) {
		t.Helper()
		if len(seen) != n {
			t.Fatalf("saw %d records, want %d", len(seen), n)
		}
		for i, r := range seen {
			if r.Stream != "invitation-a" || r.Revision != uint64(i) {
				t.Fatalf("record %d is %s@%d", i, r.Stream, r.Revision)
			}
		}
	}
	wantSeen(250)

	add("invitation-a", 1)
	for len(seen) < 251 {
		take(<-messages)
	}
	wantSeen(251)

	// A page that is not processed comes again, from the checkpoint on.
	add("invitation-a", 2)
	msg := <-messages
	for len(eventstore.PageOf(msg).Records) == 0 {
		take(msg)
		msg = <-messages
	}
	msg.Nack()
	for len(seen) < 253 {
		take(<-messages)
	}
	wantSeen(253)

	// The server goes away and comes back: nothing is lost, nothing comes twice.
	s.Close()
	s = serve(t, dir, addr)
	defer s.Close()
	add("invitation-a", 3)
	for len(seen) < 256 {
		take(<-messages)
	}
	wantSeen(256)
	if err := sub.Close(); err != nil {
		t.Error(err)
	}
}
