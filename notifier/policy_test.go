package notifier

import (
	"slices"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/secret"
)

func TestPolicy(t *testing.T) {
	keys, err := secret.New("0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	c := &Couriers{opts: Options{Keys: keys}}
	live := aLetter("").event
	live.Status, live.Revision, live.SeriesRevision = event.Confirmed, 2, 2
	off, over := live, live
	off.Status = event.Cancelled
	over.Content.End.UTC = golden.Add(-time.Hour)
	told := func(n int) invitation.State {
		return invitation.State{Exists: true, Address: "ann@example.com", Told: n, Status: invitation.NoAction}
	}
	erased, failed := told(0), told(1)
	erased.Address = ""
	failed.Failed = 2
	for name, row := range map[string]struct {
		ev   event.State
		inv  invitation.State
		want string // the template; empty: nothing is sent
	}{
		"somebody new gets an invite":                    {live, told(0), "invite"},
		"somebody who knows an older version, an update": {live, told(1), "update"},
		"somebody who knows this one, nothing":           {live, told(2), ""},
		"somebody refused for good at this one, nothing": {live, failed, ""},
		"of a cancelled event, a cancellation":           {off, told(1), "cancel"},
		"unless they never heard of it":                  {off, told(0), ""},
		"of an event that is over, nothing":              {over, told(0), ""},
		"an erased person gets nothing":                  {live, erased, ""},
	} {
		v := c.toAttendee(owed{Kind: kindInvite, Subject: "e", Recipient: "p", Revision: 2}, row.ev, commands.Invitation{State: row.inv}, golden)
		got := ""
		if v.letter != nil {
			got = v.letter.kind
		} else if v.done < 2 {
			t.Errorf("%s: nothing is sent, but it stays owed", name)
		}
		if got != row.want {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

// TestNext: what an attendee of a series is told, in which order, until nothing is left.
func TestNext(t *testing.T) {
	const a, b, c = event.InstanceID("20261211T090000Z"), event.InstanceID("20261218T090000Z"), event.InstanceID("20261225T090000Z")
	// The series was made at 1; a was moved at 2, b called off at 3, the series renamed at 4, c moved at 5.
	ev := event.State{Exists: true, Status: event.Confirmed, Revision: 5, SeriesRevision: 4, Instances: map[event.InstanceID]event.Instance{
		a: {Revision: 2}, b: {Revision: 3, Cancelled: true}, c: {Revision: 5},
	}}
	off := ev
	off.Status, off.Revision, off.SeriesRevision = event.Cancelled, 6, 6
	knows := func(series int, instances ...event.InstanceID) invitation.State {
		inv := invitation.State{Exists: true, Told: series, Instances: map[event.InstanceID]invitation.Instance{}}
		for _, id := range instances {
			inv.Instances[id] = invitation.Instance{Told: series}
		}
		return inv
	}
	off1 := func(inv invitation.State) invitation.State {
		return invitation.Evolve(inv, invitation.InviteWithdrawn{})
	}
	refused := knows(5)
	refused.Failed = 5
	for name, row := range map[string]struct {
		ev   event.State
		inv  invitation.State
		want []event.InstanceID
	}{
		"somebody new: the series without b, then a, then c":              {ev, knows(0), []event.InstanceID{"", a, c}},
		"who knew it from the start: the series again, then what differs": {ev, knows(1), []event.InstanceID{"", a, c}},
		"who heard of a: the series, then c":                              {ev, knows(2, a), []event.InstanceID{"", c}},
		"who knows the new name: c":                                       {ev, knows(4, a), []event.InstanceID{c}},
		"who knows everything: nothing":                                   {ev, knows(5, a, c), nil},
		"whom nothing reaches: nothing":                                   {ev, refused, nil},
		"who is taken off: that, whatever they know":                      {ev, off1(knows(5, a, c)), []event.InstanceID{""}},
		"who is taken off and never heard of it: nothing":                 {ev, off1(knows(0)), nil},
		"of a cancelled series: that, once":                               {off, knows(4, a), []event.InstanceID{""}},
	} {
		var got []event.InstanceID
		inv := row.inv
		for range 10 {
			id, pending, owes := next(row.ev, inv)
			if !owes {
				break
			}
			got = append(got, id)
			told := invitation.Handover{Revision: row.ev.Revision, Instance: id, Pending: pending}
			if inv.Withdrawn {
				inv = invitation.Evolve(inv, invitation.CancellationSent{Handover: told})
			} else {
				inv = invitation.Evolve(inv, invitation.UpdateSent{Handover: told})
			}
			if _, _, more := next(row.ev, inv); more != pending {
				t.Errorf("%s: after %q pending is %v", name, id, pending)
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

func TestPartStat(t *testing.T) {
	answered := invitation.State{Status: invitation.Accepted, LastReply: event.Revision{Sequence: 1, DTStamp: golden}}
	for name, c := range map[string]struct {
		ev   event.State
		inv  invitation.State
		want string
	}{
		"nobody answered":                   {event.State{}, invitation.State{Status: invitation.NoAction}, "NEEDS-ACTION"},
		"the answer still holds":            {event.State{Sequence: 2, TimeSequence: 1}, answered, "ACCEPTED"},
		"it was to another time: ask again": {event.State{Sequence: 2, TimeSequence: 2}, answered, "NEEDS-ACTION"},
	} {
		if got := partStat(c.ev, c.inv, ""); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}
