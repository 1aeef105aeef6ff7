package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/clientmail"
)

// TestUnsubscribe: the link in every mail, the button mail programs show, the address, and what holds from then on.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	p := startProven(t, map[string]string{"CIS_PUBLIC_URL": "https://cis.example"})
	const ann, bob, zoe = "ann@gmail.example", "bob@gmail.example", "zoe@gmail.example"
	ev, uid := p.party("")
	link := func(who string) (path, address string) {
		t.Helper()
		_, _, h := read(t, p.nth(who, 1))
		if h.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
			t.Fatalf("no one-click: %v", h)
		}
		url, mailto, _ := strings.Cut(h.Get("List-Unsubscribe"), ",")
		_, path, _ = strings.Cut(strings.Trim(url, "<> "), "https://cis.example")
		return path, strings.TrimPrefix(strings.Trim(mailto, "<> \r\n"), "mailto:")
	}
	for _, who := range []string{ann, bob, zoe} {
		p.invited(uid, who)
	}
	refused := func(who string) bool {
		s, err := p.app.handler.Recipient(p.ctx, p.app.keys.PersonID(tenant.Default, who))
		if err != nil {
			t.Fatal(err)
		}
		return s.Refuses(p.app.keys.PersonID(tenant.Default, olga)) != nil
	}
	path, _ := link(ann)
	t.Run("looking changes nothing, a scanner's HEAD neither", func(t *testing.T) {
		code, body, err := p.get(p.ctx, path, "")
		if err != nil || code != 200 || !strings.Contains(string(body), "No more from Olga") || refused(ann) {
			t.Errorf("%d %s %v", code, body, err)
		}
	})
	t.Run("a link that was tampered with is for nobody", func(t *testing.T) {
		at, other := len(path)-10, "a" // not at the end, whose letters do not use all their bits
		if path[at:at+1] == other {
			other = "b"
		}
		if code, _, _ := p.post(p.ctx, path[:at]+other+path[at+1:], "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded"); code != 404 {
			t.Error(code)
		}
		if code, _, _ := p.post(p.ctx, path, "do=nonsense", "Content-Type", "application/x-www-form-urlencoded"); code != 400 || refused(ann) {
			t.Error(code)
		}
	})
	t.Run("one click is enough", func(t *testing.T) {
		code, body, err := p.post(p.ctx, path, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded")
		if err != nil || code != 200 || !refused(ann) {
			t.Errorf("%d %s %v", code, body, err)
		}
	})
	t.Run("a block is for one organizer, and can be taken back", func(t *testing.T) {
		path, _ := link(bob)
		for do, want := range map[string]bool{"organizer": true} {
			if code, body, _ := p.post(p.ctx, path, "do="+do, "Content-Type", "application/x-www-form-urlencoded"); code != 200 || refused(bob) != want || !strings.Contains(body, "hear from Olga again") {
				t.Errorf("%s: %d %s", do, code, body)
			}
		}
		if code, _, _ := p.post(p.ctx, path, "do=organizer-again", "Content-Type", "application/x-www-form-urlencoded"); code != 200 || refused(bob) {
			t.Error(code)
		}
		if code, _, _ := p.post(p.ctx, path, "do=organizer", "Content-Type", "application/x-www-form-urlencoded"); code != 200 || !refused(bob) {
			t.Error(code)
		}
	})
	t.Run("mail to the address does it too, and to unsubscribe@ if it is proven", func(t *testing.T) {
		_, addr := link(zoe)
		if len(addr[:strings.IndexByte(addr, '@')]) > 64 {
			t.Errorf("%s has a local part that is too long", addr)
		}
		p.send("", zoe, addr, clientmail.Text(zoe, addr, "unsubscribe", ""))
		p.send("gmail.example", "max@gmail.example", "unsubscribe@"+p.app.cfg.Domain, clientmail.Text("max@gmail.example", "unsubscribe@x", "unsubscribe", ""))
		p.send("", "victim@gmail.example", "unsubscribe@"+p.app.cfg.Domain, clientmail.Text("victim@gmail.example", "unsubscribe@x", "unsubscribe", ""))
		eventually(t, p.ctx, "zoe and max", func() error {
			if !refused(zoe) || !refused("max@gmail.example") {
				return fmt.Errorf("not yet")
			}
			return nil
		})
		p.settled(4)
		if refused("victim@gmail.example") {
			t.Error("a forged mail unsubscribed somebody")
		}
	})
	t.Run("they hear of no change, and are not invited again", func(t *testing.T) {
		p.invited(uid, "eva@gmail.example")
		ev.Sequence, ev.DTStamp, ev.Start, ev.End = 1, time.Now().Add(time.Minute), ev.Start.Add(time.Hour), ev.End.Add(time.Hour)
		p.send("organizer.example", olga, ev.To, clientmail.GoogleRequest(ev))
		p.nth("eva@gmail.example", 2)
		_, second := p.party("")
		for _, who := range []string{ann, bob, zoe} {
			if err := p.invite(p.ctx, second, who, "X"); err != nil {
				t.Fatal(err)
			}
		}
		p.invited(second, "ida@gmail.example")
		for _, who := range []string{ann, bob, zoe} {
			if n := len(p.sink.Mails(who)); n != 1 {
				t.Errorf("%s got %d mails", who, n)
			}
		}
		reasons := map[string]int{}
		for _, rec := range p.facts() {
			if f, ok := rec.Fact.(invitation.InviteDenied); ok {
				reasons[f.Reason]++
			}
		}
		if reasons["unsubscribed"] != 2 || reasons["organizer-blocked"] != 1 {
			t.Errorf("%v", reasons)
		}
	})
	t.Run("a complaint suppresses", func(t *testing.T) {
		m := p.nth("ida@gmail.example", 1)
		arf := "From: fbl@provider.example\r\nTo: abuse@x\r\nSubject: complaint\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=r\r\n\r\n" +
			"--r\r\nContent-Type: text/plain\r\n\r\nspam\r\n--r\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x\r\nOriginal-Mail-From: <" + m.From + ">\r\n\r\n--r--\r\n"
		p.send("", "fbl@provider.example", "abuse@"+p.app.cfg.Domain, []byte(arf))
		eventually(t, p.ctx, "suppressed", func() error {
			if !refused("ida@gmail.example") {
				return fmt.Errorf("not yet")
			}
			return nil
		})
	})
}
