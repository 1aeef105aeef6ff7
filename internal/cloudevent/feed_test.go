package cloudevent_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/cloudevent"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/facts/factstest"
	"github.com/google/uuid"
)

// TestFeed has followers come before, between and after what happens: each sees everything behind where they begin, in
// order and once.
func TestFeed(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	log := factstest.NewLog(t)
	feed := cloudevent.NewFeed(log, "https://cis.example", slog.New(slog.DiscardHandler))
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = feed.Run(running) }()
	defer func() { stop(); <-done }()
	var positions []uint64
	happen := func(n int) {
		t.Helper()
		for range n {
			ref := invitation.Ref{Tenant: "t", EventUID: "e", AttendeeID: uuid.NewString()}
			res, err := log.Append(ctx, ref.Stream(), eventstore.NoStream, facts.Meta{Command: uuid.New()}, invitation.InviteSent{Ref: ref})
			if err != nil {
				t.Fatal(err)
			}
			positions = append(positions, res.Position)
		}
	}
	follow := func(after uint64, want int) <-chan []uint64 {
		out := make(chan []uint64, 1)
		go func() {
			var got []uint64
			err := feed.Follow(ctx, after, time.Second, func(list []cloudevent.Event, _ uint64) error {
				for _, e := range list {
					got = append(got, e.Position)
				}
				if len(got) >= want {
					return cloudevent.ErrStop
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			out <- got
		}()
		return out
	}
	check := func(what string, got <-chan []uint64, want []uint64) {
		t.Helper()
		list := <-got
		for i := range want {
			if i >= len(list) || list[i] != want[i] {
				t.Fatalf("%s: %d of %d in order: %v", what, i, len(want), list)
			}
		}
		if len(list) != len(want) {
			t.Errorf("%s: %d too many", what, len(list)-len(want))
		}
	}
	happen(300) // nobody listens
	all := follow(0, 900)
	half := follow(positions[149], 750)
	happen(600)
	check("from the start", all, positions)
	check("from the middle", half, positions[150:])
	happen(5000 - 900) // more than is kept, with nobody listening any more
	check("late", follow(0, 5000), positions)
	if e, found, err := feed.At(ctx, positions[42]); err != nil || !found || e.Position != positions[42] {
		t.Errorf("at a position: %v %v %v", e.Position, found, err)
	}
	if _, found, err := feed.At(ctx, positions[4999]+1); err != nil || found {
		t.Errorf("beyond the end: %v %v", found, err)
	}
}
