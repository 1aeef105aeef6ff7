package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/mailsign"
)

// proven is a stage where senders must be proven, with a DNS of its own.
type proven struct {
	*stage
	t       *testing.T
	ctx     context.Context
	world   *mailsign.World
	signers map[string]*dkimsign.Signer
}

func startProven(t *testing.T, change map[string]string) *proven {
	t.Helper()
	p := &proven{t: t, ctx: within(t, 5*time.Minute), world: mailsign.New(), signers: map[string]*dkimsign.Signer{}}
	for domain, kind := range map[string]string{"organizer.example": "rsa", "gmail.example": "ed25519", "evil.example": "rsa"} {
		s, err := p.world.Domain(domain, kind)
		if err != nil {
			t.Fatal(err)
		}
		p.signers[domain] = s
	}
	dns, stop, err := p.world.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	env := map[string]string{"CIS_MAIL_AUTH": "enforce", "CIS_DNS": dns}
	for k, v := range change {
		env[k] = v
	}
	p.stage = startStage(t, env)
	return p
}

// send mails something, signed by a domain if one is given.
func (p *proven) send(domain, from, to string, data []byte) {
	p.t.Helper()
	if domain != "" {
		var err error
		if data, err = p.signers[domain].Sign(data); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := p.mail(from, to, data); err != nil {
		p.t.Fatal(err)
	}
}

func (p *proven) facts() []facts.Recorded { return allFacts(p.t, p.ctx, p.app.facts) }

// settled waits until no mail is left to be looked at, and counts those held.
func (p *proven) settled(mails int) {
	p.t.Helper()
	eventually(p.t, p.ctx, fmt.Sprintf("%d mails", mails), func() error {
		list := p.facts()
		if n := count[mail.MailHandled](list) + count[mail.MailHeld](list); n < mails {
			return fmt.Errorf("%d are done: %v, %d held", n, outcomes(list), count[mail.MailHeld](list))
		}
		return nil
	})
}

// changes counts facts about events and invitations.
func (p *proven) changes() (n int) {
	for _, rec := range p.facts() {
		if strings.HasPrefix(rec.Stream, "event-") || strings.HasPrefix(rec.Stream, "invitation-") {
			n++
		}
	}
	return n
}

// party is an event of Olga's that exists, and its UID.
func (p *proven) party(extra string) (clientmail.Event, string) {
	p.t.Helper()
	const olga = "olga@organizer.example"
	start := time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, 14)
	ev := clientmail.Event{
		UID: fmt.Sprintf("party-%d@google.com", time.Now().UnixNano()), DTStamp: time.Now(), Start: start, End: start.Add(time.Hour), Summary: "Party",
		OrganizerName: "Olga", Organizer: olga, To: "create@" + p.app.cfg.Domain, Extra: extra, Zone: "Europe/Berlin",
	}
	before := len(p.sink.Mails(olga))
	p.send("organizer.example", olga, ev.To, clientmail.GoogleRequest(ev))
	confirmation, err := p.sink.Wait(p.ctx, olga, before+1)
	if err != nil {
		p.t.Fatal(err)
	}
	return ev, findUID(string(confirmation.Data))
}

func (p *proven) invited(uid, who string) received {
	p.t.Helper()
	if err := p.invite(p.ctx, uid, who, "Ann"); err != nil {
		p.t.Fatal(err)
	}
	got, err := p.calendar(p.ctx, who, 1)
	if err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, p.ctx, "the record of the mail", func() error {
		inv, err := p.app.handler.Invitation(p.ctx, uid, p.app.keys.PersonID(tenant.Default, who))
		if err == nil && inv.State.Told == 0 {
			err = fmt.Errorf("not yet")
		}
		return err
	})
	return got
}

func (p *proven) reply(got received, who, partstat string, after time.Duration) clientmail.Reply {
	return clientmail.Reply{
		UID: got.Event.UID, Sequence: got.Event.Sequence, DTStamp: time.Now().Add(after), Organizer: got.Event.Organizer.Address, Attendee: who, Name: "Ann",
		PartStat: partstat, Start: got.Event.Start.UTC,
	}
}

