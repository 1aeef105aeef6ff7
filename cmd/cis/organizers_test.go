package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/identity"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/organizer"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/sink"
	"github.com/google/uuid"
)

const olga = "olga@organizer.example"

// read is a mail as its reader sees it: the subject, the text, and the header.
func read(t *testing.T, m sink.Mail) (subject, text string, h mail.Header) {
	t.Helper()
	msg, err := message.Parse(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		t.Fatal(err)
	}
	return msg.Subject, msg.Text, raw.Header
}

// nth waits for the n-th mail to somebody.
func (p *proven) nth(to string, n int) sink.Mail {
	p.t.Helper()
	m, err := p.sink.Wait(p.ctx, to, n)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

func (p *proven) operator(command func(ref organizer.Ref) commands.Command[organizer.State, organizer.Fact]) {
	p.t.Helper()
	ref := organizer.Ref{Tenant: tenant, OrganizerID: p.app.keys.PersonID(tenant, olga)}
	if _, err := p.app.handler.ForOrganizer(p.ctx, commands.From("operator", tenant, uuid.NewString(), 0), command(ref)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *proven) judge(j commands.Judgement) {
	p.t.Helper()
	p.operator(func(ref organizer.Ref) commands.Command[organizer.State, organizer.Fact] {
		return commands.JudgeOrganizer{Organizer: ref, Address: olga, Judgement: j, By: "operator test"}
	})
}

// post posts something.
func (s *stage) post(ctx context.Context, path, body string, header ...string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.app.HTTPAddr.String()+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var buf bytes.Buffer
	_, err = buf.ReadFrom(resp.Body)
	return resp.StatusCode, buf.String(), err
}

// TestDialogue: an organizer reads the confirmation, changes the event, and writes back report, status, undo, help.
func TestDialogue(t *testing.T) {
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

// TestAccounts: quota, subscription by an order, refund, suspension and aliases, all by mail and webhook.
func TestAccounts(t *testing.T) {
	p := startProven(t, map[string]string{"EVENT_LIMIT": "1", "CIS_SHOPIFY_SECRET": "hush"})
	_, uid := p.party("")
	request := func(sourceUID, from string) {
		t.Helper()
		start := time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, 20)
		ev := clientmail.Event{UID: sourceUID, DTStamp: time.Now(), Start: start, End: start.Add(time.Hour), Summary: "Another party", OrganizerName: "Olga", Organizer: from, To: "create@" + p.app.cfg.Domain}
		p.send("organizer.example", from, ev.To, clientmail.GoogleRequest(ev))
	}
	shopify := func(topic, body string) (int, string) {
		t.Helper()
		mac := hmac.New(sha256.New, []byte("hush"))
		mac.Write([]byte(body))
		code, got, err := p.post(p.ctx, "/order", body, "X-Shopify-Topic", topic, "X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		if err != nil {
			t.Fatal(err)
		}
		return code, got
	}
	t.Run("beyond the limit there is a mail, and no event", func(t *testing.T) {
		request("second@google.com", olga)
		subject, text, _ := read(t, p.nth(olga, 2))
		if !strings.Contains(subject, "limit") || !strings.Contains(text, "all the events it may have (1)") {
			t.Errorf("%s\n%s", subject, text)
		}
		if outcomes(p.facts())["refused/event-limit-reached"] != 1 || count[event.EventDenied](p.facts()) != 1 {
			t.Errorf("%v", outcomes(p.facts()))
		}
	})
	order := `{"id":450789469,"email":"buyer@shop.example","order_number":1001,"line_items":[{"id":77,"product_id":632910392,"name":"One year","properties":[{"name":"email","value":"` + olga + `"}]}]}`
	t.Run("an order lifts it, once however often it comes", func(t *testing.T) {
		for range 3 {
			if code, body := shopify("orders/create", order); code != 200 {
				t.Fatal(code, body)
			}
		}
		subject, text, _ := read(t, p.nth(olga, 3))
		if subject != "Your subscription has begun: One year" || !strings.Contains(text, "order 1001") {
			t.Errorf("%s\n%s", subject, text)
		}
		if n := count[organizer.SubscriptionStarted](p.facts()); n != 1 {
			t.Errorf("%d subscriptions", n)
		}
		request("third@google.com", olga)
		if subject, _, _ := read(t, p.nth(olga, 4)); subject != "Your event is ready: Another party" {
			t.Error(subject)
		}
	})
	t.Run("an alias is the organizer", func(t *testing.T) {
		alias := "events@organizer.example"
		_, err := p.app.handler.ForIdentity(p.ctx, commands.From("operator", tenant, uuid.NewString(), 0), commands.LinkAddress{
			Tenant: tenant, AddressID: p.app.keys.PersonID(tenant, alias), Address: alias, OrganizerID: p.app.keys.PersonID(tenant, olga), Role: identity.Alias, By: "operator test",
		})
		if err != nil {
			t.Fatal(err)
		}
		request("alias@google.com", alias)
		if subject, _, _ := read(t, p.nth(olga, 5)); subject != "Your event is ready: Another party" {
			t.Error(subject)
		}
		if n := len(p.sink.Mails(alias)); n != 0 {
			t.Errorf("%d mails to the alias", n)
		}
	})
	t.Run("a refund ends it", func(t *testing.T) {
		if code, body := shopify("refunds/create", `{"id":1,"order_id":450789469,"refund_line_items":[{"line_item_id":77}]}`); code != 200 {
			t.Fatal(code, body)
		}
		if subject, _, _ := read(t, p.nth(olga, 6)); subject != "Your subscription has ended: One year" {
			t.Error(subject)
		}
		request("fourth@google.com", olga)
		if subject, _, _ := read(t, p.nth(olga, 7)); !strings.Contains(subject, "limit") {
			t.Error(subject)
		}
	})
	t.Run("who is suspended can do nothing but cancel; invitations are denied", func(t *testing.T) {
		p.judge(commands.Suspend)
		request("third@google.com", olga) // as it was: nothing to refuse
		time.Sleep(1100 * time.Millisecond)
		if err := p.invite(p.ctx, uid, "ann@gmail.example", "Ann"); err != nil {
			t.Fatal(err)
		}
		if n := count[invitation.InviteDenied](p.facts()); n != 1 {
			t.Errorf("%d denied", n)
		}
		request("fifth@google.com", olga)
		if _, text, _ := read(t, p.nth(olga, 8)); !strings.Contains(text, "suspended") {
			t.Error(text)
		}
		p.judge(commands.Reinstate)
		p.invited(uid, "bob@gmail.example")
	})
	t.Run("the word limit stands in no other subject", func(t *testing.T) {
		n := 0
		for _, m := range p.sink.Mails("") {
			if subject, _, _ := read(t, m); strings.Contains(strings.ToLower(subject), "limit") {
				n++
			}
		}
		if n != 2 {
			t.Errorf("in %d of them", n)
		}
	})
}

// TestUnsubscribe: the link in every mail, the button mail programs show, the address, and what holds from then on.
func TestUnsubscribe(t *testing.T) {
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
		s, err := p.app.handler.Recipient(p.ctx, p.app.keys.PersonID(tenant, who))
		if err != nil {
			t.Fatal(err)
		}
		return s.Refuses(p.app.keys.PersonID(tenant, olga)) != nil
	}
	path, _ := link(ann)
	t.Run("looking changes nothing, a scanner's HEAD neither", func(t *testing.T) {
		code, body, err := p.get(p.ctx, path, "")
		if err != nil || code != 200 || !strings.Contains(string(body), "No more from Olga") || refused(ann) {
			t.Errorf("%d %s %v", code, body, err)
		}
	})
	t.Run("a link that was tampered with is for nobody", func(t *testing.T) {
		if code, _, _ := p.post(p.ctx, path[:len(path)-2]+"aa", "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded"); code != 404 {
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

// TestReminders: attendees are reminded when it is time, but not those who said no; the event is reminded of once.
func TestReminders(t *testing.T) {
	p := startProven(t, nil)
	const yes, no, late = "yes@gmail.example", "no@gmail.example", "late@gmail.example"
	ev, uid := p.party("")
	for who, answer := range map[string]string{yes: "ACCEPTED", no: "DECLINED"} {
		got := p.invited(uid, who)
		p.send("gmail.example", who, got.Event.Organizer.Address, clientmail.GmailReply(p.reply(got, who, answer, time.Second)))
	}
	if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1, "declined": 1}); err != nil {
		t.Fatal(err)
	}
	due := time.Until(ev.Start) - 2*time.Second
	_, err := p.app.handler.ForEvent(p.ctx, commands.From("operator", tenant, "reminders", 0), commands.ChangeReminders{UID: uid, Before: []string{due.String()}, By: "operator test"})
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
	if len(p.sink.Mails(yes)) != 2 || len(p.sink.Mails(no)) != 1 || len(p.sink.Mails(late)) != 1 {
		t.Errorf("yes %d, no %d, late %d", len(p.sink.Mails(yes)), len(p.sink.Mails(no)), len(p.sink.Mails(late)))
	}
}

// TestUpdateWindow: edits in quick succession are told as one, an edit that is taken back not at all.
func TestUpdateWindow(t *testing.T) {
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
