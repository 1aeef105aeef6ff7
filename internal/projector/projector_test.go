package projector_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/facts/factstest"
	"github.com/calendar-invite-server/cis/internal/postgres/postgrestest"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

var quiet = slog.New(slog.DiscardHandler)

// counting is a projection that counts answers, wrongly on purpose if a fact counts twice.
func counting(poison *atomic.Bool) projector.Projection {
	return projector.Projection{
		Name: "counting", Version: 1, Prefixes: []string{invitation.StreamPrefix}, PageSize: 50,
		Tables: `CREATE TABLE @.total (one int PRIMARY KEY, n bigint NOT NULL); INSERT INTO @.total VALUES (1, 0)`,
		Apply: func(ctx context.Context, tx projector.Tx, page []facts.Recorded) error {
			for _, rec := range page {
				if f, ok := rec.Fact.(invitation.RsvpReceived); ok && f.AttendeeID == "bad" && poison.Load() {
					return errors.New("a fact that cannot be applied")
				}
			}
			_, err := tx.Exec(ctx, tx.Tables.SQL(`UPDATE @.total SET n = n + $1`), len(page))
			return err
		},
	}
}

type world struct {
	*testing.T
	log  *facts.Log
	pool *pgxpool.Pool
	p    projector.Projection
	ctx  context.Context
}

func newWorld(t *testing.T, poison *atomic.Bool) *world {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	w := &world{T: t, log: factstest.NewLog(t), pool: postgrestest.Pool(t), p: counting(poison), ctx: ctx}
	if err := projector.Setup(ctx, w.pool); err != nil {
		t.Fatal(err)
	}
	return w
}

// answers appends n facts to a stream of their own.
func (w *world) answers(n int, who string) {
	w.Helper()
	list := make([]schema.Fact, n)
	for i := range list {
		list[i] = invitation.RsvpReceived{Ref: invitation.Ref{EventUID: "e", AttendeeID: who}, Status: invitation.Accepted}
	}
	if _, err := w.log.Append(w.ctx, invitation.Stream(uuid.NewString(), who), eventstore.NoStream, facts.Meta{Command: uuid.New()}, list...); err != nil {
		w.Fatal(err)
	}
}

// run starts a runner and returns it with a function that ends it.
func (w *world) run(logID string) (*projector.Runner, func()) {
	r := projector.New(w.pool, w.log.Store(), logID, quiet, w.p)
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil && ctx.Err() == nil {
			w.Error(err)
		}
	}()
	return r, func() { cancel(); <-done }
}

func (w *world) total() (n int) {
	w.Helper()
	t, err := projector.NewServing(w.pool, w.p).Tables(w.ctx)
	if err != nil {
		return -1
	}
	if err := w.pool.QueryRow(w.ctx, t.SQL(`SELECT n FROM @.total`)).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

func (w *world) wait(what string, ok func() bool) {
	w.Helper()
	for !ok() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-w.ctx.Done():
			w.Fatalf("%s: still not; counted %d", what, w.total())
		}
	}
}

func TestRunner(t *testing.T) {
	var poison atomic.Bool
	w := newWorld(t, &poison)
	w.answers(120, "a")
	r, stop := w.run("log")
	w.wait("catching up", func() bool { return w.total() == 120 && r.Status()[0].CaughtUp })
	w.answers(7, "b")
	w.wait("live", func() bool { return w.total() == 127 })

	t.Run("a second process stands by and takes over without counting twice", func(t *testing.T) {
		_, stopSecond := w.run("log")
		defer stopSecond()
		stop()
		w.answers(3, "c")
		w.wait("the second process", func() bool { return w.total() == 130 })
	})
	t.Run("a rebuild counts the same and takes over under the live runner", func(t *testing.T) {
		r, stop := w.run("log")
		defer stop()
		w.wait("leading", func() bool { return r.Status()[0].CaughtUp })
		before, _ := projector.NewServing(w.pool, w.p).Tables(w.ctx)
		if err := r.Keeper().Rebuild(w.ctx, []string{"counting"}, false, func(projector.JobProgress) {}); err != nil {
			t.Fatal(err)
		}
		after, _ := projector.NewServing(w.pool, w.p).Tables(w.ctx)
		if before == after || w.total() != 130 {
			t.Errorf("%s, then %s with %d", before, after, w.total())
		}
		w.answers(5, "d")
		w.wait("live after the switch", func() bool { return w.total() == 135 })
	})
	t.Run("one bad fact stops it there: what is before counts, nothing is skipped", func(t *testing.T) {
		poison.Store(true)
		w.answers(20, "e")
		w.answers(1, "bad")
		w.answers(10, "f")
		r, stop := w.run("log")
		defer stop()
		w.wait("stopping", func() bool { return r.Status()[0].Stopped != "" && w.total() == 155 })
		if s := r.Status()[0].Stopped; !strings.Contains(s, "RsvpReceived") || !strings.Contains(s, "cannot be applied") {
			t.Errorf("it does not say which fact and why: %s", s)
		}
		poison.Store(false) // repaired
		w.wait("going on", func() bool { return w.total() == 166 && r.Status()[0].Stopped == "" })
	})
	t.Run("another log's database is refused", func(t *testing.T) {
		r, stop := w.run("another log")
		defer stop()
		w.wait("refusing", func() bool { return strings.Contains(r.Status()[0].Stopped, "another log") })
	})
	t.Run("a database ahead of the log is refused", func(t *testing.T) {
		if _, err := w.pool.Exec(w.ctx, `UPDATE cis.generation SET position = 1000000000`); err != nil {
			t.Fatal(err)
		}
		r, stop := w.run("log")
		defer stop()
		w.wait("refusing", func() bool { return strings.Contains(r.Status()[0].Stopped, "ahead of the log") })
	})
}