// TestSpoofed: forged mails of organizers and attendees change nothing and are held; real ones count.
func TestSpoofed(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	const olga, ann, eve = "olga@organizer.example", "ann@gmail.example", "eve@evil.example"
	ev, uid := p.party("")
	invitation1 := p.invited(uid, ann)
	rsvp := invitation1.Event.Organizer.Address
	before := p.changes()

	moved := ev
	moved.Sequence, moved.DTStamp, moved.Start, moved.End = 1, time.Now().Add(time.Minute), ev.Start.Add(time.Hour), ev.End.Add(time.Hour)
	genuine, err := p.signers["organizer.example"].Sign(clientmail.GoogleRequest(ev))
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(genuine), "SUMMARY:Party", "SUMMARY:Wake", 1)
	no := clientmail.GmailReply(p.reply(invitation1, ann, "DECLINED", time.Minute))
	signedNo, err := p.signers["gmail.example"].Sign(no)
	if err != nil {
		t.Fatal(err)
	}
	forAnn := p.reply(invitation1, ann, "DECLINED", time.Minute)
	forAnn.From = eve
	bySentBy := forAnn
	bySentBy.Params = `;SENT-BY="mailto:` + eve + `"`
	mails := []struct {
		what, signer, from, to string
		data                   []byte
	}{
		{"an unsigned change", "", olga, ev.To, clientmail.GoogleRequest(moved)},
		{"a change signed by another domain", "evil.example", olga, ev.To, clientmail.GoogleRequest(moved)},
		{"a signed mail with another body", "", olga, ev.To, []byte(broken)},
		{"an unsigned cancellation", "", olga, ev.To, clientmail.GoogleCancel(moved)},
		{"an unsigned answer", "", ann, rsvp, no},
		{"an answer signed by another domain", "evil.example", ann, rsvp, clientmail.GmailReply(p.reply(invitation1, ann, "DECLINED", time.Minute))},
		{"a signed answer with another body", "", ann, rsvp, []byte(strings.Replace(string(signedNo), "Ann has answered", "Ann has not answered", 1))},
		{"somebody else's proven answer for Ann", "evil.example", eve, rsvp, clientmail.GmailReply(forAnn)},
		{"somebody else's in her name", "evil.example", eve, rsvp, clientmail.GmailReply(bySentBy)},
	}
	for _, m := range mails {
		p.send(m.signer, m.from, m.to, m.data)
	}
	p.settled(1 + len(mails))
	list := p.facts()
	if n := count[mail.MailHeld](list); n != len(mails) {
		t.Errorf("%d mails are held, want %d: %v", n, len(mails), outcomes(list))
	}
	if got := p.changes(); got != before {
		t.Errorf("forged mails led to %d facts", got-before)
	}
	if n := len(p.sink.Mails(olga)) + len(p.sink.Mails(ann)) + len(p.sink.Mails(eve)); n != 2 {
		t.Errorf("%d mails went out, want the two from before", n)
	}

	t.Run("a stranger's own event is theirs alone", func(t *testing.T) {
		mine := moved
		mine.Organizer, mine.OrganizerName = eve, "Eve"
		p.send("evil.example", eve, ev.To, clientmail.GoogleCancel(mine)) // the same UID, another creator
		p.settled(2 + len(mails))
		if s, err := p.app.handler.FreshEvent(p.ctx, uid); err != nil || s.Cancelled() {
			t.Errorf("got %+v, %v", s, err)
		}
	})
	t.Run("the real ones count, and say how that is known", func(t *testing.T) {
		p.send("gmail.example", ann, rsvp, clientmail.GmailReply(p.reply(invitation1, ann, "ACCEPTED", 2*time.Minute)))
		if err := p.counted(p.ctx, uid, map[string]int64{"accepted": 1}); err != nil {
			t.Fatal(err)
		}
		for _, rec := range p.facts() {
			if f, ok := rec.Fact.(invitation.RsvpReceived); ok && f.Proof != "dkim gmail.example" {
				t.Errorf("got %+v", f)
			}
			if f, ok := rec.Fact.(mail.MailAuthenticated); ok && f.Verdict == mail.VerdictPass && len(f.Records) == 0 {
				t.Errorf("no evidence: %+v", f)
			}
		}
	})
	t.Run("held mail is listed, released and dropped", func(t *testing.T) {
		held, err := inbox.ListHeld(p.ctx, p.app.pool, tenant.Default, 100)
		if err != nil || len(held) != len(mails) {
			t.Fatalf("%d are listed, %v", len(held), err)
		}
		judge := func(id string, release bool) {
			t.Helper()
			_, err := p.app.handler.ForMail(p.ctx, commands.From("test", tenant.Default, id, 0), commands.JudgeMail{Tenant: tenant.Default, MailID: id, Release: release, By: "test"})
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, h := range held {
			judge(h.MailID, i == 0) // the unsigned change
		}
		update, err := p.calendar(p.ctx, ann, 2)
		if err != nil || !update.Event.Start.UTC.Equal(moved.Start) {
			t.Errorf("the released change: %+v, %v", update.Event, err)
		}
		eventually(t, p.ctx, "an empty list", func() error {
			held, err := inbox.ListHeld(p.ctx, p.app.pool, tenant.Default, 100)
			if err == nil && len(held) > 0 {
				err = fmt.Errorf("%d are left", len(held))
			}
			return err
		})
	})
}

