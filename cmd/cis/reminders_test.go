package main

import (
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

// TestReminders: attendees are reminded when it is time, but not those who said no; the event is reminded of once.
func TestReminders(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	const yes, no, late, off = "yes@gmail.example", "no@gmail.example", "late@gmail.example", "off@gmail.example"
	ev, uid := p.party("")
	for who, answer := range map[string]string{yes: "ACCEPTED", no: "DECLINED"} {
		got := p.invited(uid, who)
		p.send("gmail.example", who, got.Event.Organizer.Address, clientmail.GmailReply(p.reply(got, who, answer, time.Second)))
	}
	if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1, "declined": 1}); err != nil {
		t.Fatal(err)
	}
	p.invited(uid, off)
	if _, err := p.app.handler.ForRecipient(p.ctx, commands.From("test", tenant.Default, "off", 0), commands.Unsubscribe{Tenant: tenant.Default, RecipientID: p.app.keys.PersonID(tenant.Default, off)}); err != nil {
		t.Fatal(err)
	}
	due := time.Until(ev.Start) - 2*time.Second
	_, err := p.app.handler.ForEvent(p.ctx, commands.From("operator", tenant.Default, "reminders", 0), commands.ChangeReminders{UID: uid, Before: []string{due.String()}, By: "operator test"})
	if err != nil {
		t.Fatal(err)
	}
	subject, text, h := read(t, p.nth(yes, 2))
	if subject != "Reminder: Party" || !strings.Contains(text, "Your answer is: yes.") || h.Get("List-Unsubscribe") == "" {
		t.Errorf("%s\n%s", subject, text)
	}
	p.invited(uid, late) // after the reminder: needs none
	eventually(t, p.ctx, "the record", func() error {
		if count[invitation.ReminderSent](p.facts()) != 1 || count[event.RemindersDue](p.facts()) != 1 {
			return fmt.Errorf("%d sent", count[invitation.ReminderSent](p.facts()))
		}
		return nil
	})
	time.Sleep(1500 * time.Millisecond) // another look or two
	var owed int                        // nobody is looked at for ever
	if err := p.app.pool.QueryRow(p.ctx, `SELECT count(*) FROM p_ledger_v5_g1.queue WHERE due < 'infinity'`).Scan(&owed); err != nil || owed != 0 {
		t.Errorf("%d queues are not empty, %v", owed, err)
	}
	if len(p.sink.Mails(off)) != 1 {
		t.Errorf("off got %d", len(p.sink.Mails(off)))
	}
	if len(p.sink.Mails(yes)) != 2 || len(p.sink.Mails(no)) != 1 || len(p.sink.Mails(late)) != 1 {
		t.Errorf("yes %d, no %d, late %d", len(p.sink.Mails(yes)), len(p.sink.Mails(no)), len(p.sink.Mails(late)))
	}
}

// TestUpdateWindow: edits in quick succession are told as one, an edit that is taken back not at all.
func TestUpdateWindow(t *testing.T) {
	t.Parallel()
	p := startProven(t, map[string]string{"CIS_UPDATE_WINDOW": "3"})
	const ann = "ann@gmail.example"
	ev, uid := p.party("")
	first := p.invited(uid, ann)
	edit := func(n int, change func(*clientmail.Event)) {
		ev.Sequence, ev.DTStamp = n, time.Now().Add(time.Duration(n)*time.Minute)
		change(&ev)
		p.send("organizer.example", olga, ev.To, clientmail.GoogleRequest(ev))
		p.settled(1 + n)
	}
	edit(1, func(e *clientmail.Event) { e.Location = "Room 1" })
	edit(2, func(e *clientmail.Event) { e.Location = "Room 2" })
	edit(3, func(e *clientmail.Event) { e.Location = "Room 3" })
	bob := p.invited(uid, "bob@gmail.example") // who is invited meanwhile waits for nothing
	if bob.Event.Location != "Room 3" {
		t.Errorf("Bob: %+v", bob.Event)
	}
	if n := len(p.sink.Mails(ann)); n != 1 {
		t.Errorf("%d mails before the window ended", n)
	}
	got, err := p.calendar(p.ctx, ann, 2)
	if err != nil || got.Event.Location != "Room 3" || got.Event.Sequence != 3 {
		t.Fatalf("%+v, %v", got.Event, err)
	}
	_, text, _ := read(t, p.nth(ann, 2))
	if !strings.Contains(text, "→ Room 3") || strings.Contains(text, "Room 1") || strings.Contains(text, "Room 2") {
		t.Errorf("got %s", text)
	}
	edit(4, func(e *clientmail.Event) { e.Summary = "A typo" })
	edit(5, func(e *clientmail.Event) { e.Summary = "Party" })
	edit(6, func(e *clientmail.Event) { e.Description = "Bring a chair." })
	last, err := p.calendar(p.ctx, ann, 3)
	if err != nil || last.Event.Sequence != 3 || first.Event.UID != last.Event.UID {
		t.Fatalf("%+v, %v", last.Event, err)
	}
	if _, text, _ := read(t, p.nth(ann, 3)); strings.Contains(text, "typo") || strings.Contains(text, "Title:") || !strings.Contains(text, "Description changed") {
		t.Errorf("got %s", text)
	}
	if n := len(p.sink.Mails(ann)); n != 3 {
		t.Errorf("%d mails for six edits", n)
	}
}
