package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/ingest/smtpd"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/calendar-invite-server/cis/internal/facts"
	gosmtp "github.com/emersion/go-smtp"
)

// eventually tries until ok or the context ends; the last complaint is the failure.
func eventually(t testing.TB, ctx context.Context, what string, ok func() error) {
	t.Helper()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// allFacts reads the whole log.
func allFacts(t testing.TB, ctx context.Context, log *facts.Log) []facts.Recorded {
	t.Helper()
	var out []facts.Recorded
	from := uint64(0)
	for {
		recs, err := log.Store().ReadAll(ctx, from, 2000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.Position == from && from != 0 || strings.HasPrefix(r.Type, "$") || r.Type == mail.RawMailName {
				continue
			}
			rec, err := facts.Decode(r)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, rec)
		}
		if len(recs) < 2000 {
			return out
		}
		from = recs[len(recs)-1].Position
	}
}

// outcomes maps the outcome of every mail handled to how often it was.
func outcomes(list []facts.Recorded) map[string]int {
	out := map[string]int{}
	for _, rec := range list {
		if f, ok := rec.Fact.(mail.MailHandled); ok {
			out[strings.TrimSuffix(string(f.Outcome)+"/"+f.Reason, "/")]++
		}
	}
	return out
}

func count[F schema.Fact](list []facts.Recorded) int {
	n := 0
	for _, rec := range list {
		if _, ok := rec.Fact.(F); ok {
			n++
		}
	}
	return n
}

func code(err error) int {
	var te *textproto.Error
	if errors.As(err, &te) {
		return te.Code
	}
	return 0
}

