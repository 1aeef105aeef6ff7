package embedded_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

func benchClient(b *testing.B) *eventstore.Client {
	dir, err := filepath.Abs(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	sock := filepath.Join(b.TempDir(), "s")
	s, err := embedded.Open(dir, "unix:"+sock)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	c, err := eventstore.Dial("esdb+unix://"+sock, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// BenchmarkAppend is durable appends of one 400-byte record, 64 callers.
func BenchmarkAppend(b *testing.B) {
	c := benchClient(b)
	data := make([]byte, 400)
	b.ResetTimer()
	var g errgroup.Group
	g.SetLimit(64)
	for range b.N {
		g.Go(func() error {
			_, err := c.Append(context.Background(), "invitation-"+uuid.NewString(), eventstore.NoStream, eventstore.Proposed{ID: uuid.New(), Type: "T", Data: data, Binary: true})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkCatchUp is records per second through a subscription that is behind.
func BenchmarkCatchUp(b *testing.B) {
	c := benchClient(b)
	data := make([]byte, 400)
	const n = 200_000
	var g errgroup.Group
	g.SetLimit(16)
	for range n / 500 {
		g.Go(func() error {
			recs := make([]eventstore.Proposed, 500)
			for i := range recs {
				recs[i] = eventstore.Proposed{ID: uuid.New(), Type: "T", Data: data, Binary: true}
			}
			_, err := c.Append(context.Background(), "invitation-"+uuid.NewString(), eventstore.NoStream, recs...)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		sub := c.NewSubscriber(eventstore.SubscriberOptions{
			StreamPrefixes: []string{"invitation-"}, PageSize: 5000,
			Checkpoint: func(context.Context) (uint64, error) { return 0, nil },
		})
		messages, err := sub.Subscribe(b.Context(), "bench")
		if err != nil {
			b.Fatal(err)
		}
		seen := 0
		for seen < n {
			msg := <-messages
			seen += len(eventstore.PageOf(msg).Records)
			msg.Ack()
		}
		_ = sub.Close()
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
}
