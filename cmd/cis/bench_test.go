package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
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
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/internal/recur"
	"github.com/calendar-invite-server/cis/internal/sink"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/calendar-invite-server/cis/projections/statistics"
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
		check(b, s.app.pool.QueryRow(ctx, `SELECT count(*) FROM p_ledger_v4_g1.mail WHERE kind = 'invite' AND subject = $1 AND told = 1`, uid).Scan(&recorded))
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

// BenchmarkRebuild: a million facts, with sealed names and addresses, into fresh generations that take over. First of each
// of the large read models, then of all of them from one reading of the log, then the same while 200 answers a second come
// in and are read. Ceiling: the same log read and thrown away, in silence; live-read is the same beside the answers.
func BenchmarkRebuild(b *testing.B) {
	const people = 333_000 // three facts each, and some
	s := benchStage(b)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	uid := benchEvent(b, s, ctx, "rebuild")
	ev, err := s.app.handler.Event(ctx, uid)
	check(b, err)
	const perAppend = 100
	check(b, parallel(people/perAppend, 16, func() (int, error) { return 0, nil }, func(_, chunk int) error {
		var list []schema.Fact
		var ids []string
		for i := range perAppend {
			person := fmt.Sprintf("%032d", chunk*perAppend+i)
			ids = append(ids, person)
			list = append(list, invited(uid, ev.OrganizerID, person, i)...)
			list = append(list, accepted(uid, ev.OrganizerID, person))
		}
		if err := s.app.facts.Vault().Prepare(ctx, ids...); err != nil {
			return err
		}
		stream := invitation.Stream(uid, fmt.Sprintf("chunk%d", chunk))
		_, err := s.app.facts.Append(ctx, stream, eventstore.NoStream, commands.From("bench", tenant.Default, uuid.NewString(), 0), list...)
		return err
	}))
	check(b, s.counted(ctx, uid, map[string]int64{"accepted": people}))
	facts := float64(3 * people)
	begin := time.Now()
	check(b, readPlainly(ctx, s, 3*people))
	ceiling := facts / time.Since(begin).Seconds()
	b.ResetTimer()
	keeper := s.app.runner.Keeper()
	rebuild := func(what string, names ...string) {
		begin := time.Now()
		check(b, keeper.Rebuild(ctx, names, false, func(projector.JobProgress) {}))
		figure := facts / time.Since(begin).Seconds()
		b.ReportMetric(figure, what+"/s")
		b.ReportMetric(figure/ceiling, what+"-ratio")
	}
	models := []string{"events", "attendees", "statistics", "organizers", "access"}
	rebuild("statistics", "statistics")
	rebuild("attendees", "attendees")
	rebuild("together", models...)

	live := startTraffic(b, ctx, s, uid, ev.OrganizerID, 200)
	begin = time.Now()
	check(b, readPlainly(ctx, s, 3*people))
	b.ReportMetric(facts/time.Since(begin).Seconds(), "live-read/s")
	rebuild("live-attendees", "attendees")
	rebuild("live-together", models...)
	answers, rate, slowest := live()
	b.ReportMetric(rate, "live-answers/s")
	b.ReportMetric(float64(slowest.Milliseconds()), "live-slowest-read-ms")
	b.ReportMetric(ceiling, "read/s")
	b.ReportMetric(0, "ns/op")
	check(b, s.counted(ctx, uid, map[string]int64{"accepted": people + int64(answers)}))
	reports, err := keeper.Verify(ctx, models, func(projector.JobProgress) {})
	check(b, err)
	for _, r := range reports {
		if r.Differences > 0 {
			b.Errorf("%s: %+v", r.Name, r)
		}
	}
}

func accepted(uid, organizer, person string) schema.Fact {
	return invitation.RsvpReceived{
		Ref: invitation.Ref{Tenant: tenant.Default, EventUID: uid, AttendeeID: person}, OrganizerID: organizer,
		Status: invitation.Accepted, Previous: invitation.NoAction, ProdID: "bench", Reply: event.Revision{DTStamp: time.Now()},
	}
}

