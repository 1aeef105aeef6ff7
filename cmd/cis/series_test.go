package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/clientmail"
)

// TestSeries tells the life of a series: one date moved, one called off, answers to one date and to all, somebody who
// comes later, and what attendees can ask for.
func TestSeries(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	const olga, ann, bob, zoe = "olga@organizer.example", "ann@gmail.example", "bob@gmail.example", "zoe@gmail.example"
	ev, uid := p.party("RRULE:FREQ=WEEKLY;COUNT=4\n")
	first := p.invited(uid, ann)
	if r := first.Event.Recurrence; r.Rule != "FREQ=WEEKLY;COUNT=4" || first.Event.Start.TZID != "Europe/Berlin" {
		t.Fatalf("the series: %+v", first.Event)
	}
	id := func(week int) event.InstanceID { // weeks of wall time
		loc, _ := time.LoadLocation("Europe/Berlin")
		return event.InstanceID(ev.Start.In(loc).AddDate(0, 0, 7*week).UTC().Format("20060102T150405Z"))
	}
	change := func(week, minute int, hours time.Duration, write func(clientmail.Event) []byte) {
		t.Helper()
		c := ev
		c.Sequence, c.DTStamp = 1, time.Now().Add(time.Duration(minute)*time.Minute)
		at, _, _ := id(week).Time()
		c.Start, c.End = at.Add(hours*time.Hour), at.Add((hours+1)*time.Hour)
		c.Extra = "RECURRENCE-ID:" + string(id(week)) + "\n"
		p.send("organizer.example", olga, ev.To, write(c))
	}

	t.Run("one date is moved: the attendee gets that one alone", func(t *testing.T) {
		change(1, 1, 2, clientmail.GoogleRequest)
		got, err := p.calendar(p.ctx, ann, 2)
		if err != nil || got.Event.Instance != id(1) || !got.Event.Recurrence.IsZero() || got.Event.Sequence != 1 || got.Event.Start.Instance() == id(1) {
			t.Fatalf("got %+v, %v", got.Event, err)
		}
	})
	t.Run("one date is called off: the series stays", func(t *testing.T) {
		change(2, 2, 0, clientmail.GoogleCancel)
		got, err := p.calendar(p.ctx, ann, 3)
		if err != nil || got.Method != "CANCEL" || got.Event.Instance != id(2) || got.Event.Status != "CANCELLED" {
			t.Fatalf("got %+v, %v", got.Event, err)
		}
	})
	t.Run("a date the series does not have is refused", func(t *testing.T) {
		change(9, 3, 2, clientmail.GoogleRequest)
		p.settled(4)
		if outcomes(p.facts())["refused/instance-unknown"] != 1 {
			t.Errorf("got %v", outcomes(p.facts()))
		}
		if _, err := p.sink.Wait(p.ctx, olga, 2); err != nil { // behind the confirmation: why not
			t.Error(err)
		}
	})
	t.Run("somebody who comes later gets the series without what was called off, then what is different", func(t *testing.T) {
		got := p.invited(uid, bob)
		without := got.Event.Recurrence.Without
		if len(without) != 1 || without[0].Instance() != id(2) || got.Event.Instance != "" {
			t.Errorf("the series: %+v", got.Event)
		}
		got, err := p.calendar(p.ctx, bob, 2)
		if err != nil || got.Event.Instance != id(1) {
			t.Errorf("the exception: %+v, %v", got.Event, err)
		}
		if n := len(p.sink.Mails(bob)); n != 2 {
			t.Errorf("Bob has %d mails", n)
		}
	})
	t.Run("its dates are listed by name", func(t *testing.T) {
		eventually(t, p.ctx, "the list", func() error {
			_, body, err := p.get(p.ctx, "/event/"+uid+"/instances", p.key)
			var list []struct{ Instance, Status string }
			if err == nil {
				err = json.Unmarshal(body, &list)
			}
			if err != nil || len(list) != 4 || list[1].Instance != string(id(1)) || list[1].Status != "confirmed" || list[2].Status != "cancelled" {
				return fmt.Errorf("%s, %v", body, err)
			}
			return nil
		})
		if _, body, err := p.get(p.ctx, "/event/"+uid, p.key); err != nil || !strings.Contains(string(body), `"rrule":"FREQ=WEEKLY;COUNT=4"`) {
			t.Errorf("%s, %v", body, err)
		}
		if code, _, err := p.get(p.ctx, "/event/"+uid+"/instances?from=tomorrow", p.key); err != nil || code != 400 {
			t.Errorf("%d, %v", code, err)
		}
	})
	t.Run("answers to all of it and to one date are counted apart", func(t *testing.T) {
		rsvp := first.Event.Organizer.Address
		p.send("gmail.example", ann, rsvp, clientmail.GmailReply(p.reply(first, ann, "ACCEPTED", time.Minute)))
		if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1, "noaction": 1}); err != nil {
			t.Fatal(err)
		}
		one := p.reply(first, ann, "DECLINED", 2*time.Minute)
		one.Sequence, one.Extra = 1, "RECURRENCE-ID:"+string(id(1))+"\nCOMMENT:Not that day\\, sorry\n"
		p.send("gmail.example", ann, rsvp, clientmail.GmailReply(one))
		eventually(t, p.ctx, "the counters of one date", func() error {
			_, body, err := p.get(p.ctx, "/event/"+uid+"/statistics?instance="+string(id(1)), p.key)
			if err == nil && !strings.Contains(string(body), `"rsvp":{"accepted":0,"declined":1,"noaction":1,"tentative":0}`) {
				err = fmt.Errorf("%s", body)
			}
			return err
		})
		if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1, "declined": 0}); err != nil {
			t.Error(err)
		}
		for path, want := range map[string]string{"/attendees": `"status":"accepted"`, "/attendees?instance=" + string(id(1)): `"comment":"Not that day, sorry"`} {
			if _, body, err := p.get(p.ctx, "/event/"+uid+path, p.key); err != nil || !strings.Contains(string(body), want) {
				t.Errorf("%s: %s, %v", path, body, err)
			}
		}
		if code, _, err := p.get(p.ctx, "/event/"+uid+"/statistics?instance=tomorrow", p.key); err != nil || code != 400 {
			t.Errorf("%d, %v", code, err)
		}
	})
	t.Run("the whole series is moved: all of it is told again, the exception behind it", func(t *testing.T) {
		c := ev
		c.Sequence, c.DTStamp, c.Extra = 5, time.Now().Add(10*time.Minute), "RRULE:FREQ=WEEKLY;COUNT=5\n"
		p.send("organizer.example", olga, ev.To, clientmail.GoogleRequest(c))
		series, err := p.calendar(p.ctx, bob, 3)
		if err != nil || series.Event.Recurrence.Rule != "FREQ=WEEKLY;COUNT=5" || len(series.Event.Recurrence.Without) != 1 {
			t.Fatalf("got %+v, %v", series.Event, err)
		}
		exception, err := p.calendar(p.ctx, bob, 4)
		if err != nil || exception.Event.Instance != id(1) {
			t.Fatalf("got %+v, %v", exception.Event, err)
		}
	})
	t.Run("a proposal is told to the organizer and changes nothing; declined, the attendee is told", func(t *testing.T) {
		before := len(p.sink.Mails(olga))
		c := p.reply(first, ann, "TENTATIVE", 20*time.Minute)
		c.Method, c.Extra = "COUNTER", "DTEND:"+ev.End.Add(24*time.Hour).UTC().Format("20060102T150405Z")+"\nCOMMENT:Later?\n"
		c.Start = ev.Start.Add(24 * time.Hour)
		p.send("gmail.example", ann, c.Organizer, clientmail.GmailReply(c))
		got, err := p.sink.Wait(p.ctx, olga, before+1)
		if err != nil || !strings.Contains(string(got.Data), "Another time is proposed: Party") {
			t.Fatalf("%s, %v", got.Data, err)
		}
		annID := p.app.keys.PersonID(tenant.Default, ann)
		mails := len(p.sink.Mails(ann))
		if _, err := p.app.handler.ForInvitation(p.ctx, commands.From("test", tenant.Default, "decline", 0), commands.DeclineCounter{Tenant: tenant.Default, EventUID: uid, AttendeeID: annID}); err != nil {
			t.Fatal(err)
		}
		declined, err := p.calendar(p.ctx, ann, mails+1)
		if err != nil || declined.Method != "DECLINECOUNTER" || declined.Event.UID != uid {
			t.Errorf("got %+v, %v", declined, err)
		}
	})
	t.Run("who asks again gets it again, once", func(t *testing.T) {
		mails := len(p.sink.Mails(bob))
		c := p.reply(first, bob, "NEEDS-ACTION", 30*time.Minute)
		c.Method = "REFRESH"
		for n := range 2 {
			c.DTStamp = c.DTStamp.Add(time.Duration(n) * time.Minute)
			p.send("gmail.example", bob, c.Organizer, clientmail.GmailReply(c))
		}
		series, err := p.calendar(p.ctx, bob, mails+1)
		if err != nil || series.Method != "REQUEST" || series.Event.Recurrence.Rule == "" {
			t.Fatalf("got %+v, %v", series, err)
		}
		if exception, err := p.calendar(p.ctx, bob, mails+2); err != nil || exception.Event.Instance != id(1) {
			t.Errorf("got %+v, %v", exception, err)
		}
		eventually(t, p.ctx, "the second request to be refused", func() error {
			if outcomes(p.facts())["refused/resend-too-soon"] != 1 {
				return fmt.Errorf("%v", outcomes(p.facts()))
			}
			return nil
		})
	})
	t.Run("every calendar is stamped later than the one before", func(t *testing.T) {
		for _, who := range []string{ann, bob} {
			var last time.Time
			for n := range p.sink.Mails(who) {
				got, err := p.calendar(p.ctx, who, n+1)
				if err != nil || got.Event.UID != uid || got.Method != "DECLINECOUNTER" && !got.Event.DTStamp.After(last) {
					t.Errorf("mail %d to %s: %v after %v, %v", n+1, who, got.Event.DTStamp, last, err)
				}
				if got.Method != "DECLINECOUNTER" {
					last = got.Event.DTStamp
				}
			}
		}
	})
	p.allDifferent(ann, bob)
	t.Run("an attendee may send somebody else", func(t *testing.T) {
		c := p.reply(first, ann, "DELEGATED", 40*time.Minute)
		c.Params = `;DELEGATED-TO="mailto:` + zoe + `"`
		p.send("gmail.example", ann, c.Organizer, clientmail.GmailReply(c))
		if got, err := p.calendar(p.ctx, zoe, 1); err != nil || got.Event.UID != uid {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// TestWithdrawn: who is taken off gets a cancellation, the others get nothing; invited again, they are again.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	const ann, bob = "ann@gmail.example", "bob@gmail.example"
	ev, uid := p.party("")
	first := p.invited(uid, ann)
	p.invited(uid, bob)
	p.send("gmail.example", ann, first.Event.Organizer.Address, clientmail.GmailReply(p.reply(first, ann, "ACCEPTED", time.Minute)))
	if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1, "noaction": 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.app.handler.ForInvitation(p.ctx, commands.From("test", tenant.Default, "off", 0), commands.WithdrawInvite{
		Tenant: tenant.Default, EventUID: uid, AttendeeID: p.app.keys.PersonID(tenant.Default, ann), By: "test",
	}); err != nil {
		t.Fatal(err)
	}
	got, err := p.calendar(p.ctx, ann, 2)
	if err != nil || got.Method != "CANCEL" || got.Event.Status != "CANCELLED" || !got.Event.DTStamp.After(first.Event.DTStamp) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 0, "noaction": 1}); err != nil {
		t.Fatal(err)
	}
	moved := ev
	moved.Sequence, moved.DTStamp, moved.Start, moved.End = 1, time.Now().Add(time.Minute), ev.Start.Add(time.Hour), ev.End.Add(time.Hour)
	p.send("organizer.example", ev.Organizer, ev.To, clientmail.GoogleRequest(moved))
	if _, err := p.calendar(p.ctx, bob, 2); err != nil {
		t.Fatal(err)
	}
	if a, b := len(p.sink.Mails(ann)), len(p.sink.Mails(bob)); a != 2 || b != 2 {
		t.Errorf("Ann has %d mails, Bob %d", a, b)
	}
	if err := p.invite(p.ctx, uid, ann, "Ann"); err != nil {
		t.Fatal(err)
	}
	again, err := p.calendar(p.ctx, ann, 3)
	if err != nil || again.Method != "REQUEST" || again.Event.Attendees[0].PartStat != "NEEDS-ACTION" || !again.Event.Start.UTC.Equal(moved.Start) {
		t.Errorf("got %+v, %v", again, err)
	}
	if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 0, "noaction": 2}); err != nil {
		t.Error(err)
	}
	p.allDifferent(ann, bob)
}