func TestBadMail(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	ctx := within(t, time.Minute)
	create := "create@" + s.app.cfg.Domain

	t.Run("what SMTP can refuse it refuses with a clear code", func(t *testing.T) {
		huge := append([]byte("Subject: x\r\n\r\n"), make([]byte, smtpd.MaxBytes+1)...)
		for i := range huge[20:] {
			huge[20+i] = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0\r\n"[i%65]
		}
		for name, c := range map[string]struct {
			from, to string
			data     []byte
			want     int
		}{
			"an unknown mailbox":    {"a@example.com", "nobody@" + s.app.cfg.Domain, []byte("x"), 550},
			"another domain":        {"a@example.com", "create@elsewhere.example", []byte("x"), 550},
			"an empty mail":         {"a@example.com", create, []byte("\r\n"), 554},
			"an oversized mail":     {"a@example.com", create, huge, 552},
			"a sender that is none": {"not an address", create, []byte("x"), 501},
		} {
			if err := s.mail(c.from, c.to, c.data); code(err) != c.want {
				t.Errorf("%s: %v, want %d", name, err, c.want)
			}
		}
	})
	t.Run("CR and LF in an address reach nobody", func(t *testing.T) {
		conn, err := net.Dial("tcp", s.app.SMTPAddr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		c := textproto.NewConn(conn)
		_, _, _ = c.ReadResponse(220)
		say := func(line string) int {
			_ = c.PrintfLine("%s", line)
			n, _, _ := c.ReadResponse(0)
			return n
		}
		say("EHLO x")
		if n := say("MAIL FROM:<a@example.com>\rRCPT TO:<eve@example.com>"); n < 500 {
			t.Errorf("answered %d", n)
		}
	})
	t.Run("what it takes it handles or refuses, on the record", func(t *testing.T) {
		ev := clientmail.Event{UID: "x@y", DTStamp: time.Now(), Start: time.Now().Add(time.Hour), End: time.Now().Add(2 * time.Hour), OrganizerName: "O", Organizer: "o@organizer.example", To: create, Summary: "S"}
		request := string(clientmail.GoogleRequest(ev))
		past := ev
		past.Start, past.End = time.Now().Add(-48*time.Hour), time.Now().Add(-47*time.Hour)
		stranger := clientmail.Reply{UID: strings.Repeat("0", 40), DTStamp: time.Now(), Organizer: create, Attendee: "a@example.com", Name: "A", PartStat: "ACCEPTED", Start: ev.Start}
		foreign := stranger
		foreign.UID = "somebody-elses@google.com"
		own := strings.ReplaceAll(request, "o@organizer.example", "rsvp+abc@"+s.app.cfg.Domain)
		cut := func(s, from, to string) string { return strings.Replace(s, from, to, -1) }
		// The attached copy is base64 and unchanged, so it is cut off where a change must be the only one.
		alone := request[:strings.Index(request, "--000000000000mixed\r\nContent-Type: application/ics")]
		want := map[string]int{}
		for _, c := range []struct{ name, data, outcome string }{
			{"garbage", "\x00\xff\xfe garbage without a header", "refused/calendar-unreadable"},
			{"no calendar", "From: a@example.com\r\nSubject: hello\r\n\r\nhow are you?\r\n", "ignored/no-calendar"},
			{"a torn multipart", alone[:strings.Index(alone, "BEGIN:VEVENT")], "refused/calendar-unreadable"},
			{"a calendar without UID", cut(alone, "UID:x@y", "X-UID:x@y"), "refused/calendar-unreadable"},
			{"a METHOD nobody knows", cut(alone, "METHOD:REQUEST", "METHOD:POLLSTATUS"), "refused/method-unknown"},
			{"an unknown zone", cut(alone, "DTSTART:", "DTSTART;TZID=Middle/Earth:X"), "refused/time-unresolved"},
			{"no sender", cut(alone, "From: O <o@organizer.example>", "From: <>"), "refused/sender-unknown"},
			{"one of our own", own, "ignored/own-mail"},
			{"an event that is over", string(clientmail.GoogleRequest(past)), "refused/event-over"},
			{"an answer to an unknown event", string(clientmail.GmailReply(stranger)), "refused/event-unknown"},
			{"an answer to somebody else's event", string(clientmail.GmailReply(foreign)), "refused/event-unknown"},
		} {
			if err := s.mail("sender@example.com", create, []byte(c.data)); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			want[c.outcome]++
			eventually(t, ctx, c.name, func() error {
				if got := outcomes(allFacts(t, ctx, s.app.facts)); got[c.outcome] != want[c.outcome] {
					return fmt.Errorf("got %v, want one more %s", got, c.outcome)
				}
				return nil
			})
		}
		if n := s.sink.Count(); n != 0 {
			t.Errorf("%d mails went out to people who proved nothing", n)
		}
	})
	t.Run("and is alive afterwards", func(t *testing.T) {
		if err := story(ctx, s, t.Logf); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRelayTrouble(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	ctx := within(t, time.Minute)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "relay@google.com")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a recipient refused for good is recorded and not tried again", func(t *testing.T) {
		var asked atomic.Int32
		s.sink.Refuse = func(rcpt string) error {
			if rcpt == "gone@example.com" {
				asked.Add(1)
				return &gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "no such user gone@example.com"}
			}
			return nil
		}
		if err := s.invite(ctx, uid, "gone@example.com", "Gone"); err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "DeliveryFailed", func() error {
			for _, rec := range allFacts(t, ctx, s.app.facts) {
				if f, ok := rec.Fact.(invitation.DeliveryFailed); ok && f.Code == 550 {
					if strings.Contains(f.Answer, "gone@") {
						t.Errorf("the answer is stored in the clear: %s", f.Answer)
					}
					return nil
				}
			}
			return errors.New("not recorded")
		})
		if err := s.invite(ctx, uid, "other@example.com", "Other"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.calendar(ctx, "other@example.com", 1); err != nil {
			t.Fatal(err)
		}
		if asked.Load() != 1 {
			t.Errorf("tried %d times", asked.Load())
		}
	})
	t.Run("a recipient refused for now is tried again", func(t *testing.T) {
		var asked atomic.Int32
		s.sink.Refuse = func(rcpt string) error {
			if rcpt == "busy@example.com" && asked.Add(1) == 1 {
				return &gosmtp.SMTPError{Code: 451, EnhancedCode: gosmtp.EnhancedCode{4, 2, 0}, Message: "greylisted"}
			}
			return nil
		}
		if err := s.invite(ctx, uid, "busy@example.com", "Busy"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.calendar(ctx, "busy@example.com", 1); err != nil {
			t.Fatal(err)
		}
		if asked.Load() != 2 {
			t.Errorf("tried %d times", asked.Load())
		}
	})
	t.Run("a relay that is away costs nothing but time", func(t *testing.T) {
		addr := s.sink.Addr()
		s.sink.Close()
		if err := s.invite(ctx, uid, "patient@example.com", "Patient"); err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "an attempt", func() error {
			_, body, err := s.get(ctx, "/metrics", "")
			if !strings.Contains(string(body), `cis_mails_sent_total{kind="invite",outcome="postponed"}`) {
				return fmt.Errorf("none yet (%w)", err)
			}
			return nil
		})
		if err := s.sink.Listen(addr); err != nil {
			t.Fatal(err)
		}
		if _, err := s.calendar(ctx, "patient@example.com", 1); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStoreAway(t *testing.T) {
	dir := t.TempDir()
	store, err := embedded.Open(dir, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := store.Addr().String()
	s := startStage(t, map[string]string{"EVENTSTORE_URL": "esdb://" + addr + "?tls=false", "CIS_SECRET": strings.Repeat("s", 40)})
	ctx := within(t, 2*time.Minute)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "away@google.com")
	if err != nil {
		t.Fatal(err)
	}
	var reader struct{ Key string }
	s.must(t, ctx, 201, "POST", "/v1/keys", s.key, map[string]any{"name": "reader", "scopes": []string{"events:read"}}).into(t, &reader)
	s.must(t, ctx, 200, "GET", "/event/"+uid+"/statistics", reader.Key, nil)
	store.Close()
	// A mail that comes meanwhile waits for its 250; a click waits too. Neither is lost.
	sent := make(chan error, 2)
	go func() {
		sent <- s.mail("ann@example.com", "rsvp@"+s.app.cfg.Domain, clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@" + s.app.cfg.Domain, Attendee: "ann@example.com", Name: "Ann", PartStat: "ACCEPTED", Start: time.Now(),
		}))
	}()
	go func() { sent <- s.invite(ctx, uid, "bob@example.com", "Bob") }()
	time.Sleep(3 * time.Second) // the outage itself; longer than the client library's patience of one second
	for range 3 {               // who reads does not notice
		s.must(t, ctx, 200, "GET", "/event/"+uid+"/statistics", reader.Key, nil)
	}
	if len(sent) != 0 {
		t.Errorf("an answer was given without the store: %v", <-sent)
	}
	if store, err = embedded.Open(dir, addr); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for range 2 {
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	}
	if err := s.counted(ctx, uid, map[string]int64{"accepted": 1, "noaction": 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.calendar(ctx, "bob@example.com", 1); err != nil {
		t.Fatal(err)
	}
}

func TestDatabaseAway(t *testing.T) {
	s := startStage(t, nil)
	ctx := within(t, 2*time.Minute)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "db@google.com")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(s.app.private.Dir(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(strings.SplitN(string(raw), "\n", 2)[0])
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Mail and clicks need no database.
	for i := range 10 {
		if err := s.mail("x@example.com", "rsvp@"+s.app.cfg.Domain, clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@" + s.app.cfg.Domain, Attendee: fmt.Sprintf("p%d@example.com", i), Name: "P", PartStat: "TENTATIVE", Start: time.Now(),
		})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.invite(ctx, uid, "bob@example.com", "Bob"); err != nil {
		t.Fatal(err)
	}
	if err := s.counted(ctx, uid, map[string]int64{"tentative": 10, "noaction": 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.calendar(ctx, "bob@example.com", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.ready(ctx); err != nil {
		t.Fatal(err)
	}
	if n := s.sink.Count(); n != 2 {
		t.Errorf("%d mails went out, want the confirmation and the invitation", n)
	}
}

// TestPoison: a mail that can never be handled is set aside after twelve attempts, and its lane goes on without it.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	ctx := within(t, time.Minute)
	const id = "00000000000000000000000000000001"
	lost := mail.MailReceived{Tenant: tenant.Default, MailID: id, Door: "smtp", Size: 1, Chunks: 1, Lane: "lane", Received: time.Now().UTC(), From: "a@b.example", Recipients: "create@cis.localhost"}
	if _, err := s.app.facts.Append(ctx, mail.Stream(id), eventstore.NoStream, commands.From("test", tenant.Default, id, 0), lost); err != nil { // its bytes are nowhere
		t.Fatal(err)
	}
	state := func(want string) {
		t.Helper()
		eventually(t, ctx, want, func() error {
			var n int
			err := s.app.pool.QueryRow(ctx, `SELECT count(*) FROM p_inbox_v3_g1.todo WHERE mail_id = $1 AND `+want, id).Scan(&n)
			if err == nil && n == 0 {
				err = errors.New("not yet")
			}
			return err
		})
	}
	state("attempts = 1 AND due > now()")
	if _, err := s.app.pool.Exec(ctx, `UPDATE p_inbox_v3_g1.todo SET attempts = 11, due = '-infinity' WHERE mail_id = $1`, id); err != nil { // an hour later
		t.Fatal(err)
	}
	s.app.worker.Wake()
	state("poison")
	if _, _, err := s.newEvent(ctx, olga, "after@google.com"); err != nil {
		t.Errorf("nothing goes on: %v", err)
	}
	if list := allFacts(t, ctx, s.app.facts); count[mail.MailHandled](list) != 1 {
		t.Errorf("%v", outcomes(list))
	}
}
