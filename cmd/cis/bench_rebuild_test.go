package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/history/proof"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/projections/statistics"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// BenchmarkRebuild: a million facts, with sealed names and addresses, into fresh generations that take over. First of each
// of the large read models, then of all of them from one reading of the log, then the same while 200 answers a second come
// in and are read. Ceiling: the same log read and thrown away, in silence; live-read is the same beside the answers.
func BenchmarkRebuild(b *testing.B) {
	s := benchStage(b)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	uid, organizer := seedRebuild(b, ctx, s)
	facts := float64(3 * rebuilt)
	begin := time.Now()
	check(b, readPlainly(ctx, s, 3*rebuilt))
	ceiling := facts / time.Since(begin).Seconds()
	b.ResetTimer()
	keeper := s.app.runner.Keeper()
	rebuild := func(what string, names ...string) {
		begin := time.Now()
		check(b, keeper.Rebuild(ctx, names, false, func(projector.JobProgress) {}))
		figure := facts / time.Since(begin).Seconds()
		b.ReportMetric(figure, what+"/s")
		b.ReportMetric(figure/ceiling, what+"-ratio")
	}
	models := []string{"events", "attendees", "statistics", "organizers", "access"}
	rebuild("statistics", "statistics")
	rebuild("attendees", "attendees")
	rebuild("together", models...)

	live := startTraffic(b, ctx, s, uid, organizer, 200)
	begin = time.Now()
	check(b, readPlainly(ctx, s, 3*rebuilt))
	b.ReportMetric(facts/time.Since(begin).Seconds(), "live-read/s")
	rebuild("live-statistics", "statistics")
	rebuild("live-attendees", "attendees")
	rebuild("live-together", models...)
	told := live()
	begin = time.Now()
	_, err := s.app.notary.Sign(ctx)
	check(b, err)
	b.ReportMetric(facts/time.Since(begin).Seconds(), "sign/s")
	tree, err := proof.OpenTree(s.app.notary.Dir, s.app.place, false)
	check(b, err)
	defer tree.Close()
	begin = time.Now()
	report, err := proof.Verify(ctx, proof.FromStore(s.app.store), s.app.notary.Key, tree, nil, func(int64) {})
	check(b, err)
	b.ReportMetric(float64(report.Records)/time.Since(begin).Seconds(), "proof-verify/s")
	if len(report.Findings) > 0 {
		b.Errorf("%+v", report.Findings[0])
	}
	begin = time.Now()
	status, _, err := s.get(ctx, fmt.Sprintf("/v1/events/%s/statistics?asOf=%d", uid, tree.Position()), s.key)
	check(b, err)
	if status != http.StatusOK {
		b.Errorf("asOf: %d", status)
	}
	b.ReportMetric(time.Since(begin).Seconds(), "as-of-seconds")
	b.ReportMetric(told.rate, "live-answers/s")
	b.ReportMetric(float64(told.slowest.Milliseconds()), "live-slowest-read-ms")
	b.ReportMetric(ceiling, "read/s")
	b.ReportMetric(0, "ns/op")
	check(b, s.counted(ctx, uid, map[string]int64{"accepted": rebuilt - told.answers, "declined": told.answers}))
	reports, err := keeper.Verify(ctx, models, func(projector.JobProgress) {})
	check(b, err)
	for _, r := range reports {
		if r.Differences > 0 {
			b.Errorf("%s: %+v", r.Name, r)
		}
	}
}

const rebuilt = 333_000 // three facts each, and some

// seedRebuild fills a log with an event's invitations and their answers.
func seedRebuild(b *testing.B, ctx context.Context, s *stage) (uid, organizer string) {
	b.Helper()
	uid = benchEvent(b, s, ctx, "rebuild")
	ev, err := s.app.handler.Event(ctx, uid)
	check(b, err)
	const perAppend = 100
	check(b, parallel(rebuilt/perAppend, 16, func() (int, error) { return 0, nil }, func(_, chunk int) error {
		var list []schema.Fact
		var ids []string
		for i := range perAppend {
			person := personID(chunk*perAppend + i)
			ids = append(ids, person)
			list = append(list, invited(uid, ev.OrganizerID, person, i)...)
			list = append(list, accepted(uid, ev.OrganizerID, person))
		}
		if err := s.app.facts.Vault().Prepare(ctx, ids...); err != nil {
			return err
		}
		stream := invitation.Stream(uid, fmt.Sprintf("chunk%d", chunk))
		_, err := s.app.facts.Append(ctx, stream, eventstore.NoStream, commands.From("bench", tenant.Default, uuid.NewString(), 0), list...)
		return err
	}))
	check(b, s.counted(ctx, uid, map[string]int64{"accepted": rebuilt}))
	return uid, ev.OrganizerID
}

// personID is spread like those of people are, which matters to what finds them.
func personID(i int) string {
	sum := sha256.Sum256(fmt.Append(nil, i))
	return hex.EncodeToString(sum[:16])
}

func accepted(uid, organizer, person string) invitation.RsvpReceived {
	return invitation.RsvpReceived{
		Ref: invitation.Ref{Tenant: tenant.Default, EventUID: uid, AttendeeID: person}, OrganizerID: organizer,
		Status: invitation.Accepted, Previous: invitation.NoAction, ProdID: "bench", Reply: event.Revision{DTStamp: time.Now()},
	}
}

type traffic struct {
	answers int64
	rate    float64 // per second
	slowest time.Duration
}

// startTraffic has people decline who had accepted, at a rate, and reads the event's statistics all the while. The returned
// function ends it and says how many declined, at what rate, and how long the slowest read took.
func startTraffic(b *testing.B, ctx context.Context, s *stage, uid, organizer string, perSecond int) func() traffic {
	b.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	var answers atomic.Int64
	slowest := time.Duration(0)
	begin := time.Now()
	const workers = 8 // so that a slow append does not lower the rate
	for w := range workers {
		g.Go(func() error {
			for i := w; ; i += workers {
				select {
				case <-time.After(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(perSecond)))):
				case <-ctx.Done():
					return nil
				}
				person := personID(i)
				f := accepted(uid, organizer, person)
				f.Previous, f.Status = invitation.Accepted, invitation.Declined
				if _, err := s.app.facts.Append(context.WithoutCancel(ctx), invitation.Stream(uid, person), eventstore.NoStream, commands.From("bench", tenant.Default, uuid.NewString(), 0), f); err != nil {
					return err
				}
				answers.Add(1)
			}
		})
	}
	g.Go(func() error {
		reader := statistics.NewReader(s.app.pool)
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return nil
			}
			begin := time.Now()
			if _, err := reader.Event(context.WithoutCancel(ctx), tenant.Default, uid); err != nil {
				return err
			}
			slowest = max(slowest, time.Since(begin))
		}
	})
	return func() traffic {
		cancel()
		check(b, g.Wait())
		return traffic{answers.Load(), float64(answers.Load()) / time.Since(begin).Seconds(), slowest}
	}
}

func readPlainly(ctx context.Context, s *stage, n int) error {
	sub := s.app.store.NewSubscriber(eventstore.SubscriberOptions{
		StreamPrefixes: []string{invitation.StreamPrefix}, PageSize: 10_000, Checkpoint: func(context.Context) (uint64, error) { return 0, nil },
	})
	defer func() { _ = sub.Close() }()
	messages, err := sub.Subscribe(ctx, "plain")
	if err != nil {
		return err
	}
	for seen := 0; seen < n; {
		msg := <-messages
		seen += len(eventstore.PageOf(msg).Records)
		msg.Ack()
	}
	return nil
}