// TestSenderLater: while the DNS does not answer a mail waits; it is neither believed nor refused.
func TestSenderLater(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	p.world.Down("organizer.example", true)
	ev := clientmail.Event{
		UID: "later@google.com", DTStamp: time.Now(), Start: time.Now().Add(time.Hour), End: time.Now().Add(2 * time.Hour), Summary: "Later",
		OrganizerName: "Olga", Organizer: "olga@organizer.example", To: "create@" + p.app.cfg.Domain,
	}
	p.send("organizer.example", ev.Organizer, ev.To, clientmail.GoogleRequest(ev))
	eventually(t, p.ctx, "a first attempt", func() error {
		var attempts int
		tables := "p_inbox_v3_g1"
		err := p.app.pool.QueryRow(p.ctx, "SELECT coalesce(max(attempts), 0) FROM "+tables+".todo WHERE due > now()").Scan(&attempts)
		if err == nil && attempts == 0 {
			err = fmt.Errorf("not tried yet")
		}
		return err
	})
	if list := p.facts(); count[mail.MailHandled](list)+count[mail.MailHeld](list) != 0 {
		t.Errorf("it was decided without the DNS: %v", outcomes(list))
	}
	p.world.Down("organizer.example", false)
	if _, err := p.sink.Wait(p.ctx, ev.Organizer, 1); err != nil {
		t.Fatal(err)
	}
}

