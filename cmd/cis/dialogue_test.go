package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/clientmail"
)

// TestDialogue: an organizer reads the confirmation, changes the event, and writes back report, status, undo, help.
func TestDialogue(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	const ann = "ann@gmail.example"
	ev, uid := p.party("")
	_, _, header := read(t, p.nth(olga, 1))
	reply, err := mail.ParseAddress(header.Get("Reply-To"))
	if err != nil || !strings.HasPrefix(reply.Address, "event+") {
		t.Fatalf("the confirmation is answered to %v, %v", reply, err)
	}
	write := func(domain, from, body string) {
		t.Helper()
		p.send(domain, from, reply.Address, clientmail.Text(from, reply.Address, "Re: Your event is ready", body))
	}
	got := p.invited(uid, ann)
	p.send("gmail.example", ann, got.Event.Organizer.Address, clientmail.GmailReply(p.reply(got, ann, "ACCEPTED", time.Second)))
	if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1}); err != nil {
		t.Fatal(err)
	}

	t.Run("status says the numbers", func(t *testing.T) {
		write("organizer.example", olga, "Status, please\n\n> Your event is ready")
		subject, text, _ := read(t, p.nth(olga, 2))
		if subject != "Status: Party" || !strings.Contains(text, "Accepted: 1") || !strings.Contains(text, "Invited: 1") {
			t.Errorf("%s\n%s", subject, text)
		}
	})
	t.Run("report brings everybody, as CSV", func(t *testing.T) {
		eventually(t, p.ctx, "the read model", func() error {
			n := 0
			return p.readNumbers(p.ctx, uid, &n, 1)
		})
		write("organizer.example", olga, "\nREPORT\n")
		m := p.nth(olga, 3)
		msg, err := message.Parse(m.Data)
		if err != nil || len(msg.Tables) != 1 {
			t.Fatalf("%s %v", m.Data, err)
		}
		if want := "email,name,status,origin,prodid\n" + ann + ",Ann,accepted,api,"; !strings.HasPrefix(string(msg.Tables[0]), want) {
			t.Errorf("got %s", msg.Tables[0])
		}
		if !strings.Contains(msg.Text, uid) {
			t.Errorf("no UID in %s", msg.Text)
		}
	})
	t.Run("an update tells the difference in words", func(t *testing.T) {
		ev.Sequence, ev.DTStamp, ev.Start, ev.End, ev.Location = 1, time.Now().Add(time.Minute), ev.Start.Add(24*time.Hour), ev.End.Add(24*time.Hour), "Room 9"
		p.send("organizer.example", olga, ev.To, clientmail.GoogleRequest(ev))
		_, text, _ := read(t, p.nth(ann, 2))
		day := func(d time.Time) string { return d.Format("Mon 2 Jan 2006") }
		if !strings.Contains(text, "Time: "+day(ev.Start.Add(-24*time.Hour))) || !strings.Contains(text, "→ "+day(ev.Start)) || !strings.Contains(text, "Place: ") || !strings.Contains(text, "→ Room 9") {
			t.Errorf("got %s", text)
		}
	})
	t.Run("undo takes it back, for everybody", func(t *testing.T) {
		write("organizer.example", olga, "undo")
		subject, text, _ := read(t, p.nth(olga, 4))
		if subject != "Taken back: Party" || !strings.Contains(text, "as it was before") {
			t.Errorf("%s\n%s", subject, text)
		}
		back, err := p.calendar(p.ctx, ann, 3)
		if err != nil || back.Method != "REQUEST" || !back.Event.Start.UTC.Equal(got.Event.Start.UTC) || back.Event.Sequence != 2 || back.Event.Attendees[0].PartStat != "NEEDS-ACTION" {
			t.Errorf("%+v, %v", back.Event, err)
		}
		if n := count[event.ChangeUndone](p.facts()); n != 1 {
			t.Errorf("%d undone", n)
		}
		eventually(t, p.ctx, "the read model", func() error {
			_, body, err := p.get(p.ctx, "/event/"+uid, p.key)
			if want := fmt.Sprintf(`"dtstart":%d`, got.Event.Start.UTC.Unix()); err != nil || !strings.Contains(string(body), want) {
				return fmt.Errorf("no %s in %s", want, body)
			}
			return nil
		})
	})
	t.Run("what is not understood is answered with help", func(t *testing.T) {
		write("organizer.example", olga, "Dear server, could you")
		subject, text, _ := read(t, p.nth(olga, 5))
		if subject != "How to write to your event: Party" || !strings.Contains(text, "none of report, status, undo and help") {
			t.Errorf("%s\n%s", subject, text)
		}
	})
	t.Run("nobody else is obeyed, and nothing unproven", func(t *testing.T) {
		before := outcomes(p.facts())
		write("evil.example", "eve@evil.example", "undo")
		write("", olga, "undo")
		p.settled(7 + 2)
		eventually(t, p.ctx, "both", func() error {
			after := outcomes(p.facts())
			if after["refused/event-not-yours"] != before["refused/event-not-yours"]+1 {
				return fmt.Errorf("%v", after)
			}
			return nil
		})
		if n := count[event.ChangeUndone](p.facts()); n != 1 {
			t.Errorf("%d undone", n)
		}
	})
	t.Run("undoing a cancellation brings the event back", func(t *testing.T) {
		ev.Sequence, ev.DTStamp = 2, time.Now().Add(2*time.Minute)
		p.send("organizer.example", olga, ev.To, clientmail.GoogleCancel(ev))
		if off, err := p.calendar(p.ctx, ann, 4); err != nil || off.Method != "CANCEL" {
			t.Fatalf("%+v, %v", off, err)
		}
		write("organizer.example", olga, "Undo.")
		if back, err := p.calendar(p.ctx, ann, 5); err != nil || back.Method != "REQUEST" || back.Event.Sequence != 4 {
			t.Errorf("%+v, %v", back, err)
		}
	})
}

// readNumbers counts the attendees the report would have.
func (s *stage) readNumbers(ctx context.Context, uid string, n *int, want int) error {
	_, body, err := s.get(ctx, "/event/"+uid+"/attendees", s.key)
	var list []map[string]any
	if err == nil {
		err = json.Unmarshal(body, &list)
	}
	if *n = len(list); err == nil && (*n != want || list[0]["status"] != "accepted") {
		err = fmt.Errorf("%s", body)
	}
	return err
}