// startTraffic has people accept whom nobody invited, at a rate, and reads the event's statistics all the while. The
// returned function ends it and says how many there were, at what rate, and how long the slowest read took.
func startTraffic(b *testing.B, ctx context.Context, s *stage, uid, organizer string, perSecond int) func() (int, float64, time.Duration) {
	b.Helper()
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	var answers atomic.Int64
	slowest := time.Duration(0)
	begin := time.Now()
	const workers = 8 // so that a slow append does not lower the rate
	for w := range workers {
		g.Go(func() error {
			for i := w; ; i += workers {
				select {
				case <-time.After(time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(perSecond)))):
				case <-ctx.Done():
					return nil
				}
				person := fmt.Sprintf("live%028d", i)
				f, _ := accepted(uid, organizer, person).(invitation.RsvpReceived)
				f.Previous, f.Origin, f.Address = "", invitation.Shared, guest(i)
				if _, err := s.app.facts.Append(context.WithoutCancel(ctx), invitation.Stream(uid, person), eventstore.NoStream, commands.From("bench", tenant.Default, uuid.NewString(), 0), f); err != nil {
					return err
				}
				answers.Add(1)
			}
		})
	}
	g.Go(func() error {
		reader := statistics.NewReader(s.app.pool)
		for ctx.Err() == nil {
			begin := time.Now()
			if _, err := reader.Event(context.WithoutCancel(ctx), tenant.Default, uid); err != nil {
				return err
			}
			slowest = max(slowest, time.Since(begin))
			time.Sleep(5 * time.Millisecond)
		}
		return nil
	})
	return func() (int, float64, time.Duration) {
		cancel()
		check(b, g.Wait())
		return int(answers.Load()), float64(answers.Load()) / time.Since(begin).Seconds(), slowest
	}
}

func readPlainly(ctx context.Context, s *stage, n int) error {
	sub := s.app.store.NewSubscriber(eventstore.SubscriberOptions{
		StreamPrefixes: []string{invitation.StreamPrefix}, PageSize: 10_000, Checkpoint: func(context.Context) (uint64, error) { return 0, nil },
	})
	defer func() { _ = sub.Close() }()
	messages, err := sub.Subscribe(ctx, "plain")
	if err != nil {
		return err
	}
	for seen := 0; seen < n; {
		msg := <-messages
		seen += len(eventstore.PageOf(msg).Records)
		msg.Ack()
	}
	return nil
}

// BenchmarkReads: GET statistics and attendees of an event with 100,000 of them. Ceiling: bare handlers that run the same
// tenant-guarded batch in the same process and write what they read.
func BenchmarkReads(b *testing.B) {
	const n = 60_000
	s := benchStage(b)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	large, small := benchEvent(b, s, ctx, "large"), benchEvent(b, s, ctx, "small")
	check(b, seedInvites(ctx, s, large, 100_000))
	check(b, seedInvites(ctx, s, small, 10))
	bare, server := bareServer(b, s), "http://"+s.app.HTTPAddr.String()
	b.ResetTimer()
	for _, c := range []struct {
		name, path string
		n          int
	}{{"statistics", "/statistics", n}, {"attendees", "/attendees", n / 6}} {
		// In turns, so that both see the same machine; the first of each warms up.
		var best, ceiling float64
		var p99 time.Duration
		for range 3 {
			c1, _ := hammer(b, ctx, c.n, bare+c.path+"/"+large, "")
			r1, p := hammer(b, ctx, c.n, server+"/event/"+large+c.path, s.key)
			if r1 > best {
				best, p99 = r1, p
			}
			ceiling = max(ceiling, c1)
		}
		few, _ := hammer(b, ctx, c.n, server+"/event/"+small+c.path, s.key)
		b.ReportMetric(best, c.name+"/s")
		b.ReportMetric(best/ceiling, c.name+"-ratio")
		b.ReportMetric(float64(p99.Microseconds())/1000, c.name+"-p99-ms")
		b.ReportMetric(best/few, c.name+"-large/small")
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
	b.ReportMetric(0, "ns/op")
}

// bareServer answers with what the same queries find, behind the same wall, and with nothing else around them.
func bareServer(b *testing.B, s *stage) string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	counters, people := projector.NewServing(s.app.pool, statistics.Projection()), projector.NewServing(s.app.pool, attendees.Projection(nil))
	answer := func(f func(r *http.Request, uid string) (any, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r, path.Base(r.URL.Path))
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(v)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /statistics/{uid}", answer(func(r *http.Request, uid string) (any, error) {
		return projector.Collect[struct {
			Facet, Value string
			N            int64
		}](r.Context(), counters, tenant.Default, `SELECT facet, value, n FROM @.counter WHERE tenant = $1 AND scope = $2 AND subject = $3`, tenant.Default, "event", uid)
	}))
	mux.Handle("GET /attendees/{uid}", answer(func(r *http.Request, uid string) (any, error) {
		return projector.Collect[attendees.Attendee](r.Context(), people, tenant.Default, attendees.Selected+`ORDER BY a.position LIMIT $4`, tenant.Default, uid, "", 100)
	}))
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: mux}
	go func() { _ = server.Serve(lis) }()
	b.Cleanup(func() { _ = server.Close() })
	return "http://" + lis.Addr().String()
}

