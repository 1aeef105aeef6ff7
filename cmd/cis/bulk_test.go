package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/domain/tenant"
	bulkjob "github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/sink"
	"github.com/emersion/go-smtp"
)

// table writes rows as CSV, as Excel does.
func table(rows ...string) []byte {
	return []byte("\xef\xbb\xbfname;email;uid\r\n" + strings.Join(rows, "\r\n") + "\r\n")
}

// TestBulk: a table by mail, from who may and who may not; what became of every row comes back.
func TestBulk(t *testing.T) {
	t.Parallel()
	p := startProven(t, map[string]string{"EVENT_INVITE_LIMIT": "4"})
	_, uid := p.party("")
	to := "bulk@" + p.app.cfg.Domain
	row := func(name, email string) string { return fmt.Sprintf("%q;%s;%s", name, email, uid) }
	t.Run("without the right nothing happens, and the sender is told", func(t *testing.T) {
		p.send("organizer.example", olga, to, clientmail.Table(olga, to, table(row("Ann", "ann@gmail.example"))))
		if _, text, _ := read(t, p.nth(olga, 2)); !strings.Contains(text, "may not send in bulk") || !strings.Contains(text, "Ask whoever runs") {
			t.Errorf("got %s", text)
		}
	})
	p.judge(commands.AllowBulk)
	p.invited(uid, "single@gmail.example")
	off := commands.Unsubscribe{Tenant: tenant.Default, RecipientID: p.app.keys.PersonID(tenant.Default, "off@gmail.example"), By: "test"}
	if _, err := p.app.handler.ForRecipient(p.ctx, commands.From("test", tenant.Default, "off", 0), off); err != nil {
		t.Fatal(err)
	}
	t.Run("a forged table is held", func(t *testing.T) {
		p.send("", olga, to, clientmail.Table(olga, to, table(row("Eve", "eve@gmail.example"))))
		p.settled(3)
		if count[bulk.BulkStarted](p.facts()) != 0 {
			t.Error("it was worked off")
		}
	})
	t.Run("a mail without a table is answered", func(t *testing.T) {
		p.send("organizer.example", olga, to, clientmail.Text(olga, to, "Guests", "see attachment"))
		if _, text, _ := read(t, p.nth(olga, 3)); !strings.Contains(text, "there is no CSV file") {
			t.Errorf("got %s", text)
		}
	})
	t.Run("every row has a result", func(t *testing.T) {
		p.send("organizer.example", olga, to, clientmail.Table(olga, to, table(
			row("Ann; the first", "ann@gmail.example"), row("", "BOB@gmail.example"), row("Again", "bob@gmail.example"), row("Single", "single@gmail.example"),
			row("Off", "off@gmail.example"), row("Bad", "nonsense"), "Lost;lost@gmail.example;"+strings.Repeat("0", 40), "",
			row("=HYPERLINK(1)", "carl@gmail.example"), row("Dora", "dora@gmail.example"), row("Emil", "emil@gmail.example"))))
		m := p.nth(olga, 4)
		subject, text, _ := read(t, m)
		if subject != "Your bulk invitations: 4 of 10 accepted" || !strings.Contains(text, "Rejected: 3") || !strings.Contains(text, "Invited already: 2") || !strings.Contains(text, "cannot get it: 1") {
			t.Errorf("%s\n%s", subject, text)
		}
		msg, err := message.Parse(m.Data)
		if err != nil || len(msg.Tables) != 1 {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(msg.Tables[0])).ReadAll()
		if err != nil || len(rows) != 11 {
			t.Fatalf("%v %v", rows, err)
		}
		want := map[string]string{
			"ann@gmail.example": "accepted", "single@gmail.example": "duplicate already-invited", "off@gmail.example": "suppressed unsubscribed",
			"nonsense": "rejected its email is not a mail address", "lost@gmail.example": "rejected event-unknown", "carl@gmail.example": "accepted",
		}
		limited := 0
		for _, r := range rows[1:] {
			got := strings.TrimSpace(r[4] + " " + r[5])
			if w := want[r[2]]; w != "" && got != w {
				t.Errorf("%v: want %s", r, w)
			}
			if r[5] == "invite-limit-reached" {
				limited++
			}
			if strings.HasPrefix(r[3], "=") {
				t.Errorf("a formula: %v", r)
			}
		}
		if limited != 1 {
			t.Errorf("%d beyond the limit", limited)
		}
		for _, who := range []string{"ann", "bob", "carl"} {
			if got, err := p.calendar(p.ctx, who+"@gmail.example", 1); err != nil || got.Method != "REQUEST" || len(p.sink.Mails(who+"@gmail.example")) != 1 {
				t.Errorf("%s: %v", who, err)
			}
		}
	})
	t.Run("somebody else's event is not theirs to invite to", func(t *testing.T) {
		stranger := "eve@evil.example"
		_, err := p.app.handler.ForOrganizer(p.ctx, commands.From("test", tenant.Default, "eve", 0), commands.JudgeOrganizer{
			Organizer: orgRef(p.app.keys.PersonID(tenant.Default, stranger)), Address: stranger, Judgement: commands.AllowBulk, By: "test",
		})
		if err != nil {
			t.Fatal(err)
		}
		p.send("evil.example", stranger, to, clientmail.Table(stranger, to, table(row("Max", "max@gmail.example"))))
		if subject, text, _ := read(t, p.nth(stranger, 1)); subject != "Your bulk invitations: 0 of 1 accepted" || !strings.Contains(text, "the event is not yours") {
			t.Errorf("%s\n%s", subject, text)
		}
		if len(p.sink.Mails("max@gmail.example")) != 0 {
			t.Error("somebody was invited")
		}
	})
	if n := count[invitation.InviteRequested](p.facts()); n != 5 {
		t.Errorf("%d invitations were asked for", n)
	}
}

