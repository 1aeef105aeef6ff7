// Package storetest is the contract every event store behind this project keeps: the same tests run against the
// embedded store and against a real EventStoreDB. It needs nothing but a connection string, leaves its streams behind
// (named storetest-…) and does not mind what else the log holds.
//
// Start reading at [Run].
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// Run checks the store behind url against the contract.
func Run(t *testing.T, url string) {
	conf, err := eventstore.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	conf.Logger = nil
	db, err := esdb.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for name, test := range map[string]func(*suite){
		"what is appended is read back whole":                         (*suite).readsBack,
		"an append at the wrong revision is refused":                  (*suite).wrongRevision,
		"an append repeated at an old revision succeeds once":         (*suite).repeatExact,
		"an append repeated without a revision succeeds once":         (*suite).repeatAny,
		"of many appends at one revision exactly one wins":            (*suite).race,
		"an oversized append is refused and changes nothing":          (*suite).oversized,
		"a stream is read inclusively both ways":                      (*suite).readBothWays,
		"a missing stream is not found":                               (*suite).missing,
		"the log is read inclusively forwards, exclusively backwards": (*suite).readAll,
		"a deleted stream is not found and goes on where it ended":    (*suite).softDelete,
		"a tombstoned stream is gone for good":                        (*suite).tombstone,
		"$maxCount, $tb and $maxAge hide old records":                 (*suite).metadata,
		"a filtered subscription goes from history to live":           (*suite).subscribeAll,
		"a filtered subscription reports progress without matches":    (*suite).checkpoints,
		"a subscription starts behind its position":                   (*suite).subscribeFrom,
		"a stream subscription goes from history to live":             (*suite).subscribeStream,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			test(&suite{T: t, db: db, ctx: ctx})
		})
	}
}

type suite struct {
	*testing.T
	db  *esdb.Client
	ctx context.Context
}

func (s *suite) stream() string { return "storetest-" + uuid.NewString() }

func events(n int) []esdb.EventData {
	out := make([]esdb.EventData, n)
	for i := range out {
		out[i] = esdb.EventData{EventID: uuid.New(), EventType: "Tested", ContentType: esdb.ContentTypeJson, Data: fmt.Appendf(nil, `{"n":%d}`, i), Metadata: []byte(`{"m":1}`)}
	}
	return out
}

func (s *suite) append(stream string, expected esdb.ExpectedRevision, evs ...esdb.EventData) (*esdb.WriteResult, error) {
	return s.db.AppendToStream(s.ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, evs...)
}

func (s *suite) mustAppend(stream string, expected esdb.ExpectedRevision, evs ...esdb.EventData) *esdb.WriteResult {
	s.Helper()
	res, err := s.append(stream, expected, evs...)
	if err != nil {
		s.Fatalf("append to %s: %v", stream, err)
	}
	return res
}

func (s *suite) read(stream string, opts esdb.ReadStreamOptions, n uint64) ([]*esdb.RecordedEvent, error) {
	s.Helper()
	rs, err := s.db.ReadStream(s.ctx, stream, opts, n)
	if err != nil {
		s.Fatal(err)
	}
	return drain(rs)
}

func drain(rs *esdb.ReadStream) (out []*esdb.RecordedEvent, err error) {
	defer rs.Close()
	for {
		ev, err := rs.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, ev.OriginalEvent())
	}
}

func (s *suite) wantCode(err error, want esdb.ErrorCode) {
	s.Helper()
	var es *esdb.Error
	if !errors.As(err, &es) || es.Code() != want {
		s.Fatalf("got error %v, want code %d", err, want)
	}
}

func revisions(evs []*esdb.RecordedEvent) []uint64 {
	out := []uint64{}
	for _, e := range evs {
		out = append(out, e.EventNumber)
	}
	return out
}

func (s *suite) wantRevisions(evs []*esdb.RecordedEvent, want ...uint64) {
	s.Helper()
	if diff := cmp.Diff(append([]uint64{}, want...), revisions(evs)); diff != "" {
		s.Fatalf("revisions (-want +got):\n%s", diff)
	}
}

