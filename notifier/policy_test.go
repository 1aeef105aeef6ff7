package notifier

import (
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
