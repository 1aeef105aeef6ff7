package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/sink"
)

// process is cis as a program of its own.
type process struct {
	t    testing.TB
	env  []string
	cmd  *exec.Cmd
	out  string // file with what it printed
	http string
	smtp string
	data string
}

// newProcess prepares a program with a data folder of its own; run starts it.
func newProcess(t testing.TB, relay string) *process {
	t.Helper()
	dir, err := os.MkdirTemp("", "cis-process")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, http: freeAddr(t), smtp: freeAddr(t), data: filepath.Join(dir, "data"), out: filepath.Join(dir, "out")}
	if err := os.Mkdir(p.data, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end(syscall.SIGTERM)
		if raw, err := os.ReadFile(filepath.Join(p.data, "postgres.path")); err == nil { // the cluster lives elsewhere
			_ = os.RemoveAll(filepath.Dir(strings.TrimSpace(string(raw))))
		}
		_ = os.RemoveAll(dir)
	})
	p.env = append(os.Environ(), "CIS_TEST_AS_CIS=1", "CIS_DATA="+p.data, "CIS_HTTP="+p.http, "CIS_SMTP="+p.smtp,
		"CIS_DOMAIN=cis.localhost", "CIS_MAIL_AUTH=off", "CIS_ADMIN_KEY=key", "CIS_RELAY="+relay, "CIS_TRUSTED_PROXIES=127.0.0.1", "LOG_LEVEL=warn")
	return p
}

// newRelayed prepares a program that hands its mail to a server of ours.
func newRelayed(t testing.TB) (*sink.Sink, *process) {
	t.Helper()
	relay := sink.New()
	if err := relay.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(relay.Close)
	return relay, newProcess(t, "smtp://"+relay.Addr())
}

func freeAddr(t testing.TB) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	return lis.Addr().String()
}

// run starts the server and waits until it is ready.
func (p *process) run(ctx context.Context) {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0], "serve")
	p.cmd.Env = p.env
	if f, err := os.OpenFile(p.out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err == nil {
		defer func() { _ = f.Close() }()
		p.cmd.Stdout, p.cmd.Stderr = f, f
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, ctx, "ready", func() error {
		resp, err := http.Get("http://" + p.http + "/readyz")
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("readyz: %d", resp.StatusCode)
		}
		return nil
	})
}

// end signals the server and waits for it.
func (p *process) end(sig syscall.Signal) time.Duration {
	if p.cmd == nil {
		return 0
	}
	begin := time.Now()
	_ = p.cmd.Process.Signal(sig)
	_ = p.cmd.Wait()
	p.cmd = nil
	return time.Since(begin)
}

// ended opens the log of a process that has ended.
func (p *process) ended(ctx context.Context) *parts {
	p.t.Helper()
	cfg, _, err := readConfig(func(name string) string {
		return map[string]string{"CIS_DATA": p.data, "CIS_DOMAIN": "cis.localhost", "CIS_MAIL_AUTH": "off"}[name]
	})
	if err != nil {
		p.t.Fatal(err)
	}
	log, err := openLog(ctx, cfg, quiet)
	if err != nil {
		p.t.Fatal(err)
	}
	return log
}

// command runs another subcommand over the same data.
func (p *process) command(args ...string) (string, error) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = p.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// stageOf lets a process be used like an instance in this process.
func (p *process) stage(s *sink.Sink) *stage {
	http, _ := net.ResolveTCPAddr("tcp", p.http)
	smtp, _ := net.ResolveTCPAddr("tcp", p.smtp)
	cfg := &Config{Domain: "cis.localhost", Data: p.data}
	return &stage{app: &App{parts: &parts{cfg: cfg}, HTTPAddr: http, SMTPAddr: smtp}, sink: s, key: "key"}
}