func (s *suite) readsBack() {
	stream, evs := s.stream(), events(2)
	evs[1].ContentType, evs[1].Data, evs[1].Metadata = esdb.ContentTypeBinary, []byte{0, 1, 255}, nil
	res := s.mustAppend(stream, esdb.NoStream{}, evs...)
	if res.NextExpectedVersion != 1 || res.CommitPosition == 0 {
		s.Fatalf("got %+v", res)
	}
	got, err := s.read(stream, esdb.ReadStreamOptions{}, 10)
	if err != nil || len(got) != 2 {
		s.Fatalf("got %d events, %v", len(got), err)
	}
	for i, e := range got {
		if e.EventID != evs[i].EventID || e.EventType != "Tested" || e.StreamID != stream || e.EventNumber != uint64(i) ||
			string(e.Data) != string(evs[i].Data) || string(e.UserMetadata) != string(evs[i].Metadata) {
			s.Errorf("event %d: got %+v", i, e)
		}
		if age := time.Since(e.CreatedDate); age < -time.Minute || age > time.Minute {
			s.Errorf("event %d: created %v", i, e.CreatedDate)
		}
	}
	if got[1].Position.Commit != res.CommitPosition || got[0].Position.Commit >= got[1].Position.Commit && got[0].Position.Prepare >= got[1].Position.Prepare {
		s.Errorf("positions %v %v, append said %d", got[0].Position, got[1].Position, res.CommitPosition)
	}
}

func (s *suite) wrongRevision() {
	stream := s.stream()
	_, err := s.append(stream, esdb.StreamExists{}, events(1)...)
	s.wantCode(err, esdb.ErrorCodeWrongExpectedVersion)
	_, err = s.append(stream, esdb.Revision(0), events(1)...)
	s.wantCode(err, esdb.ErrorCodeWrongExpectedVersion)
	s.mustAppend(stream, esdb.NoStream{}, events(3)...)
	for _, expected := range []esdb.ExpectedRevision{esdb.NoStream{}, esdb.Revision(1), esdb.Revision(3)} {
		_, err = s.append(stream, expected, events(1)...)
		s.wantCode(err, esdb.ErrorCodeWrongExpectedVersion)
	}
	s.mustAppend(stream, esdb.Revision(2), events(1)...)
	s.mustAppend(stream, esdb.StreamExists{}, events(1)...)
	got, _ := s.read(stream, esdb.ReadStreamOptions{}, 10)
	s.wantRevisions(got, 0, 1, 2, 3, 4)
}

func (s *suite) repeatExact() {
	stream, evs := s.stream(), events(3)
	first := s.mustAppend(stream, esdb.NoStream{}, evs...)
	s.mustAppend(stream, esdb.Revision(2), events(2)...)
	again := s.mustAppend(stream, esdb.NoStream{}, evs...)
	if again.NextExpectedVersion != first.NextExpectedVersion {
		s.Errorf("the repeat says revision %d, the first time it was %d", again.NextExpectedVersion, first.NextExpectedVersion)
	}
	s.mustAppend(stream, esdb.NoStream{}, evs[:2]...) // a prefix of what stands there
	_, err := s.append(stream, esdb.NoStream{}, evs[0], events(1)[0])
	s.wantCode(err, esdb.ErrorCodeWrongExpectedVersion)
	got, _ := s.read(stream, esdb.ReadStreamOptions{}, 10)
	s.wantRevisions(got, 0, 1, 2, 3, 4)
}

func (s *suite) repeatAny() {
	stream, evs := s.stream(), events(2)
	s.mustAppend(stream, esdb.Any{}, evs...)
	s.mustAppend(stream, esdb.Any{}, evs...)
	s.mustAppend(stream, esdb.StreamExists{}, evs...)
	got, _ := s.read(stream, esdb.ReadStreamOptions{}, 10)
	s.wantRevisions(got, 0, 1)
}

func (s *suite) race() {
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(1)...)
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := s.append(stream, esdb.Revision(0), events(1)...)
			var es *esdb.Error
			switch {
			case err == nil:
				won.Add(1)
			case errors.As(err, &es) && es.Code() == esdb.ErrorCodeWrongExpectedVersion:
				lost.Add(1)
			default:
				s.Errorf("append: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 15 {
		s.Errorf("%d won and %d lost, want 1 and 15", won.Load(), lost.Load())
	}
}

