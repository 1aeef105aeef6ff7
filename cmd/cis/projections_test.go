package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/projections/statistics"
	"github.com/google/uuid"
)

// beside opens what a command beside the server would.
func (p *process) beside(ctx context.Context) *parts {
	p.t.Helper()
	parts := p.ended(ctx)
	if err := parts.openDatabase(ctx); err != nil {
		p.t.Fatal(err)
	}
	return parts
}

// manyAnswers records invitations and answers of n people to an event.
func manyAnswers(t testing.TB, ctx context.Context, p *parts, uid, organizer string, n int) {
	t.Helper()
	const perAppend = 100
	for chunk := range n / perAppend {
		var list []schema.Fact
		for i := range perAppend {
			person := fmt.Sprintf("%032d", chunk*perAppend+i)
			f := invitation.RsvpReceived{
				Ref: invitation.Ref{Tenant: tenant.Default, EventUID: uid, AttendeeID: person}, OrganizerID: organizer, Address: guest(i),
				Status: invitation.Accepted, Origin: invitation.Shared, Told: 1,
			}
			list = append(list, f)
		}
		if _, err := p.facts.Append(ctx, invitation.Stream(uid, fmt.Sprintf("chunk%d", chunk)), eventstore.NoStream, commands.From("test", tenant.Default, uuid.NewString(), 0), list...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestProjections is what an analyst and an operator do: rebuild, verify, repair, go back, beside the running server and
// without it; and the server is killed in the middle of a rebuild.
func TestProjections(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "projections@google.com")
	if err != nil {
		t.Fatal(err)
	}
	db := p.beside(ctx)
	ev, err := db.handler().Event(ctx, uid)
	if err != nil {
		t.Fatal(err)
	}
	const people = 8_000
	manyAnswers(t, ctx, db, uid, ev.OrganizerID, people)
	reader := statistics.NewReader(db.pool)
	count := func(n int64) {
		t.Helper()
		eventually(t, ctx, "counting", func() error {
			st, err := reader.Event(ctx, tenant.Default, uid)
			if err == nil && st.RSVP["accepted"] != n {
				err = fmt.Errorf("%d", st.RSVP["accepted"])
			}
			return err
		})
	}
	count(people)

	out, err := p.command("projections", "list", "--json")
	var list []struct{ Name string }
	if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list) != 9 || list[0].Name == "" {
		t.Fatalf("list: %v\n%s", err, out)
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := p.command(append([]string{"projections"}, args...)...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	must("verify")
	if _, err := db.pool.Exec(ctx, tables(t, ctx, db, "statistics").SQL(`UPDATE @.counter SET n = n + 1 WHERE scope = 'event' AND value = 'accepted'`)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.pool.Exec(ctx, tables(t, ctx, db, "attendees").SQL(`UPDATE @.person SET name = 'Mallory' WHERE id = $1`), fmt.Sprintf("%032d", 7)); err != nil {
		t.Fatal(err)
	}
	out, err = p.command("projections", "verify")
	if err == nil || !strings.Contains(out, "n is 8001, should be 8000") || !strings.Contains(out, "person id=00000000000000000000000000000007: different; name is (personal)") || strings.Contains(out, "Mallory") {
		t.Errorf("verify after two rows were changed: %v\n%s", err, out)
	}
	must("rebuild", "statistics", "attendees")
	must("verify")
	count(people)
	must("rollback", "statistics")
	count(people + 1)
	must("switch", "statistics", "--generation", "2")
	count(people)
	must("rebuild", "statistics", "--no-switch")
	if out := must("diff", "statistics"); !strings.Contains(out, "the same as generation") {
		t.Errorf("diff: %s", out)
	}
	must("drop", "statistics")
	if out, err := p.command("projections", "rebuild", "nonsense"); err == nil || !strings.Contains(out, "is none of") {
		t.Errorf("an unknown projection: %v %s", err, out)
	}

	// The ledger owes nothing after it was rebuilt, and nobody is mailed again.
	sent := relay.Count()
	must("rebuild", "--all")
	must("verify")
	if n := relay.Count(); n != sent {
		t.Errorf("a rebuild mailed: %d, before %d", n, sent)
	}

	id, err := db.keeper().Ask(ctx, projector.Job{Do: "rebuild"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, "the rebuild begins", func() error {
		list, err := projector.List(ctx, db.pool)
		for _, g := range list {
			if g.State == "filling" && g.Position > 0 {
				return nil
			}
		}
		return errors.Join(err, errors.New("not yet"))
	})
	p.end(syscall.SIGKILL)
	db.close()
	p.run(ctx)
	db = p.beside(ctx)
	defer db.close()
	reader = statistics.NewReader(db.pool)
	eventually(t, ctx, "the next start finishes it", func() error {
		r, err := db.keeper().Request(ctx, id)
		if err == nil && (r.Finished == nil || r.Error != "") {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	must("verify")
	count(people)
	if out := must("list"); strings.Contains(out, "filling") {
		t.Errorf("something is left over:\n%s", out)
	}

	// Killed in the middle of a switch, which waits for a worker's claim: nothing has changed, and the next start does it.
	claim, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim.Exec(ctx, `SELECT pg_advisory_xact_lock_shared(hashtext('cis.switch'), hashtext('statistics'))`); err != nil {
		t.Fatal(err)
	}
	before := tables(t, ctx, db, "statistics")
	if id, err = db.keeper().Ask(ctx, projector.Job{Do: "rebuild", Names: []string{"statistics"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, "the switch is under way", func() error {
		r, err := db.keeper().Request(ctx, id)
		if err == nil && (r.Progress == nil || r.Progress.Phase != "switching statistics") {
			err = fmt.Errorf("%+v", r.Progress)
		}
		return err
	})
	p.end(syscall.SIGKILL)
	_ = claim.Rollback(ctx)
	db.close()
	p.run(ctx)
	db = p.beside(ctx)
	defer db.close()
	eventually(t, ctx, "the next start switches", func() error {
		r, err := db.keeper().Request(ctx, id)
		if err == nil && (r.Finished == nil || r.Error != "") {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	if after := tables(t, ctx, db, "statistics"); after == before {
		t.Errorf("%s serve as before", after)
	}
	must("verify")
	p.end(syscall.SIGTERM)
	db.close()
	must("rebuild", "statistics")
	must("verify", "statistics")
}

// tables are those that serve a projection's readers.
func tables(t testing.TB, ctx context.Context, p *parts, name string) projector.Tables {
	t.Helper()
	for _, q := range p.keeper().Projections() {
		if q.Name == name {
			tables, err := projector.NewServing(p.pool, q).Tables(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return tables
		}
	}
	t.Fatalf("no projection %s", name)
	return ""
}
