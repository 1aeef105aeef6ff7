package commands_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts/factstest"
	"github.com/google/uuid"
)

// counted is how often each fact stands in the log.
func counted(ctx context.Context, t *testing.T, store *eventstore.Client, prefix string) map[string]int {
	t.Helper()
	n := map[string]int{}
	err := store.Scan(ctx, []string{prefix}, func(page []eventstore.Recorded) error {
		for _, r := range page {
			n[r.Type]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestEventLimit fires 1,000 creations at a limit of 5, from two processes at once (S0-023).
func TestEventLimit(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	log := factstest.NewLog(t)
	handlers := []*commands.Handler{
		commands.NewHandler(log, commands.Limits{Events: 5, Invites: 1000}), commands.NewHandler(log, commands.Limits{Events: 5, Invites: 1000}),
	}
	var created, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			c := commands.CreateEvent{
				Tenant: "default", UID: fmt.Sprintf("%040d", i), OrganizerID: "org", OrganizerAddress: "olga@example.com",
				Source: event.Source{UID: fmt.Sprint(i), Revision: at(0, 0).Revision}, Content: friday, Now: now,
			}
			_, err := handlers[i%2].CreateEvent(ctx, commands.From("test", "default", fmt.Sprint(i), 0), c)
			switch why, ok := fault.From(err); {
			case err == nil:
				created.Add(1)
			case ok && why.Code == organizer.ErrLimit.Code:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if created.Load() != 5 || refused.Load() != 995 {
		t.Errorf("%d created and %d refused, want 5 and 995", created.Load(), refused.Load())
	}
	if n := counted(ctx, t, log.Store(), event.StreamPrefix); n["EventCreated"] != 5 || n["EventDenied"] != 995 {
		t.Errorf("in the log: %v", n)
	}
	if n := counted(ctx, t, log.Store(), organizer.StreamPrefix); n["EventSlotTaken"] != 5 || n["OrganizerRegistered"] != 1 {
		t.Errorf("in the log: %v", n)
	}
	t.Run("a cancelled event keeps its slot, and comes back without another", func(t *testing.T) {
		account, err := handlers[0].Organizer(ctx, "org")
		if err != nil {
			t.Fatal(err)
		}
		for uid := range account.Slots {
			source := strings.TrimLeft(uid, "0")
			if _, err := handlers[0].ForEvent(ctx, commands.From("test", "default", "cancel", 0), commands.CancelEvent{UID: uid, OrganizerID: "org", Source: event.Source{UID: source, Revision: at(1, 1).Revision}}); err != nil {
				t.Fatal(err)
			}
			_, err := handlers[0].CreateEvent(ctx, commands.From("test", "default", "new", 0), commands.CreateEvent{Tenant: "default", UID: strings.Repeat("f", 40), OrganizerID: "org", Source: at(0, 0), Content: friday, Now: now})
			if why, _ := fault.From(err); why == nil || why.Code != organizer.ErrLimit.Code {
				t.Errorf("another event: %v", err)
			}
			_, err = handlers[0].CreateEvent(ctx, commands.From("test", "default", "back", 0), commands.CreateEvent{Tenant: "default", UID: uid, OrganizerID: "org", Source: event.Source{UID: source, Revision: at(2, 2).Revision}, Content: friday, Now: now})
			if err != nil {
				t.Errorf("coming back: %v", err)
			}
			break
		}
	})
	t.Run("a crash between slot and event is completed by the redelivery", func(t *testing.T) {
		ref := organizer.Ref{Tenant: "default", OrganizerID: "crash"}
		c := commands.CreateEvent{Tenant: "default", UID: strings.Repeat("c", 40), OrganizerID: "crash", OrganizerAddress: "c@example.com", Source: at(0, 0), Content: friday, Now: now}
		if _, err := handlers[0].ForOrganizer(ctx, commands.From("test", "default", "crash", 0), commands.TakeSlot{Organizer: ref, Address: "c@example.com", EventUID: c.UID, Limit: 1}); err != nil {
			t.Fatal(err)
		}
		if _, err := handlers[1].CreateEvent(ctx, commands.From("test", "default", "crash", 1), c); err != nil {
			t.Fatal(err)
		}
		if ev, err := handlers[1].Event(ctx, c.UID); err != nil || !ev.Exists {
			t.Errorf("%v %v", ev.Exists, err)
		}
	})
}

// TestInviteLimit fires 10,000 bulk invites at a limit of 1,000, from two processes at once, with as many single ones
// beside them that never meet the limit (S0-035).
func TestInviteLimit(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	log := factstest.NewLog(t)
	limits := commands.Limits{Events: 5, Invites: 1000}
	handlers := []*commands.Handler{commands.NewHandler(log, limits), commands.NewHandler(log, limits)}
	uid := strings.Repeat("e", 40)
	if _, err := handlers[0].CreateEvent(ctx, commands.From("test", "default", "e", 0), commands.CreateEvent{
		Tenant: "default", UID: uid, OrganizerID: "org", OrganizerAddress: "olga@example.com", Source: at(0, 0), Content: friday, Now: now,
	}); err != nil {
		t.Fatal(err)
	}
	olga := organizer.Ref{Tenant: "default", OrganizerID: "org"}
	if _, err := handlers[0].ForOrganizer(ctx, commands.From("test", "default", "allow", 0), commands.JudgeOrganizer{Organizer: olga, Judgement: commands.AllowBulk}); err != nil {
		t.Fatal(err)
	}
	invite := func(i int, origin invitation.Origin) {
		h := handlers[i%2]
		ev, err := h.Event(ctx, uid)
		if err != nil {
			t.Error(err)
			return
		}
		who := fmt.Sprintf("%s%d", origin, i)
		_, err = h.RequestInvite(ctx, commands.From("test", "default", uuid.NewString(), 0), commands.RequestInvite{
			Tenant: "default", Event: ev, EventUID: uid, AttendeeID: who, Address: who + "@example.com", Origin: origin, Now: now,
		}, nil)
		if err != nil {
			t.Error(err)
		}
	}
	var wg sync.WaitGroup
	tickets := make(chan struct{}, 500)
	for i := range 10_000 {
		wg.Go(func() {
			tickets <- struct{}{}
			defer func() { <-tickets }()
			invite(i, "bulk")
			if i%5 == 0 {
				invite(i, "api")
			}
		})
	}
	wg.Wait()
	n := counted(ctx, t, log.Store(), invitation.StreamPrefix)
	if n["InviteRequested"] != 1000+2000 || n["InviteDenied"] != 9000 {
		t.Errorf("in the log: %v, want 1,000 in bulk and 2,000 single ones requested, 9,000 denied", n)
	}
	ev, err := handlers[0].FreshEvent(ctx, uid)
	if err != nil || ev.Reserved != 1000 {
		t.Errorf("%d reserved, %v", ev.Reserved, err)
	}
	t.Logf("%d appends to the event's stream for 10,000 requests", len(ev.Blocks))
}
