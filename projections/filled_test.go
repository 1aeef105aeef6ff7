package projections_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/domain/recipient"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/google/uuid"
)

// story makes up what can happen to some people at some events, in any order, sensible or not.
type story struct {
	*rand.Rand
	invited map[invitation.Ref]bool
}

func (s story) next() schema.Fact {
	pick := func(list ...string) string { return list[s.IntN(len(list))] }
	who := fmt.Sprintf("p%d", s.IntN(60))
	ref := invitation.Ref{Tenant: "t", EventUID: fmt.Sprintf("e%d", s.IntN(10)), AttendeeID: who}
	at, name := pick(who, who+".new")+"@example.com", pick("", "", who, "Dr "+who)
	origin := pick("", "", string(invitation.Shared))
	answer := invitation.RsvpReceived{
		Ref: ref, OrganizerID: "org", Status: invitation.Status(pick("accepted", "declined", "tentative")), ProdID: pick("Apple", "Google"),
		Comment: pick("", "", "late"), Instance: event.InstanceID(pick("", "", "20261211T090000Z")), Stale: s.IntN(2) == 0,
	}
	answer.Previous = invitation.Status(pick("noaction", "accepted", "declined"))
	if answer.Instance == "" && s.IntN(3) == 0 {
		answer.Apart = []event.InstanceID{"20261211T090000Z"}
	}
	switch n := s.IntN(100); {
	case n < 30 && !s.invited[ref]:
		s.invited[ref] = true
		return invitation.InviteRequested{Ref: ref, OrganizerID: "org", Address: at, Name: name, Origin: "api"}
	case n < 40 && !s.invited[ref] && origin != "":
		s.invited[ref] = true
		answer.Address, answer.Name, answer.Origin = at, name, invitation.Shared
		return answer
	case n < 75:
		return answer
	case n < 83 && s.invited[ref]:
		return invitation.Bounced{Ref: ref, Status: "5.1.1"}
	case n < 99:
		delete(s.invited, ref)
		return invitation.InviteWithdrawn{Ref: ref, OrganizerID: "org"}
	default:
		return recipient.RecipientErased{Tenant: "t", RecipientID: who}
	}
}

// TestFilledLikeLive: a generation that is filled at once has the rows that page after page makes, whatever happened; also
// after one fact was passed over that could not have happened.
func TestFilledLikeLive(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	log, _, runner := running(ctx, t)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := story{rand.New(rand.NewPCG(seed, 1)), map[invitation.Ref]bool{}}
	var last uint64
	happened := func(list ...schema.Fact) string {
		stream := invitation.Stream("e0", uuid.NewString())
		res, err := log.Append(ctx, stream, eventstore.NoStream, facts.Meta{Tenant: "t", Command: uuid.New()}, list...)
		if err != nil {
			t.Fatal(err)
		}
		last = res.Position
		return stream
	}
	twice := invitation.InviteRequested{Ref: invitation.Ref{Tenant: "t", EventUID: "other", AttendeeID: "p1"}, OrganizerID: "org", Address: "p1@example.com", Origin: "api"}
	happened(twice)
	for range 400 { // more than one page of a filling
		var list []schema.Fact
		for range 1 + s.IntN(60) {
			list = append(list, s.next())
		}
		happened(list...)
	}
	models := []string{"attendees", "statistics"}
	same := func() {
		t.Helper()
		for _, name := range models {
			if err := runner.WaitFor(ctx, name, last); err != nil {
				t.Fatal(err)
			}
		}
		reports, err := runner.Keeper().Verify(ctx, models, func(projector.JobProgress) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range reports {
			if r.Differences > 0 || r.Rows < 50 {
				t.Errorf("%s: %d of %d rows differ: %+v", r.Name, r.Differences, r.Rows, r.Examples)
			}
		}
	}
	same()

	stream := happened(twice)
	var poison *projector.Poison
	if err := runner.Keeper().Rebuild(ctx, models, false, func(projector.JobProgress) {}); !errors.As(err, &poison) || poison.Stream != stream {
		t.Errorf("a second invitation of the same person is not found: %v", err)
	}
	skip := logbook.FactSkipped{Projection: "attendees", Stream: stream, Revision: 0}
	if _, err := log.Append(ctx, logbook.Skips, eventstore.Any, facts.Meta{Command: uuid.New()}, skip); err != nil {
		t.Fatal(err)
	}
	same()
	if err := runner.Keeper().Rebuild(ctx, models, false, func(projector.JobProgress) {}); err != nil {
		t.Fatal(err)
	}
	same()
}