// TestAnswersToSenders: a proven sender hears why a mail could not be used, others hear nothing; text answers go on to
// the organizer, vacation mail to nobody, and what comes back is not answered.
func TestAnswersToSenders(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	const olga, ann = "olga@organizer.example", "ann@gmail.example"
	_, uid := p.party("")
	got := p.invited(uid, ann)
	rsvp := got.Event.Organizer.Address
	garbage := []byte("From: Olga <" + olga + ">\r\nTo: x\r\nSubject: My event\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:POLLSTATUS\r\nBEGIN:VEVENT\r\nUID:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	create := "create@" + p.app.cfg.Domain
	p.send("", olga, create, garbage)
	p.send("organizer.example", olga, create, append([]byte("X-Other: 1\r\n"), garbage...))
	p.settled(3)
	answer, err := p.sink.Wait(p.ctx, olga, 2)
	if err != nil || !strings.Contains(string(answer.Data), "could not be used: My event") {
		t.Fatalf("%s, %v", answer.Data, err)
	}
	text := func(extra string) []byte {
		return []byte(extra + "From: Ann <" + ann + ">\r\nTo: " + rsvp + "\r\nSubject: Re: Party\r\nMessage-ID: <" + fmt.Sprint(len(extra)) + "@x>\r\n\r\nI come later.\r\n")
	}
	p.send("gmail.example", ann, rsvp, text("")) // 4
	forwarded, err := p.sink.Wait(p.ctx, olga, 3)
	if err != nil || !strings.Contains(string(forwarded.Data), "Fwd: Re: Party") || !strings.Contains(string(forwarded.Data), "Reply-To: \"Ann\" <"+ann+">") {
		t.Fatalf("%s, %v", forwarded.Data, err)
	}
	p.send("gmail.example", ann, rsvp, text("Auto-Submitted: auto-replied\r\n"))           // 5: on holiday
	p.send("", ann, rsvp, text("X-Unsigned: yes\r\n"))                                     // 6: held
	p.send("organizer.example", olga, create, forwarded.Data)                              // 7: our own, come back
	p.send("gmail.example", ann, "rsvp+nobody@"+p.app.cfg.Domain, text("X-Lost: yes\r\n")) // 8
	p.settled(8)
	outcome := outcomes(p.facts())
	for _, want := range []string{"forwarded", "ignored/automatic-answer", "ignored/organizer-unknown"} {
		if outcome[want] != 1 {
			t.Errorf("no %s in %v", want, outcome)
		}
	}
	if n := count[mail.MailHeld](p.facts()); n != 1 {
		t.Errorf("%d are held", n)
	}
	if n := p.sink.Count(); n != 4 { // confirmation, invitation, refusal, forward
		t.Errorf("%d mails went out, 4 were due", n)
	}
}

// TestBounce: a delivery report through the envelope sender marks the attendee; their address gets nothing more.
func TestBounce(t *testing.T) {
	t.Parallel()
	p := startProven(t, nil)
	const ann, bob = "ann@gmail.example", "bob@gmail.example"
	_, uid := p.party("")
	_, second := p.party("")
	p.invited(uid, ann)
	p.invited(uid, bob)
	back := func(who string) string {
		return p.sink.Mails(who)[0].From
	}
	report := func(action, status string) []byte {
		return []byte(strings.ReplaceAll(`From: MAILER-DAEMON@mx.example
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ann@gmail.example
Action: `+action+`
Status: `+status+`
Diagnostic-Code: smtp; 550 5.1.1 no such user

--b
Content-Type: text/calendar; method=REQUEST

BEGIN:VCALENDAR
END:VCALENDAR
--b--
`, "\n", "\r\n"))
	}
	p.send("", "", back(ann), report("delayed", "4.4.1"))
	p.send("", "", back(bob), report("failed", "5.2.2")) // mailbox full: this mail is lost, the address works
	p.send("", "", back(ann), report("failed", "5.1.1"))
	p.send("", "", "bounce+"+strings.Repeat("a", 53)+"@"+p.app.cfg.Domain, report("failed", "5.1.1"))
	p.settled(6)
	outcome := outcomes(p.facts())
	if outcome["ignored/report"] != 1 || outcome["ignored/bounce-unknown"] != 1 || count[invitation.Bounced](p.facts()) != 2 {
		t.Errorf("got %v", outcome)
	}
	for who, want := range map[string]string{ann: "address-suppressed", bob: ""} {
		if err := p.invite(p.ctx, second, who, "X"); err != nil {
			t.Fatal(err)
		}
		inv, err := p.app.handler.Invitation(p.ctx, second, p.app.keys.PersonID(tenant.Default, who))
		if err != nil || inv.State.Denied != want {
			t.Errorf("%s: %+v, %v", who, inv.State, err)
		}
	}
	eventually(t, p.ctx, "an undeliverable attendee in the API", func() error {
		_, body, err := p.get(p.ctx, "/event/"+uid+"/attendees", p.key)
		if err == nil && strings.Count(string(body), `"undeliverable":true`) != 2 {
			err = fmt.Errorf("%s", body)
		}
		return err
	})
}
