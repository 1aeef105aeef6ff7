package projections_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/facts/factstest"
	"github.com/calendar-invite-server/cis/internal/postgres/postgrestest"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/projections"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/events"
	"github.com/calendar-invite-server/cis/projections/statistics"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// running is an empty log whose read models follow it until the test ends.
func running(ctx context.Context, t *testing.T) (*facts.Log, *pgxpool.Pool, *projector.Runner) {
	t.Helper()
	log, pool := factstest.NewLog(t), postgrestest.Pool(t)
	if err := projector.Setup(ctx, pool); err != nil {
		t.Fatal(err)
	}
	runner := projector.New(pool, log.Store(), "log", slog.New(slog.DiscardHandler), projections.All(log)...)
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = runner.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return log, pool, runner
}

// TestReadModels tells a small story and reads it back, live, after every append was repeated, and after a rebuild.
func TestReadModels(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	log, pool, runner := running(ctx, t)

	var last uint64
	tell := func(stream string, list ...schema.Fact) {
		t.Helper()
		meta := facts.Meta{Tenant: "t", Command: uuid.New()}
		for range 2 { // told twice, it counts once
			res, err := log.Append(ctx, stream, eventstore.NoStream, meta, list...)
			if err != nil {
				t.Fatal(err)
			}
			last = max(last, res.Position)
		}
	}
	start := time.Date(2026, 12, 4, 9, 0, 0, 0, time.UTC)
	content := event.Content{Summary: "Board", Start: event.Moment{Local: "2026-12-04T09:00:00", UTC: start}, End: event.Moment{Local: "2026-12-04T10:00:00", UTC: start.Add(time.Hour)}}
	moved := content
	moved.Summary, moved.Start.UTC = "Board, moved", start.Add(-time.Hour)
	ref := func(who string) invitation.Ref { return invitation.Ref{Tenant: "t", EventUID: "e", AttendeeID: who} }
	ask := func(who, name string) schema.Fact {
		return invitation.InviteRequested{Ref: ref(who), OrganizerID: "org", Address: who + "@example.com", Name: name, Origin: "api"}
	}
	answer := func(who string, from, to invitation.Status, before, after string) schema.Fact {
		return invitation.RsvpReceived{Ref: ref(who), OrganizerID: "org", Address: who + "@example.com", Status: to, Previous: from, PreviousProdID: before, ProdID: after}
	}
	crasher := invitation.RsvpReceived{Ref: ref("zoe"), OrganizerID: "org", Address: "zoe@example.com", Name: "Zoe", Status: invitation.Accepted, ProdID: "Apple", Origin: invitation.Shared, Told: 1}
	tell(event.Stream("e"),
		event.EventCreated{Tenant: "t", UID: "e", OrganizerID: "org", OrganizerAddress: "olga@example.com", OrganizerName: "Olga", Source: event.Source{ProdID: "Google"}, Content: content},
		event.EventUpdated{Tenant: "t", UID: "e", Revision: 2, Sequence: 1, Content: moved},
		event.EventCancelled{Tenant: "t", UID: "e", Revision: 3, Sequence: 2},
	)
	tell(ref("ann").Stream(), ask("ann", "Ann"), answer("ann", invitation.NoAction, invitation.Accepted, "", "Google"), answer("ann", invitation.Accepted, invitation.Declined, "Google", "Outlook"))
	tell(ref("bob").Stream(), ask("bob", "Bob"), invitation.InviteSent{Ref: ref("bob")})
	tell(ref("zoe").Stream(), crasher)

	// Eve answers one date of the series on its own, then all of it, and her mail comes back; Dan is taken off again.
	const date = event.InstanceID("20261211T090000Z")
	one := invitation.RsvpReceived{Ref: ref("eve"), OrganizerID: "org", Status: invitation.Declined, Previous: invitation.NoAction, Instance: date, ProdID: "Apple", Comment: "not then"}
	all := invitation.RsvpReceived{Ref: ref("eve"), OrganizerID: "org", Status: invitation.Accepted, Previous: invitation.NoAction, Apart: []event.InstanceID{date}, Stale: true}
	tell(ref("eve").Stream(), ask("eve", "Eve"), one, all, invitation.Bounced{Ref: ref("eve"), Status: "5.1.1"})
	dan := invitation.RsvpReceived{Ref: ref("dan"), OrganizerID: "org", Status: invitation.Accepted, Previous: invitation.NoAction, ProdID: "Google"}
	danOnce := invitation.RsvpReceived{Ref: ref("dan"), OrganizerID: "org", Status: invitation.Tentative, Previous: invitation.Accepted, Instance: date}
	tell(ref("dan").Stream(), ask("dan", "Dan"), dan, danOnce, invitation.InviteWithdrawn{
		Ref: ref("dan"), OrganizerID: "org", Origin: "api", Status: invitation.Accepted, ProdID: "Google", Apart: []event.InstanceID{date}, Answers: []invitation.Status{invitation.Tentative},
	})

	check := func(t *testing.T) {
		ev, err := events.NewReader(pool).Event(ctx, "t", "e")
		if err != nil || ev.Summary != "Board, moved" || ev.Status != "cancelled" || ev.Sequence != 2 || !ev.Starts.Equal(moved.Start.UTC) {
			t.Errorf("event: %+v, %v", ev, err)
		}
		if _, err := events.NewReader(pool).Event(ctx, "another tenant", "e"); err == nil {
			t.Error("another tenant sees the event")
		}
		list, err := attendees.NewReader(pool).Of(ctx, "t", "e", "", 10)
		want := []attendees.Attendee{
			{Address: "ann@example.com", Name: "Ann", Status: "declined", Origin: "api", ProdID: "Outlook"},
			{Address: "bob@example.com", Name: "Bob", Status: "noaction", Origin: "api"},
			{Address: "zoe@example.com", Name: "Zoe", Status: "accepted", Origin: "shared", ProdID: "Apple"},
			{Address: "eve@example.com", Name: "Eve", Status: "accepted", Origin: "api", Stale: true, Bounced: true, Comment: "not then"},
		}
		if diff := cmp.Diff(want, list, cmpopts.IgnoreFields(attendees.Attendee{}, "ID", "Position", "Changed", "Answered")); err != nil || diff != "" {
			t.Errorf("attendees: %v %s", err, diff)
		}
		if list, err = attendees.NewReader(pool).Of(ctx, "t", "e", date, 10); err != nil || len(list) != 4 || list[3].Status != "declined" || list[3].Stale || list[0].Status != "declined" {
			t.Errorf("attendees of one date: %+v, %v", list, err)
		}
		counts := statistics.Statistics{
			Attendees: 4, RSVP: map[string]int64{"accepted": 2, "declined": 1, "noaction": 1, "tentative": 0},
			Origin: map[string]int64{"api": 3, "shared": 1}, ProdID: map[string]int64{"Outlook": 1, "Apple": 1},
			Denied: map[string]int64{},
		}
		once, err := statistics.NewReader(pool).Instance(ctx, "t", "e", date)
		if diff := cmp.Diff(map[string]int64{"accepted": 1, "declined": 2, "noaction": 1, "tentative": 0}, once.RSVP); err != nil || diff != "" {
			t.Errorf("one date: %v %s", err, diff)
		}
		reader := statistics.NewReader(pool)
		for scope, read := range map[string]func() (statistics.Statistics, error){
			"event":     func() (statistics.Statistics, error) { return reader.Event(ctx, "t", "e") },
			"organizer": func() (statistics.Statistics, error) { return reader.Organizer(ctx, "t", "org") },
			"system":    func() (statistics.Statistics, error) { return reader.System(ctx, "t") },
		} {
			got, err := read()
			want := counts
			if scope != "event" {
				want.Events = 1
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(statistics.Statistics{})); err != nil || diff != "" {
				t.Errorf("%s: %v %s", scope, err, diff)
			}
		}
		people, err := attendees.NewReader(pool).People(ctx, "t", []string{"org", "nobody"})
		if err != nil || len(people) != 1 || people["org"].Name != "Olga" {
			t.Errorf("people: %v, %v", people, err)
		}
	}
	for name, position := range map[string]uint64{"events": 0, "attendees": last, "statistics": last} {
		if err := runner.WaitFor(ctx, name, max(position, 3)); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("live", check)
	quiet := func(projector.JobProgress) {}
	reports, err := runner.Keeper().Verify(ctx, nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if r.Differences > 0 {
			t.Errorf("folded again, %s is not what serves: %+v", r.Name, r.Examples)
		}
	}
	if err := runner.Keeper().Rebuild(ctx, nil, false, quiet); err != nil {
		t.Fatal(err)
	}
	t.Run("rebuilt", check)
}
