package move_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/history/move"
	"github.com/calendar-invite-server/cis/history/proof"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/google/uuid"
)

func newStore(t *testing.T) *eventstore.Client {
	t.Helper()
	server, err := embedded.Open(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	c, err := eventstore.Dial(fmt.Sprintf("esdb://%s?tls=false", server.Addr()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func records(t *testing.T, c *eventstore.Client) (list []eventstore.Recorded) {
	t.Helper()
	if err := proof.FromStore(c)(t.Context(), func(r eventstore.Recorded) error {
		list = append(list, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestLog: an interrupted move goes on where it was; records are the same in both stores, times and binary ones included;
// and a store with something else in it is refused.
func TestLog(t *testing.T) {
	from, to := newStore(t), newStore(t)
	ctx := t.Context()
	heads := map[string]int64{}
	for i := range 60 {
		stream, r := fmt.Sprintf("event-%d", i%7), eventstore.Proposed{ID: uuid.New(), Type: "EventCreated", Data: fmt.Appendf(nil, `{"n":%d}`, i), Metadata: []byte(`{"actor":"x"}`)}
		if i%5 == 0 {
			stream, r.Type, r.Binary, r.Data, r.Metadata = mail.RawStream("m"), mail.RawMailName, true, make([]byte, 600_000), nil
		}
		if _, ok := heads[stream]; !ok {
			heads[stream] = -1
		}
		if _, err := from.Append(ctx, stream, eventstore.Revision(heads[stream]), r); err != nil {
			t.Fatal(err)
		}
		heads[stream]++
	}
	interrupted, stop := context.WithCancel(ctx)
	n, err := move.Log(interrupted, from, to, func(done int64) {
		if done > 20 {
			stop()
		}
	})
	if err == nil || n >= 60 {
		t.Fatalf("%d records, %v", n, err)
	}
	if some := len(records(t, to)); some < 20 || some >= 60 {
		t.Fatalf("%d records were copied when it was interrupted", some)
	}
	if n, err = move.Log(ctx, from, to, func(int64) {}); err != nil || n != 60 {
		t.Fatalf("%d records, %v", n, err)
	}
	old, moved := records(t, from), records(t, to)
	if len(moved) != len(old) {
		t.Fatalf("%d records of %d", len(moved), len(old))
	}
	for i := range old {
		if proof.Leaf(old[i]) != proof.Leaf(moved[i]) || old[i].Binary != moved[i].Binary || !old[i].Created.Equal(moved[i].Created) {
			t.Fatalf("record %d: %+v is now %+v", i, old[i], moved[i])
		}
	}
	if n, err = move.Log(ctx, from, to, func(int64) { t.Error("copied again") }); err != nil || n != 60 {
		t.Errorf("again: %d records, %v", n, err)
	}
	if _, err := to.Append(ctx, "event-new", eventstore.NoStream, eventstore.Proposed{ID: uuid.New(), Type: "EventCreated", Data: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := move.Log(ctx, from, to, func(int64) {}); !errors.Is(err, move.ErrOther) {
		t.Errorf("into a store that has gone on: %v", err)
	}
}