// BenchmarkLive: 500 clients listen while answers come in by mail. The figure is from handing the mail over to reading
// the message.
func BenchmarkLive(b *testing.B) {
	const clients, answers = 500, 200
	s := benchStage(b)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	uid := benchEvent(b, s, ctx, "live")
	check(b, seedInvites(ctx, s, uid, answers))
	ev, err := s.app.handler.FreshEvent(ctx, uid)
	check(b, err)
	before := heap()
	streams := make([]*stream, clients)
	for i := range streams {
		streams[i] = s.live(b, ctx, s.key, "?event="+uid+"&types=rsvp.received", "")
	}
	each := (heap() - before) / clients
	b.ResetTimer()
	var took []time.Duration
	for i := range answers {
		who := guest(i)
		reply := clientmail.GmailReply(clientmail.Reply{UID: uid, Attendee: who, Organizer: ev.ReplyTo, PartStat: "ACCEPTED", DTStamp: time.Now(), Start: ev.Content.Start.UTC})
		begin := time.Now()
		check(b, s.mail(who, ev.ReplyTo, reply))
		for _, st := range streams {
			if e := st.next(b, ctx); !strings.Contains(e.data, who) {
				b.Fatalf("%s", e.data)
			}
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(each)/1024, "KiB/client")
	b.ReportMetric(0, "ns/op")
}

// heap is what is in use, after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// hammer asks n times over 16 connections and returns requests per second and the 99th percentile.
func hammer(b *testing.B, ctx context.Context, n int, target, key string) (float64, time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var all []time.Duration
	u, err := url.Parse(target)
	check(b, err)
	request := []byte("GET " + u.Path + " HTTP/1.1\r\nHost: bench\r\nX-Api-Key: " + key + "\r\n\r\n")
	type conn struct {
		net.Conn
		r *bufio.Reader
	}
	begin := time.Now()
	check(b, parallel(16, 16, func() (conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		return conn{c, bufio.NewReader(c)}, err
	}, func(c conn, _ int) error {
		defer func() { _ = c.Close() }()
		took := make([]time.Duration, 0, n/16)
		for range n / 16 {
			t := time.Now()
			if _, err := c.Write(request); err != nil {
				return err
			}
			resp, err := http.ReadResponse(c.r, nil)
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %d", target, resp.StatusCode)
			}
			took = append(took, time.Since(t))
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, took...)
		return nil
	}))
	rate := float64(len(all)) / time.Since(begin).Seconds()
	slices.Sort(all)
	return rate, all[len(all)*99/100]
}