// TestBulkSteered: a paused table waits, and the invitations of it that were not sent; single ones do not. Stopped, it ends.
func TestBulkSteered(t *testing.T) {
	t.Parallel()
	p := startProven(t, map[string]string{"CIS_SEND_RATE": "4", "EVENT_INVITE_LIMIT": "0"}) // half a minute for 120, so that what is done meanwhile comes in the middle
	_, uid := p.party("")
	p.judge(commands.AllowBulk)
	to := "bulk@" + p.app.cfg.Domain
	rows := make([]string, 120)
	for i := range rows {
		rows[i] = fmt.Sprintf("G;guest%d@gmail.example;%s", i, uid)
	}
	p.send("organizer.example", olga, to, clientmail.Table(olga, to, table(rows...)))
	if _, err := p.sink.Wait(p.ctx, olga, 2); err != nil { // the summary: all of it was asked for
		t.Fatal(err)
	}
	t.Run("single invitations overtake", func(t *testing.T) {
		begin, before := time.Now(), p.sink.Count()
		p.invited(uid, "single@gmail.example")
		if took := time.Since(begin); took > 10*time.Second || p.sink.Count() > before+60 {
			t.Errorf("it took %v, behind %d others", took, p.sink.Count()-before)
		}
	})
	list, err := bulkjob.List(p.ctx, p.app.pool, tenant.Default, "", 1)
	if err != nil || len(list) != 1 || list[0].Accepted != 120 {
		t.Fatalf("%+v, %v", list, err)
	}
	steer := func(to string) error {
		_, err := p.app.handler.ForBulk(p.ctx, commands.From("test", tenant.Default, to, 0), commands.SteerBulk{Tenant: tenant.Default, BulkID: list[0].ID, To: to, By: "test"})
		return err
	}
	t.Run("paused, the invitations that were not sent wait", func(t *testing.T) {
		if err := steer("pause"); err != nil {
			t.Fatal(err)
		}
		if n := p.quiet(); n >= 122 {
			t.Errorf("%d mails", n)
		}
		p.invited(uid, "another@gmail.example")
	})
	t.Run("resumed, they go out", func(t *testing.T) {
		if err := steer("resume"); err != nil {
			t.Fatal(err)
		}
		eventually(t, p.ctx, "all of them", func() error {
			if n := p.sink.Count(); n != 124 { // the confirmation, the summary, two single ones
				return fmt.Errorf("%d", n)
			}
			return nil
		})
	})
	t.Run("a suspended organizer's invitations wait as well", func(t *testing.T) {
		more := make([]string, 120)
		for i := range more {
			more[i] = fmt.Sprintf("M;more%d@gmail.example;%s", i, uid)
		}
		p.send("organizer.example", olga, to, clientmail.Table(olga, to, table(more...)))
		if _, err := p.sink.Wait(p.ctx, olga, 3); err != nil {
			t.Fatal(err)
		}
		p.judge(commands.Suspend)
		if n := p.quiet(); n >= 245 {
			t.Errorf("%d mails", n)
		}
		p.judge(commands.Reinstate)
		eventually(t, p.ctx, "all of them", func() error {
			if n := p.sink.Count(); n != 245 {
				return fmt.Errorf("%d", n)
			}
			return nil
		})
	})
	t.Run("what is finished cannot be stopped", func(t *testing.T) {
		if err := steer("stop"); !errors.Is(err, bulk.ErrFinished) {
			t.Error(err)
		}
	})
}

// quiet waits until no mail has gone out for a second, and returns how many have.
func (p *proven) quiet() int64 {
	p.t.Helper()
	for {
		before := p.sink.Count()
		select {
		case <-time.After(time.Second): // what was claimed when somebody said stop is sent
		case <-p.ctx.Done():
			p.t.Fatal("it never ends")
		}
		if p.sink.Count() == before {
			return before
		}
	}
}