// allDifferent: no two mails to somebody carry the same Message-ID, or the later ones would be taken for copies.
func (p *proven) allDifferent(people ...string) {
	p.t.Helper()
	for _, who := range people {
		seen := map[string]int{}
		for n := range p.sink.Mails(who) {
			got, err := p.calendar(p.ctx, who, n+1)
			if err != nil {
				p.t.Fatal(err)
			}
			if first, twice := seen[got.Msg.MessageID]; twice {
				p.t.Errorf("mails %d and %d to %s are both %s", first, n+1, who, got.Msg.MessageID)
			}
			seen[got.Msg.MessageID] = n + 1
		}
	}
}

// TestPartyCrashers: what becomes of answers of people who were never invited, by the event's policy.
func TestPartyCrashers(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	const ann = "ann@gmail.example"
	_, uid := p.party("")
	got := p.invited(uid, ann)
	policy := func(c event.Crashers) {
		t.Helper()
		if _, err := p.app.handler.ForEvent(p.ctx, commands.From("test", tenant.Default, string(c), 0), commands.ChangePolicy{UID: uid, Crashers: c}); err != nil {
			t.Fatal(err)
		}
	}
	answer := func(who string) {
		p.send("gmail.example", who, got.Event.Organizer.Address, clientmail.GmailReply(p.reply(got, who, "ACCEPTED", time.Minute)))
	}
	answer("one@gmail.example")
	if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1}); err != nil {
		t.Fatal(err)
	}
	policy(event.CrashersHold)
	answer("two@gmail.example")
	policy(event.CrashersHold)
	p.settled(3)
	policy(event.CrashersCancel)
	answer("three@gmail.example")
	cancelled, err := p.calendar(p.ctx, "three@gmail.example", 1)
	if err != nil || cancelled.Method != "CANCEL" || cancelled.Event.UID != uid {
		t.Errorf("got %+v, %v", cancelled, err)
	}
	if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1}); err != nil {
		t.Error(err)
	}
	if n := count[invitation.CrasherTurnedAway](p.facts()); n != 1 {
		t.Errorf("%d were turned away", n)
	}
}
