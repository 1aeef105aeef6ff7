package projector_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

func silent(projector.JobProgress) {}

// serving is the schema that serves.
func (w *world) serving() projector.Tables {
	w.Helper()
	t, err := projector.NewServing(w.pool, w.p).Tables(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	return t
}

func (w *world) states() (states []string) {
	w.Helper()
	list, err := projector.List(w.ctx, w.pool)
	if err != nil {
		w.Fatal(err)
	}
	for _, s := range list {
		states = append(states, s.State)
	}
	return states
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.pool.Exec(w.ctx, w.serving().SQL(sql), args...); err != nil {
		w.Fatal(err)
	}
}

// TestKeeper: rebuild, compare, switch, roll back and drop, beside a runner that goes on.
func TestKeeper(t *testing.T) {
	var poison atomic.Bool
	w := newWorld(t, &poison)
	w.p.Working = []projector.Working{{Table: "total", Kept: []string{"lease"}}, {Table: "note", Whole: true}}
	w.p.Tables = `CREATE TABLE @.total (one int PRIMARY KEY, n bigint NOT NULL, lease text NOT NULL DEFAULT ''); INSERT INTO @.total VALUES (1, 0);
		CREATE INDEX ON @.total (n);
		CREATE TABLE @.note (number bigserial PRIMARY KEY, text text NOT NULL);`
	w.answers(120, "a")
	r, stop := w.run("log")
	defer stop()
	k := r.Keeper()
	w.wait("catching up", func() bool { return w.total() == 120 && r.Status()[0].CaughtUp })

	t.Run("verify finds a row changed by hand, and only that", func(t *testing.T) {
		reports, err := k.Verify(w.ctx, nil, silent)
		if err != nil || len(reports) != 1 || reports[0].Differences != 0 || reports[0].Rows != 1 {
			t.Fatalf("nothing was changed: %+v, %v", reports, err)
		}
		w.exec(`UPDATE @.total SET n = n + 1, lease = 'mine'`)
		reports, err = k.Verify(w.ctx, nil, silent)
		if err != nil || reports[0].Differences != 1 || len(reports[0].Examples) != 1 {
			t.Fatalf("one row was changed: %+v, %v", reports, err)
		}
		d := reports[0].Examples[0]
		if v := d.Columns["n"]; d.Table != "total" || d.Kind != "different" || v.Serving != 121.0 || v.Other != 120.0 || len(d.Columns) != 1 {
			t.Errorf("it says %+v", d)
		}
		w.exec(`DELETE FROM @.total`)
		if reports, _ = k.Verify(w.ctx, nil, silent); reports[0].Examples[0].Kind != "missing" {
			t.Errorf("a row was removed: %+v", reports)
		}
		w.exec(`INSERT INTO @.total VALUES (1, 120, 'mine'), (2, 5, '')`)
		if reports, _ = k.Verify(w.ctx, nil, silent); reports[0].Differences != 1 || reports[0].Examples[0].Kind != "extra" {
			t.Errorf("a row was added: %+v", reports)
		}
		w.exec(`DELETE FROM @.total WHERE one = 2`)
		if states := w.states(); len(states) != 1 {
			t.Errorf("verifying leaves something behind: %v", states)
		}
	})
	t.Run("a rebuild on hold waits, a switch takes along what workers wrote", func(t *testing.T) {
		w.exec(`INSERT INTO @.note (text) VALUES ('one'), ('two')`)
		before := w.serving()
		if err := k.Rebuild(w.ctx, nil, true, silent); err != nil {
			t.Fatal(err)
		}
		if w.serving() != before || strings.Join(w.states(), " ") != "serving held" {
			t.Fatalf("%s serves; %v", w.serving(), w.states())
		}
		w.answers(5, "b")
		w.wait("live", func() bool { return w.total() == 125 })
		d, err := k.Diff(w.ctx, "counting", 0)
		if err != nil || d.Differences != 0 || d.With != 2 || d.Rows != 1 {
			t.Errorf("they are the same at the same position: %+v, %v", d, err)
		}
		if err := k.Switch(w.ctx, "counting", 0); err != nil {
			t.Fatal(err)
		}
		w.wait("the switch", func() bool { return w.serving() != before })
		var lease, note string
		err = w.pool.QueryRow(w.ctx, w.serving().SQL(`INSERT INTO @.note (text) VALUES ('three') RETURNING (SELECT lease FROM @.total), number::text`)).Scan(&lease, &note)
		if err != nil || lease != "mine" || note != "3" || w.total() != 125 {
			t.Errorf("after the switch: lease %q, the next note has number %s, %d counted (%v)", lease, note, w.total(), err)
		}
		var indexes int
		err = w.pool.QueryRow(w.ctx, `SELECT count(*) FROM pg_indexes WHERE schemaname = $1 AND tablename = 'total'`, string(w.serving())).Scan(&indexes)
		if err != nil || indexes != 2 {
			t.Errorf("%d indexes, %v", indexes, err)
		}
	})
	t.Run("going back is at once, and the old tables catch up by themselves", func(t *testing.T) {
		rebuilt := w.serving()
		w.answers(10, "c")
		w.wait("live", func() bool { return w.total() == 135 })
		if err := k.Rollback(w.ctx, "counting"); err != nil {
			t.Fatal(err)
		}
		w.wait("the switch back", func() bool { return w.serving() != rebuilt })
		w.wait("catching up", func() bool { return w.total() == 135 })
		w.answers(1, "d")
		w.wait("live", func() bool { return w.total() == 136 })
		if err := k.Switch(w.ctx, "counting", 2); err != nil {
			t.Fatal(err)
		}
		w.wait("forward again", func() bool { return w.serving() == rebuilt && w.total() == 136 })
	})
	t.Run("what does not serve can be dropped, what serves cannot", func(t *testing.T) {
		if _, err := k.Drop(w.ctx, "counting", 2, false); !errors.Is(err, projector.ErrServes) {
			t.Errorf("dropping what serves: %v", err)
		}
		if gone, err := k.Drop(w.ctx, "counting", 0, false); err != nil || len(gone) != 1 || len(w.states()) != 1 {
			t.Errorf("%v, %v; left %v", gone, err, w.states())
		}
		if err := k.Rollback(w.ctx, "counting"); !errors.Is(err, projector.ErrNoGeneration) {
			t.Errorf("there is nothing to go back to: %v", err)
		}
	})
	t.Run("one after the other", func(t *testing.T) {
		var busy error
		if err := k.Rebuild(w.ctx, nil, false, func(projector.JobProgress) {
			if busy == nil {
				busy = k.Switch(w.ctx, "counting", 0)
			}
		}); err != nil || !errors.Is(busy, projector.ErrBusy) {
			t.Errorf("%v; a switch meanwhile: %v", err, busy)
		}
		if _, err := k.Verify(w.ctx, []string{"nonsense"}, silent); !errors.Is(err, projector.ErrUnknown) {
			t.Errorf("an unknown name: %v", err)
		}
	})
	t.Run("a claim and a switch exclude each other", func(t *testing.T) {
		claimed := make(chan struct{})
		release := make(chan struct{})
		let := sync.OnceFunc(func() { close(release) })
		defer let()
		done := make(chan projector.Tables, 1)
		go func() {
			_ = projector.NewServing(w.pool, w.p).Work(w.ctx, func(_ pgx.Tx, t projector.Tables) error {
				close(claimed)
				<-release
				done <- t
				return nil
			})
		}()
		<-claimed
		switched := make(chan error, 1)
		go func() { switched <- k.Rollback(w.ctx, "counting") }()
		select {
		case err := <-switched:
			t.Fatalf("it switched under a claim: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		let()
		if err := <-switched; err != nil {
			t.Fatal(err)
		}
		if old := <-done; old == w.serving() {
			w.wait("the switch", func() bool { return old != w.serving() })
		}
	})
	t.Run("what cannot be applied stops a rebuild and changes nothing", func(t *testing.T) {
		before, states := w.serving(), len(w.states())
		w.answers(1, "bad")
		poison.Store(true)
		defer poison.Store(false)
		err := k.Rebuild(w.ctx, nil, false, silent)
		if err == nil || !strings.Contains(err.Error(), "cannot be applied") || w.serving() != before || len(w.states()) != states {
			t.Errorf("%v; %s serves, %v", err, w.serving(), w.states())
		}
	})
}

// TestRequests: what is asked for beside a running server is done by it, and by the next one if it dies.
func TestRequests(t *testing.T) {
	var poison atomic.Bool
	w := newWorld(t, &poison)
	w.answers(50, "a")
	r, stop := w.run("log")
	defer func() { stop() }()
	k := projector.NewKeeper(w.pool, w.log.Store(), "log", quiet, w.p)
	w.wait("catching up", func() bool { return w.total() == 50 && r.Status()[0].CaughtUp })
	if _, idle, err := k.Idle(w.ctx, nil); err != nil || idle {
		t.Fatalf("a server is running: %v, %v", idle, err)
	}
	before := w.serving()
	if _, err := k.Leave(w.ctx, projector.Job{Do: "rebuild"}, silent); err != nil {
		t.Fatal(err)
	}
	w.wait("the switch", func() bool { return w.serving() != before })
	out, err := k.Leave(w.ctx, projector.Job{Do: "verify", By: "test"}, silent)
	if err != nil || len(out.Reports) != 1 || out.Differences() != 0 {
		t.Errorf("verify: %+v, %v", out, err)
	}
	if _, err := k.Leave(w.ctx, projector.Job{Do: "switch", Names: []string{"counting"}, Generation: 77}, silent); err == nil || !strings.Contains(err.Error(), "no such generation") {
		t.Errorf("a refusal comes back: %v", err)
	}

	// A process took a request and was killed in the middle of the rebuild.
	stop()
	id, err := k.Ask(w.ctx, projector.Job{Do: "rebuild"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.pool.Exec(w.ctx, `UPDATE cis.request SET seen = now() - interval '6 seconds' WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`CREATE SCHEMA p_counting_v1_g3`, `CREATE TABLE p_counting_v1_g3.total (half int)`,
		`INSERT INTO cis.generation (name, version, generation, log_id, position) VALUES ('counting', 1, 3, 'log', 7)`,
	} {
		if _, err := w.pool.Exec(w.ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	release, idle, err := k.Idle(w.ctx, nil)
	if err != nil || !idle {
		t.Fatalf("no server is running: %v, %v", idle, err)
	}
	release()
	_, stop = w.run("log")
	w.wait("the next process", func() bool {
		r, err := k.Request(w.ctx, id)
		return err == nil && r.Finished != nil && r.Error == ""
	})
	if states := strings.Join(w.states(), " "); states != "retired serving" || w.total() != 50 {
		t.Errorf("%s, %d counted", states, w.total())
	}
}
