package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/mailsign"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/calendar-invite-server/cis/internal/sink"
	"github.com/google/uuid"
	gomail "github.com/wneessen/go-mail"
	"golang.org/x/sync/errgroup"
)

// The benchmarks run the whole server on the real parts (embedded store, private PostgreSQL, loopback SMTP and HTTP)
// and measure the ceiling of the part that bounds them in the same run: only ratios travel between machines.
//
//	make bench               all of them
//	make bench BENCH=Replies one

func benchStage(b *testing.B, change ...string) *stage {
	b.Helper()
	tuneGC()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	env := map[string]string{"CIS_TRUSTED_PROXIES": "127.0.0.1", "EVENT_LIMIT": "0", "CIS_API_RATE": "0", "CIS_CLIENT_RATE": "0"}
	for i := 0; i+1 < len(change); i += 2 {
		env[change[i]] = change[i+1]
	}
	s, err := newStage(ctx, slog.New(slog.DiscardHandler), env)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.close)
	return s
}

// benchEvent makes an event and returns its UID.
func benchEvent(b *testing.B, s *stage, ctx context.Context, name string) string {
	b.Helper()
	_, uid, err := s.newEvent(ctx, name+"@organizer.example", name+"@google.com")
	if err != nil {
		b.Fatal(err)
	}
	return uid
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// parallel runs f for 0..n-1 on w workers, each with a value of its own.
func parallel[T any](n, w int, setup func() (T, error), f func(T, int) error) error {
	var next atomic.Int64
	var g errgroup.Group
	for range w {
		g.Go(func() error {
			v, err := setup()
			if err != nil {
				return err
			}
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(v, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// wire is an SMTP client that does nothing but speak.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
}

func dialWire(addr string) (*wire, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	w := &wire{conn, bufio.NewReader(conn)}
	if err := w.expect("220"); err != nil {
		return nil, err
	}
	return w, w.say("EHLO bench.localhost\r\n", "250")
}

func (w *wire) say(s, code string) error {
	if _, err := io.WriteString(w.conn, s); err != nil {
		return err
	}
	return w.expect(code)
}

func (w *wire) expect(code string) error {
	for {
		line, err := w.r.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, code) {
			return fmt.Errorf("got %q, want %s", line, code)
		}
		if len(line) > 3 && line[3] == ' ' {
			return nil
		}
	}
}

func (w *wire) send(from, to string, data []byte) error {
	for _, step := range [][2]string{
		{"MAIL FROM:<" + from + ">\r\n", "250"}, {"RCPT TO:<" + to + ">\r\n", "250"}, {"DATA\r\n", "354"}, {string(data) + "\r\n.\r\n", "250"},
	} {
		if err := w.say(step[0], step[1]); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkReplies: answers taken over SMTP, durable before 250, and counted. Ceiling: the same mails into an SMTP
// server that throws them away.
func BenchmarkReplies(b *testing.B) { replies(b, nil) }

// replies measures answers of as many people, signed if there is a world to sign in.
func replies(b *testing.B, world *mailsign.World, change ...string) {
	const n, sessions = 10_000, 32
	s := benchStage(b, change...)
	sign := func(mail []byte) []byte { return mail }
	if world != nil {
		signer, err := world.Domain("example.com", "rsa")
		check(b, err)
		sign = func(mail []byte) []byte {
			signed, err := signer.Sign(mail)
			check(b, err)
			return signed
		}
	}
	s.sink.Discard = false
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	uid := ""
	if world == nil {
		uid = benchEvent(b, s, ctx, "replies")
	} else {
		uid = benchEventDirectly(b, s, ctx)
	}
	s.sink.Discard = true
	check(b, seedInvites(ctx, s, uid, n))
	mails := make([][]byte, n)
	for i := range mails {
		mails[i] = sign(clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: guest(i), Name: "Guest", PartStat: "ACCEPTED", Start: time.Now(),
		}))
	}
	reply := func(i int) []byte { return mails[i] }
	discard := sink.New()
	discard.Discard = true
	check(b, discard.Listen("127.0.0.1:0"))
	defer discard.Close()
	begin := time.Now()
	check(b, parallel(n, sessions, func() (*wire, error) { return dialWire(discard.Addr()) }, func(w *wire, i int) error { return w.send(guest(i), "rsvp@cis.localhost", reply(i)) }))
	ceiling := n / time.Since(begin).Seconds()

	b.ResetTimer()
	begin = time.Now()
	check(b, parallel(n, sessions, func() (*wire, error) { return dialWire(s.app.SMTPAddr.String()) }, func(w *wire, i int) error { return w.send(guest(i), "rsvp@cis.localhost", reply(i)) }))
	accepted := time.Since(begin)
	check(b, s.counted(ctx, uid, map[string]int64{"accepted": n}))
	counted := time.Since(begin)
	b.ReportMetric(n/accepted.Seconds(), "accepted/s")
	report(b, n/counted.Seconds(), ceiling, "replies/s", "discard/s")
}

// benchEventDirectly makes an event without a mail.
func benchEventDirectly(b *testing.B, s *stage, ctx context.Context) string {
	b.Helper()
	organizer := s.app.keys.PersonID(tenant.Default, "o@organizer.example")
	uid := s.app.keys.EventUID(tenant.Default, organizer, "bench")
	start := time.Now().UTC().Add(24 * time.Hour)
	_, err := s.app.handler.ForEvent(ctx, commands.From("bench", tenant.Default, "event", 0), commands.CreateEvent{
		Tenant: tenant.Default, UID: uid, OrganizerID: organizer, OrganizerAddress: "o@organizer.example", ReplyTo: "rsvp+x@cis.localhost", Now: start,
		Content: event.Content{Start: recur.At(start, ""), End: recur.At(start.Add(time.Hour), "")},
	})
	check(b, err)
	return uid
}

func report(b *testing.B, figure, ceiling float64, unit, ceilingUnit string) {
	b.ReportMetric(figure, unit)
	b.ReportMetric(ceiling, ceilingUnit)
	b.ReportMetric(figure/ceiling, "ratio")
	b.ReportMetric(0, "ns/op")
}

func guest(i int) string { return fmt.Sprintf("guest%d@example.com", i) }

// seedInvites writes what the log holds after n people were invited, without sending to them.
func seedInvites(ctx context.Context, s *stage, uid string, n int) error {
	ev, err := s.app.handler.Event(ctx, uid)
	if err != nil {
		return err
	}
	if err := parallel(n, 64, func() (int, error) { return 0, nil }, func(_, i int) error {
		person := s.app.keys.PersonID(tenant.Default, guest(i))
		_, err := s.app.facts.Append(ctx, invitation.Stream(uid, person), eventstore.NoStream, commands.From("bench", tenant.Default, uuid.NewString(), 0), invited(uid, ev.OrganizerID, person, i)...)
		return err
	}); err != nil {
		return err
	}
	return s.counted(ctx, uid, map[string]int64{"noaction": int64(n)})
}

func invited(uid, organizer, person string, i int) []schema.Fact {
	ref := invitation.Ref{Tenant: tenant.Default, EventUID: uid, AttendeeID: person}
	return []schema.Fact{
		invitation.InviteRequested{Ref: ref, OrganizerID: organizer, Address: guest(i), Name: "Guest", Origin: "api"},
		invitation.InviteSent{Ref: ref, Handover: invitation.Handover{Revision: 1, MessageID: "m"}},
	}
}

// BenchmarkInvites: invite links followed over HTTP, mails handed to a mail server, outcomes recorded. Ceiling: the
// same mails sent by the mail library to the same server over the same number of connections.
func BenchmarkInvites(b *testing.B) {
	const n = 10_000
	s := benchStage(b)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	uid := benchEvent(b, s, ctx, "invites")
	s.sink.Discard = true
	ceiling := sendCeiling(b, s.sink.Addr(), n)
	before := s.sink.Count()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	b.ResetTimer()
	begin := time.Now()
	check(b, parallel(n, 32, func() (int, error) { return 0, nil }, func(_, i int) error {
		q := url.Values{"email": {guest(i)}, "name": {"Guest"}, "origin": {"api"}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.app.HTTPAddr.String()+"/event/"+uid+"/invite?"+q.Encode(), nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)) // people, not one client
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusFound {
			return fmt.Errorf("invite: %d", resp.StatusCode)
		}
		return nil
	}))
	requested := time.Since(begin)
	for recorded := 0; recorded < n; time.Sleep(10 * time.Millisecond) {
		check(b, s.app.pool.QueryRow(ctx, `SELECT count(*) FROM p_ledger_v5_g1.mail WHERE kind = 'invite' AND subject = $1 AND told = 1`, uid).Scan(&recorded))
	}
	recorded := time.Since(begin)
	if sent := s.sink.Count() - before; sent != n {
		b.Fatalf("%d mails went out for %d people", sent, n)
	}
	b.ReportMetric(n/requested.Seconds(), "requested/s")
	report(b, n/recorded.Seconds(), ceiling, "invites/s", "send/s")
}

// sendCeiling is what the mail library hands over by itself.
func sendCeiling(b *testing.B, addr string, n int) float64 {
	b.Helper()
	host, port, _ := net.SplitHostPort(addr)
	var number int
	_, _ = fmt.Sscan(port, &number)
	client, err := gomail.NewClient(host, gomail.WithPort(number), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithoutNoop(), gomail.WithoutRset())
	check(b, err)
	begin := time.Now()
	check(b, parallel(n, 8, func() (func(*gomail.Msg) error, error) {
		conn, err := client.DialToSMTPClientWithContext(b.Context())
		return func(m *gomail.Msg) error { return client.SendWithSMTPClient(conn, m) }, err
	}, func(send func(*gomail.Msg) error, i int) error {
		m := gomail.NewMsg()
		_ = m.From("a@example.com")
		_ = m.To(guest(i))
		m.Subject("An invitation")
		m.SetBodyString(gomail.TypeTextPlain, strings.Repeat("text ", 100))
		m.AddAlternativeString(gomail.TypeTextHTML, strings.Repeat("<p>html</p> ", 150))
		m.AddAlternativeString("text/calendar; method=REQUEST", strings.Repeat("BEGIN:VEVENT\r\n", 60))
		return send(m)
	}))
	return float64(n) / time.Since(begin).Seconds()
}