func (s *suite) oversized() {
	stream, evs := s.stream(), events(1)
	evs[0].Data = []byte(`"` + strings.Repeat("x", eventstore.MaxAppendBytes) + `"`)
	if _, err := s.append(stream, esdb.Any{}, evs...); err == nil {
		s.Error("an append of more than 1 MiB succeeded")
	}
	_, err := s.read(stream, esdb.ReadStreamOptions{}, 1)
	s.wantCode(err, esdb.ErrorCodeResourceNotFound)
}

func (s *suite) readBothWays() {
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(5)...)
	for _, c := range []struct {
		opts esdb.ReadStreamOptions
		n    uint64
		want []uint64
	}{
		{esdb.ReadStreamOptions{}, 2, []uint64{0, 1}},
		{esdb.ReadStreamOptions{From: esdb.Revision(3)}, 10, []uint64{3, 4}},
		{esdb.ReadStreamOptions{From: esdb.Revision(5)}, 10, nil},
		{esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 2, []uint64{4, 3}},
		{esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.Revision(2)}, 10, []uint64{2, 1, 0}},
	} {
		got, err := s.read(stream, c.opts, c.n)
		if err != nil {
			s.Fatalf("%+v: %v", c.opts, err)
		}
		s.wantRevisions(got, c.want...)
	}
}

func (s *suite) missing() {
	_, err := s.read(s.stream(), esdb.ReadStreamOptions{}, 1)
	s.wantCode(err, esdb.ErrorCodeResourceNotFound)
}

func (s *suite) readAll() {
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(3)...)
	own, _ := s.read(stream, esdb.ReadStreamOptions{}, 3)
	all := func(opts esdb.ReadAllOptions, n uint64) []*esdb.RecordedEvent {
		rs, err := s.db.ReadAll(s.ctx, opts, n)
		if err != nil {
			s.Fatal(err)
		}
		got, err := drain(rs)
		if err != nil {
			s.Fatal(err)
		}
		return got
	}
	if got := all(esdb.ReadAllOptions{From: own[0].Position}, 3); len(got) != 3 || got[0].EventID != own[0].EventID || got[2].EventID != own[2].EventID {
		s.Errorf("forwards: got %d events", len(got))
	}
	if got := all(esdb.ReadAllOptions{From: own[2].Position, Direction: esdb.Backwards}, 2); len(got) != 2 || got[0].EventID != own[1].EventID {
		s.Errorf("backwards: got %d events", len(got))
	}
	if got := all(esdb.ReadAllOptions{From: esdb.End{}, Direction: esdb.Backwards}, 1); len(got) != 1 {
		s.Errorf("backwards from the end: got %d events", len(got))
	}
}

func (s *suite) softDelete() {
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(2)...)
	res, err := s.db.DeleteStream(s.ctx, stream, esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(1)})
	if err != nil || res.Position.Commit == 0 {
		s.Fatalf("delete: %+v, %v", res, err)
	}
	_, err = s.read(stream, esdb.ReadStreamOptions{}, 1)
	s.wantCode(err, esdb.ErrorCodeResourceNotFound)
	s.mustAppend(stream, esdb.NoStream{}, events(1)...)
	got, err := s.read(stream, esdb.ReadStreamOptions{}, 10)
	if err != nil {
		s.Fatal(err)
	}
	s.wantRevisions(got, 2)
}

func (s *suite) tombstone() {
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(2)...)
	res, err := s.db.TombstoneStream(s.ctx, stream, esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Revision(1)})
	if err != nil || res.Position.Commit == 0 {
		s.Fatalf("tombstone: %+v, %v", res, err)
	}
	_, err = s.read(stream, esdb.ReadStreamOptions{}, 1)
	s.wantCode(err, esdb.ErrorCodeStreamDeleted)
	_, err = s.append(stream, esdb.Any{}, events(1)...)
	s.wantCode(err, esdb.ErrorCodeStreamDeleted)
}