// TestDailyCap: beyond the cap what goes to many waits for tomorrow; what people wait for does not.
func TestDailyCap(t *testing.T) {
	t.Parallel()
	p := startProven(t, map[string]string{"CIS_DAILY_CAP": "3"})
	_, uid := p.party("")
	p.judge(commands.AllowBulk)
	to := "bulk@" + p.app.cfg.Domain
	var rows []string
	for i := range 8 {
		rows = append(rows, fmt.Sprintf("G;guest%d@gmail.example;%s", i, uid))
	}
	p.send("organizer.example", olga, to, clientmail.Table(olga, to, table(rows...)))
	p.nth(olga, 2)
	eventually(t, p.ctx, "three", func() error {
		if n := p.sink.Count(); n < 5 {
			return fmt.Errorf("%d", n)
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	if n := p.sink.Count(); n != 5 { // the confirmation, the summary, three of eight
		t.Errorf("%d mails", n)
	}
	p.invited(uid, "single@gmail.example")
}

// TestBulkKilled kills the program again and again while a table is worked off and sent, with a relay that refuses one in
// twenty for good and is away for a while: nobody is asked or told twice, nobody is forgotten.
func TestBulkKilled(t *testing.T) {
	const people, kills = 1500, 4
	ctx := within(t, 4*time.Minute)
	relay := sink.New()
	relay.Refuse = func(rcpt string) error {
		var n int
		if _, err := fmt.Sscanf(rcpt, "guest%d@", &n); err == nil && n%20 == 7 {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
	if err := relay.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer func() { relay.Close() }()
	p := newProcess(t, "smtp://"+relay.Addr())
	p.env = append(p.env, "EVENT_INVITE_LIMIT=0")
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, olga, "bulk-kill@google.com")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := p.command("organizers", "allow-bulk", olga); err != nil {
		t.Fatal(out, err)
	}
	rows := make([]string, people)
	for i := range rows {
		rows[i] = fmt.Sprintf("Guest %d;guest%d@example.com;%s", i, i, uid)
	}
	to := "bulk@cis.localhost"
	if err := s.mail(olga, to, clientmail.Table(olga, to, table(rows...))); err != nil {
		t.Fatal(err)
	}
	for round := range kills {
		time.Sleep(time.Duration(150+250*round) * time.Millisecond) // while rows are worked off, and then while mails are sent
		p.end(syscall.SIGKILL)
		if round == 2 {
			relay.Close()
		}
		p.run(ctx)
		if round == 2 {
			time.Sleep(time.Second)
			if err := relay.Listen(relay.Addr()); err != nil {
				t.Fatal(err)
			}
		}
	}
	summary, err := s.sink.Wait(ctx, olga, 2)
	if err != nil {
		out, _ := p.command("bulk", "status")
		t.Fatal(err, out)
	}
	if subject, _, _ := read(t, summary); subject != fmt.Sprintf("Your bulk invitations: %d of %d accepted", people, people) {
		t.Error(subject)
	}
	var status []bulkLine
	eventually(t, ctx, "everything sent", func() error {
		out, err := p.command("bulk", "status", "--json")
		if err == nil {
			err = json.Unmarshal([]byte(out), &status)
		}
		if err != nil || len(status) != 1 || status[0].Owed > 0 {
			return fmt.Errorf("%s %w", out, err)
		}
		return nil
	})
	if b := status[0]; b.Accepted != people || b.Rows != people || b.Duplicate+b.Rejected+b.Suppressed != 0 || b.state() != "finished" {
		t.Errorf("%+v", b)
	}
	p.end(syscall.SIGTERM)
	repeats := 0
	for i := range people {
		mails := relay.Mails(fmt.Sprintf("guest%d@example.com", i))
		want := 1
		if i%20 == 7 {
			want = 0
		}
		ids := map[string]bool{}
		for _, m := range mails {
			_, _, h := read(t, m)
			ids[h.Get("Message-Id")] = true
		}
		if len(ids) != want {
			t.Errorf("guest%d got %d different mails, want %d", i, len(ids), want)
		}
		repeats += max(0, len(mails)-want)
	}
	facts := countStored(t, ctx, p)
	if facts["InviteRequested"] != people || facts["InviteDenied"] != 0 || facts["DeliveryFailed"] != people/20 || facts["BulkFinished"] != 1 || facts["BulkBlockDone"] != people/500 {
		t.Errorf("in the log: %v", facts)
	}
	t.Logf("%d people, %d kills: %d mails were repeated, with the same Message-ID", people, kills, repeats)
	if repeats > kills*40 {
		t.Errorf("%d repeats are more than were under way", repeats)
	}
}

func orgRef(id string) organizer.Ref { return organizer.Ref{Tenant: tenant.Default, OrganizerID: id} }

// countStored counts the facts of a process that has ended, by name.
func countStored(t testing.TB, ctx context.Context, p *process) map[string]int {
	t.Helper()
	parts := p.ended(ctx)
	defer parts.close()
	n := map[string]int{}
	for _, rec := range allFacts(t, ctx, parts.facts) {
		n[rec.Fact.FactName()]++
	}
	return n
}
