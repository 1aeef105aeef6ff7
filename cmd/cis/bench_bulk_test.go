package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/sink"
	"github.com/emersion/go-smtp"
)

// BenchmarkBulk: one mail with a table of 100,000 people, worked off and sent by the program that ships, each person with
// an individual calendar mail and a durable record. One in twenty is refused by the relay for good. "killed" ends the
// program with SIGKILL in the middle and lets the relay be away for a while. Ceiling: the mail library by itself.
func BenchmarkBulk(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchBulk(b, 100_000, false) })
	b.Run("killed", func(b *testing.B) { benchBulk(b, 100_000, true) })
	b.Run("small", func(b *testing.B) { benchBulk(b, 10_000, false) }) // its peak of memory is what the others' is held against
}

func benchBulk(b *testing.B, people int, killed bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	relay := sink.New()
	check(b, relay.Listen("127.0.0.1:0"))
	defer func() { relay.Close() }()
	p := newProcess(b, "smtp://"+relay.Addr())
	p.env = append(p.env, "EVENT_INVITE_LIMIT=0", "CIS_TRUSTED_PROXIES=127.0.0.1")
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, olga, "bench-bulk@google.com")
	check(b, err)
	out, err := p.command("organizers", "allow-bulk", olga)
	if err != nil {
		b.Fatal(out, err)
	}
	relay.Discard = true
	ceiling := sendCeiling(b, relay.Addr(), 20_000)
	var mu sync.Mutex
	asked, waits := map[string]time.Time{}, []time.Duration{} // of people who wait for an invitation beside all that
	relay.Refuse = func(rcpt string) error {
		var n int
		mu.Lock()
		if at, ok := asked[rcpt]; ok {
			waits = append(waits, time.Since(at))
			delete(asked, rcpt)
		}
		mu.Unlock()
		if _, err := fmt.Sscanf(rcpt, "guest%d@", &n); err == nil && n%20 == 7 {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
	var rows bytes.Buffer
	rows.WriteString("uid,email,name\r\n")
	for i := range people {
		fmt.Fprintf(&rows, "%s,guest%d@example.com,Guest %d\r\n", uid, i, i)
	}
	idle := memory(b, p)
	before := relay.Count()
	b.ResetTimer()
	begin := time.Now()
	check(b, s.mail(olga, "bulk@cis.localhost", clientmail.Table(olga, "bulk@cis.localhost", rows.Bytes())))
	var peak int64
	kills, singles := 0, 0
	var workedOff time.Duration
	for {
		peak = max(peak, memory(b, p))
		var status []bulkLine
		out, err := p.command("bulk", "status", "--json")
		if err == nil && json.Unmarshal([]byte(out), &status) == nil && len(status) == 1 {
			l := status[0]
			if l.Finished != nil && workedOff == 0 {
				workedOff = time.Since(begin)
			}
			if l.Finished != nil && l.Owed == 0 {
				break
			}
			if killed && kills < 2 && (kills == 0 && l.Done > people/3 || kills == 1 && l.Sent > int64(people)/2) {
				kills++
				p.end(syscall.SIGKILL)
				if kills == 2 {
					relay.Close() // and the mail server is away for a while
				}
				p.run(ctx)
				if kills == 2 {
					time.Sleep(5 * time.Second)
					check(b, relay.Listen(relay.Addr()))
				}
			}
		}
		for range 4 {
			who := fmt.Sprintf("single%d@example.com", singles)
			mu.Lock()
			asked[who] = time.Now()
			mu.Unlock()
			check(b, s.inviteFrom(ctx, uid, who, "Single", fmt.Sprintf("10.0.%d.%d", singles>>8, singles&255)))
			singles++
			time.Sleep(200 * time.Millisecond)
		}
	}
	took := time.Since(begin)
	p.end(syscall.SIGTERM)
	n := countStored(b, ctx, p)
	b.ReportMetric(float64(people)/workedOff.Seconds(), "rows/s")
	b.ReportMetric(float64(idle)/1024, "idle-MiB")
	b.ReportMetric(float64(peak)/1024, "peak-MiB")
	report(b, float64(people)/took.Seconds(), ceiling, "mails/s", "send/s")
	repeats := relay.Count() - before - int64(people-people/20) - int64(singles) - 1
	b.Logf("%d people in %v (%d kills): %d InviteRequested, %d InviteSent, %d DeliveryFailed, %d repeated with the same Message-ID",
		people, took.Round(time.Millisecond), kills, n["InviteRequested"], n["InviteSent"], n["DeliveryFailed"], repeats)
	mu.Lock()
	slices.Sort(waits)
	b.Logf("%d single invitations meanwhile: from the click to the mail server p50 %v, p99 %v", len(waits), waits[len(waits)/2].Round(time.Millisecond), waits[len(waits)*99/100].Round(time.Millisecond))
	mu.Unlock()
	if n["InviteRequested"] != people+singles || n["DeliveryFailed"] != people/20 || n["InviteSent"] < people-people/20 {
		b.Errorf("in the log: %v", n)
	}
}

// memory is how much of the machine's memory the program has held at most so far, in KiB.
func memory(b *testing.B, p *process) int64 {
	b.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	check(b, err)
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	var n int64
	_, _ = fmt.Sscan(rest, &n)
	return n
}
