package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
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
	"github.com/calendar-invite-server/cis/domain/tenant"
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
	ref := organizer.Ref{Tenant: tenant.Default, OrganizerID: p.app.keys.PersonID(tenant.Default, olga)}
	if _, err := p.app.handler.ForOrganizer(p.ctx, commands.From("operator", tenant.Default, uuid.NewString(), 0), command(ref)); err != nil {
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

// TestAccounts: quota, subscription by an order, refund, suspension and aliases, all by mail and webhook.
func TestAccounts(t *testing.T) {
	t.Parallel()
	p := startProven(t, map[string]string{"EVENT_LIMIT": "1", "CIS_SHOPIFY_SECRET": "hush"})
	ev, uid := p.party("")
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
		_, err := p.app.handler.ForIdentity(p.ctx, commands.From("operator", tenant.Default, uuid.NewString(), 0), commands.LinkAddress{
			Tenant: tenant.Default, AddressID: p.app.keys.PersonID(tenant.Default, alias), Address: alias, OrganizerID: p.app.keys.PersonID(tenant.Default, olga), Role: identity.Alias, By: "operator test",
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
		p.judge(commands.Suspend)
		ev.Sequence, ev.DTStamp = 1, time.Now().Add(time.Minute)
		p.send("organizer.example", olga, ev.To, clientmail.GoogleCancel(ev))
		if off, err := p.calendar(p.ctx, "bob@gmail.example", 2); err != nil || off.Method != "CANCEL" {
			t.Errorf("%+v, %v", off, err)
		}
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