// TestKill kills the program again and again while people are invited and answer, and then counts: what was accepted
// has happened, once.
func TestKill(t *testing.T) {
	ctx := within(t, 3*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "kill@google.com")
	if err != nil {
		t.Fatal(err)
	}
	const kills, perRound = 5, 60
	var mu sync.Mutex
	invited, answered := map[string]bool{}, map[string]bool{} // what the server said yes to
	for round := range kills {
		var wg sync.WaitGroup
		for i := range perRound {
			who := fmt.Sprintf("guest%d-%d@example.com", round, i)
			wg.Go(func() {
				if err := s.invite(ctx, uid, who, "Guest"); err != nil {
					return
				}
				mu.Lock()
				invited[who] = true
				mu.Unlock()
				reply := clientmail.GmailReply(clientmail.Reply{UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: who, Name: "Guest", PartStat: "ACCEPTED", Start: time.Now()})
				if s.mail(who, "rsvp@cis.localhost", reply) == nil {
					mu.Lock()
					answered[who] = true
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(100+rand.IntN(900)) * time.Millisecond) // at any moment
		p.end(syscall.SIGKILL)
		wg.Wait()
		p.run(ctx)
	}
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d invitations and %d answers were accepted around %d kills", len(invited), len(answered), kills)
	for who := range invited {
		if _, err := s.calendar(ctx, who, 1); err != nil {
			out, _ := os.ReadFile(p.out)
			t.Fatalf("%s was invited and got nothing: %v\n%s", who, err, out)
		}
	}
	// An answer whose 250 was lost in a kill counts too, so there may be more than we know of, but never twice.
	var stats struct {
		Attendees int
		RSVP      map[string]int
	}
	eventually(t, ctx, "every answer counted", func() error {
		_, body, err := s.get(ctx, "/event/"+uid+"/statistics", "key")
		if err == nil {
			err = json.Unmarshal(body, &stats)
		}
		if err == nil && stats.RSVP["accepted"] < len(answered) {
			err = fmt.Errorf("%d of %d", stats.RSVP["accepted"], len(answered))
		}
		return err
	})
	if d := p.end(syscall.SIGTERM); d > 20*time.Second {
		t.Errorf("SIGTERM took %v", d)
	}
	checkLog(t, ctx, p, uid, relay, stats.Attendees, stats.RSVP["accepted"])
}

// checkLog holds what went out against what the log says.
func checkLog(t *testing.T, ctx context.Context, p *process, uid string, relay *sink.Sink, attendees, accepted int) {
	t.Helper()
	parts := p.ended(ctx)
	defer parts.close()
	list := allFacts(t, ctx, parts.facts)
	if n := count[invitation.InviteRequested](list); n != attendees {
		t.Errorf("%d people were invited, %d are counted", n, attendees)
	}
	if n := count[invitation.RsvpReceived](list); n != accepted {
		t.Errorf("%d answers are in the log, %d are counted", n, accepted)
	}
	sent := map[string]int{}
	for _, rec := range list {
		if f, ok := rec.Fact.(invitation.InviteSent); ok {
			sent[f.AttendeeID]++
			if f.Repeat {
				t.Errorf("%s was sent again although the log knew", f.AttendeeID)
			}
		}
	}
	for id, n := range sent {
		if n != 1 {
			t.Errorf("%s has %d InviteSent", id, n)
		}
	}
	// A mail handed over just before a kill is not in the log and goes out again, with the same Message-ID. That is at
	// most what was in the couriers' hands at the five kills.
	extra := map[string]int{}
	total := 0
	for _, m := range relay.Mails("") {
		id := string(m.Data[bytes.Index(m.Data, []byte("Message-ID: ")):][:80])
		if extra[id]++; extra[id] > 1 {
			total++
		}
	}
	t.Logf("%d mails, %d of them repeats of a hand-over that a kill kept from being recorded", relay.Count(), total)
	if total > 5*12 {
		t.Errorf("%d repeats are more than were under way", total)
	}
}

func TestCommandsBesideAndAlone(t *testing.T) {
	ctx := within(t, 2*time.Minute)
	relay, p := newRelayed(t)
	start := time.Now().AddDate(0, 1, 0)
	file := filepath.Join(t.TempDir(), "request.eml")
	request := clientmail.GoogleRequest(clientmail.Event{UID: "import@google.com", DTStamp: time.Now(), Start: start, End: start.Add(time.Hour), Summary: "Imported", OrganizerName: "Olga", Organizer: "olga@organizer.example", To: "create@cis.localhost"})
	if err := os.WriteFile(file, request, 0o600); err != nil {
		t.Fatal(err)
	}
	alone, err := p.command("mail", "import", file)
	if err != nil {
		t.Fatal(alone, err)
	}
	p.run(ctx)
	if _, err := relay.Wait(ctx, "olga@organizer.example", 1); err != nil {
		t.Fatal("what was imported while nothing ran was not handled at the start:", err)
	}
	beside, err := p.command("mail", "import", file)
	if err != nil || beside != alone {
		t.Errorf("the same file beside a running server: %q, %v; alone it was %q", beside, err, alone)
	}
	out, err := p.command("projections", "status", "--json")
	var status []map[string]any
	if err != nil || json.Unmarshal([]byte(out), &status) != nil || len(status) != 9 {
		t.Errorf("projections status: %v\n%s", err, out)
	}
	if out, err := p.command("serve"); err == nil || !strings.Contains(out, "another cis is running") {
		t.Errorf("a second server: %v %s", err, out)
	}
	if _, body, _ := p.stage(relay).get(ctx, "/system/events", "key"); strings.Count(string(body), `"uid"`) != 1 {
		t.Errorf("events: %s", body)
	}
	if d := p.end(syscall.SIGTERM); d > 20*time.Second {
		t.Errorf("SIGTERM took %v", d)
	}
	if out, err := p.command("projections", "status"); err != nil || !strings.Contains(out, "statistics") {
		t.Errorf("projections status alone: %v\n%s", err, out)
	}
}