func (s *suite) metadata() {
	set := func(stream string, change func(*esdb.StreamMetadata)) {
		var meta esdb.StreamMetadata
		change(&meta)
		if _, err := s.db.SetStreamMetadata(s.ctx, stream, esdb.AppendToStreamOptions{}, meta); err != nil {
			s.Fatal(err)
		}
	}
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(5)...)
	set(stream, func(m *esdb.StreamMetadata) { m.SetMaxCount(2) })
	got, _ := s.read(stream, esdb.ReadStreamOptions{}, 10)
	s.wantRevisions(got, 3, 4)
	set(stream, func(m *esdb.StreamMetadata) { m.SetTruncateBefore(2) })
	got, _ = s.read(stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 10)
	s.wantRevisions(got, 4, 3, 2)
	got, err := s.read(stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.Revision(1)}, 10)
	if err != nil {
		s.Errorf("below what is hidden: %v; the stream exists", err)
	}
	s.wantRevisions(got)
	set(stream, func(m *esdb.StreamMetadata) { m.SetMaxAge(time.Second) })
	time.Sleep(1500 * time.Millisecond) // $maxAge has a resolution of one second and no event to wait for
	got, err = s.read(stream, esdb.ReadStreamOptions{}, 10)
	if err != nil || len(got) != 0 {
		s.Errorf("aged: got %d events, %v", len(got), err)
	}
}

// subscription collects what a subscription delivers.
type subscription struct {
	*suite
	sub *esdb.Subscription
}

func (s *suite) all(prefix string, from esdb.AllPosition) subscription {
	s.Helper()
	sub, err := s.db.SubscribeToAll(s.ctx, esdb.SubscribeToAllOptions{
		From: from, Filter: &esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{prefix}}, MaxSearchWindow: 16, CheckpointInterval: 1,
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = sub.Close() })
	return subscription{s, sub}
}

// until reads messages until one satisfies the condition and returns the events seen on the way.
func (s subscription) until(what string, cond func(*esdb.SubscriptionEvent) bool) (seen []*esdb.RecordedEvent) {
	s.Helper()
	for {
		ev := s.sub.Recv()
		if ev.SubscriptionDropped != nil {
			s.Fatalf("dropped while waiting for %s: %v", what, ev.SubscriptionDropped.Error)
		}
		if ev.EventAppeared != nil {
			seen = append(seen, ev.EventAppeared.OriginalEvent())
		}
		if cond(ev) {
			return seen
		}
	}
}

func isCaughtUp(ev *esdb.SubscriptionEvent) bool   { return ev.CaughtUp != nil }
func isEvent(ev *esdb.SubscriptionEvent) bool      { return ev.EventAppeared != nil }
func isCheckpoint(ev *esdb.SubscriptionEvent) bool { return ev.CheckPointReached != nil }

func (s *suite) subscribeAll() {
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(3)...)
	sub := s.all(stream, esdb.Start{})
	s.wantRevisions(sub.until("CaughtUp", isCaughtUp), 0, 1, 2)
	s.mustAppend(s.stream(), esdb.NoStream{}, events(1)...)
	s.mustAppend(stream, esdb.Revision(2), events(1)...)
	s.wantRevisions(sub.until("a live event", isEvent), 3)
}

func (s *suite) checkpoints() {
	sub := s.all(s.stream(), esdb.End{})
	sub.until("CaughtUp", isCaughtUp)
	res := s.mustAppend(s.stream(), esdb.NoStream{}, events(40)...)
	sub.until("a checkpoint", func(ev *esdb.SubscriptionEvent) bool {
		return isCheckpoint(ev) && ev.CheckPointReached.Commit+16 >= res.CommitPosition-40
	})
}

func (s *suite) subscribeFrom() {
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(4)...)
	own, _ := s.read(stream, esdb.ReadStreamOptions{}, 4)
	sub := s.all(stream, own[1].Position)
	s.wantRevisions(sub.until("CaughtUp", isCaughtUp), 2, 3)
}

func (s *suite) subscribeStream() {
	stream := s.stream()
	s.mustAppend(stream, esdb.NoStream{}, events(3)...)
	raw, err := s.db.SubscribeToStream(s.ctx, stream, esdb.SubscribeToStreamOptions{From: esdb.Revision(0)})
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	sub := subscription{s, raw}
	s.wantRevisions(sub.until("CaughtUp", isCaughtUp), 1, 2)
	s.mustAppend(stream, esdb.Revision(2), events(1)...)
	s.wantRevisions(sub.until("a live event", isEvent), 3)
}
