package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/facts"
)

// newTenant takes a customer on and returns a key that may do everything there.
func (s *stage) newTenant(t testing.TB, ctx context.Context, code string) string {
	t.Helper()
	s.must(t, ctx, 202, "POST", "/v1/tenants", s.key, map[string]string{"code": code, "name": strings.ToUpper(code)})
	var made struct{ Key string }
	s.must(t, ctx, 201, "POST", "/v1/tenants/"+code+"/keys", s.key, map[string]string{"name": "first"}).into(t, &made)
	return made.Key
}

// TestTenants has two customers whose organizers mail to their own domains.
func TestTenants(t *testing.T) {
	t.Parallel()
	s := startStage(t, nil)
	ctx := within(t, time.Minute)
	acme, other := s.newTenant(t, ctx, "acme"), s.newTenant(t, ctx, "other")
	r := s.must(t, ctx, 202, "PATCH", "/v1/tenants/other", s.key, map[string]any{"settings": map[string]any{
		"domain": "invites.other.example", "sender": "Other Events", "footer": "Other Ltd", "events": 1,
	}})
	if r := s.must(t, ctx, 200, "GET", "/v1/tenants/acme", s.key, nil); !strings.Contains(string(r.body), `"create@acme.cis.localhost"`) {
		t.Errorf("acme: %s", r.body)
	}
	if r := s.must(t, ctx, 200, "GET", "/v1/tenants", s.key, nil); strings.Count(string(r.body), `"code"`) != 3 || !strings.Contains(string(r.body), "bulk@invites.other.example") {
		t.Errorf("tenants: %s", r.body)
	}
	_ = r
	s.must(t, ctx, 409, "POST", "/v1/tenants", s.key, map[string]string{"code": "acme", "name": "again"})
	s.must(t, ctx, 409, "PATCH", "/v1/tenants/acme", s.key, map[string]any{"settings": map[string]any{"domain": "invites.other.example"}})
	s.must(t, ctx, 409, "PATCH", "/v1/tenants/acme", s.key, map[string]any{"settings": map[string]any{"domain": "cis.localhost"}})
	for _, path := range []string{"/v1/tenants", "/v1/tenants/acme", "/v1/projections"} {
		s.must(t, ctx, 403, "GET", path, acme, nil)
	}

	start := time.Now().UTC().Truncate(time.Hour).AddDate(0, 1, 0)
	uids := map[string]string{}
	for key, domain := range map[string]string{acme: "acme.cis.localhost", other: "invites.other.example", s.key: "cis.localhost"} {
		ev := clientmail.Event{UID: "same@google.com", DTStamp: time.Now(), Start: start, End: start.Add(time.Hour), Summary: "At " + domain, OrganizerName: "Olga", Organizer: "olga@" + domain[:3] + ".example", To: "create@" + domain}
		if err := s.mail(ev.Organizer, ev.To, clientmail.GoogleRequest(ev)); err != nil {
			t.Fatal(err)
		}
		said, err := s.sink.Wait(ctx, ev.Organizer, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(said.Data, []byte("<notification@"+domain+">")) {
			t.Errorf("%s: the confirmation is from elsewhere:\n%s", domain, said.Data[:min(len(said.Data), 600)])
		}
		if domain == "invites.other.example" && (!bytes.Contains(said.Data, []byte(`"Other Events"`)) || !bytes.Contains(said.Data, []byte("Other Ltd"))) {
			t.Errorf("the tenant's own name and footer are missing:\n%s", said.Data)
		}
		uids[key] = findUID(string(bytes.ReplaceAll(said.Data, []byte("=\r\n"), nil)))
	}
	t.Run("an answer comes back to the tenant's domain and counts there", func(t *testing.T) {
		s.must(t, ctx, 202, "POST", "/v1/events/"+uids[other]+"/invites", other, map[string]any{"invites": []map[string]string{{"address": "ann@example.com", "name": "Ann"}}})
		invite, err := s.calendar(ctx, "ann@example.com", 1)
		if err != nil {
			t.Fatal(err)
		}
		m := s.sink.Mails("ann@example.com")[0]
		replyTo := invite.Event.Organizer.Address
		if !strings.HasSuffix(replyTo, "@invites.other.example") || !strings.HasSuffix(m.From, "@invites.other.example") {
			t.Fatalf("reply to %s, envelope %s", replyTo, m.From)
		}
		answer := clientmail.GmailReply(clientmail.Reply{UID: uids[other], Attendee: "ann@example.com", Organizer: replyTo, PartStat: "ACCEPTED", DTStamp: time.Now(), Start: start})
		if err := s.mail("ann@example.com", replyTo, answer); err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "the answer", func() error {
			if r := s.must(t, ctx, 200, "GET", "/event/"+uids[other]+"/statistics", other, nil); !strings.Contains(string(r.body), `"accepted":1`) {
				return fmt.Errorf("got %s", r.body)
			}
			return nil
		})
	})
	t.Run("answers to what was sent from a former domain still come", func(t *testing.T) {
		ev, err := s.app.handler.FreshEvent(ctx, uids[other])
		if err != nil {
			t.Fatal(err)
		}
		sub, err := s.app.handler.FreshEvent(ctx, uids[acme])
		if err != nil {
			t.Fatal(err)
		}
		s.must(t, ctx, 202, "PATCH", "/v1/tenants/other", s.key, map[string]any{"settings": map[string]any{"domain": "new.other.example", "events": 1}})
		s.must(t, ctx, 202, "PATCH", "/v1/tenants/acme", s.key, map[string]any{"settings": map[string]any{"domain": "new.acme.example"}})
		for key, to := range map[string]string{other: ev.ReplyTo, acme: sub.ReplyTo} {
			s.must(t, ctx, 202, "POST", "/v1/events/"+uids[key]+"/invites", key, map[string]any{"invites": []map[string]string{{"address": "zoe@example.com"}}})
			answer := clientmail.GmailReply(clientmail.Reply{UID: uids[key], Attendee: "zoe@example.com", Organizer: to, PartStat: "DECLINED", DTStamp: time.Now(), Start: start})
			if err := s.mail("zoe@example.com", to, answer); err != nil {
				t.Fatal(err)
			}
			eventually(t, ctx, "the answer to "+to, func() error {
				if r := s.must(t, ctx, 200, "GET", "/event/"+uids[key]+"/statistics", key, nil); !strings.Contains(string(r.body), `"declined":1`) {
					return fmt.Errorf("got %s", r.body)
				}
				return nil
			})
		}
	})
	t.Run("a tenant's own limit counts", func(t *testing.T) {
		if r := s.call(t, ctx, "POST", "/v1/events", other, party("olga@inv.example", "One too many")); r.status != 409 || !strings.Contains(string(r.body), "event-limit-reached") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("mail to nobody's domain is not taken", func(t *testing.T) {
		if err := s.mail("olga@x.example", "create@nobody.cis.localhost", []byte("Subject: x\r\n\r\nx\r\n")); err == nil {
			t.Error("it was")
		}
	})
	t.Run("mail to two tenants is one for each", func(t *testing.T) {
		ev := clientmail.Event{UID: "two@google.com", DTStamp: time.Now(), Start: start, End: start.Add(time.Hour), Summary: "Twice", OrganizerName: "Ida", Organizer: "ida@two.example", To: "create@acme.cis.localhost"}
		if err := s.mailTo(ev.Organizer, []string{"create@acme.cis.localhost", "create@cis.localhost"}, clientmail.GoogleRequest(ev)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.sink.Wait(ctx, ev.Organizer, 2); err != nil {
			t.Error(err)
		}
	})
	t.Run("the installation's key reaches a tenant by name", func(t *testing.T) {
		s.must(t, ctx, 200, "GET", "/event/"+uids[acme], s.key, nil, "X-Tenant", "acme")
		s.must(t, ctx, 404, "GET", "/event/"+uids[acme], s.key, nil, "X-Tenant", "other")
		s.must(t, ctx, 404, "GET", "/event/"+uids[acme], s.key, nil, "X-Tenant", "nobody")
		s.must(t, ctx, 403, "GET", "/event/"+uids[acme], acme, nil, "X-Tenant", "other")
	})
	t.Run("who is suspended may do nothing", func(t *testing.T) {
		s.must(t, ctx, 202, "PATCH", "/v1/tenants/acme", s.key, map[string]any{"suspended": true, "reason": "unpaid"})
		s.must(t, ctx, 403, "GET", "/v1/events", acme, nil)
		s.must(t, ctx, 202, "PATCH", "/v1/tenants/acme", s.key, map[string]any{"suspended": false})
		s.must(t, ctx, 200, "GET", "/v1/events", acme, nil)
	})
}

// TestWalls tries every route with another tenant's key, about things of every kind that this tenant has.
func TestWalls(t *testing.T) {
	t.Parallel()
	s := startStage(t, map[string]string{"CIS_API_RATE": "0", "CIS_PRIVATE_WEBHOOKS": "on", "CIS_MAIL_AUTH": "enforce", "CIS_DNS": "127.0.0.1:9"})
	ctx := within(t, time.Minute)
	acme, other := s.newTenant(t, ctx, "acme"), s.newTenant(t, ctx, "other")
	uid := s.create(t, ctx, acme, party("olga@acme.example", "Secret of acme"))
	var ann struct{ Results []struct{ ID string } }
	last := s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites", acme, map[string]any{"invites": []map[string]string{{"address": "ann@example.com", "name": "Ann Secret"}}})
	last.into(t, &ann)
	var organizer struct{ ID string }
	s.must(t, ctx, 202, "PATCH", "/v1/organizers/olga@acme.example", acme, map[string]any{"bulk": true}).into(t, &organizer)
	var table struct{ ID string }
	s.must(t, ctx, 202, "POST", "/v1/events/"+uid+"/invites/table", acme, "email,name\nbob@example.com,Bob Secret\n", "Content-Type", "text/csv").into(t, &table)
	var webhook, key struct{ ID string }
	s.must(t, ctx, 201, "POST", "/v1/webhooks", acme, map[string]any{"url": "http://127.0.0.1:1/Secret"}).into(t, &webhook)
	s.must(t, ctx, 201, "POST", "/v1/keys", acme, map[string]any{"name": "Secret key", "scopes": []string{"events:read"}}).into(t, &key)
	s.must(t, ctx, 202, "PUT", "/v1/members/ada@both.example", acme, map[string]string{"role": "auditor"})
	if err := s.mail("mallory@evil.example", "create@acme.cis.localhost", clientmail.GoogleRequest(clientmail.Event{
		UID: "held@x", DTStamp: time.Now(), Start: time.Now().AddDate(0, 1, 0), End: time.Now().AddDate(0, 1, 0).Add(time.Hour), Organizer: "mallory@evil.example", To: "create@acme.cis.localhost",
	})); err != nil {
		t.Fatal(err)
	}
	var attempts struct{ Items []struct{ Message string } }
	eventually(t, ctx, "an attempt to call the endpoint", func() error {
		s.must(t, ctx, 202, "PATCH", "/v1/events/"+uid, acme, map[string]any{"description": fmt.Sprint("Secret ", time.Now())})
		if s.must(t, ctx, 200, "GET", "/v1/webhooks/"+webhook.ID+"/deliveries", acme, nil).into(t, &attempts); len(attempts.Items) == 0 {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	mails := allStreams(t, ctx, s.app.facts, "mail-")
	if len(mails) == 0 {
		t.Fatal("no mail came in")
	}
	things := map[string]string{
		"uid": uid, "attendee": ann.Results[0].ID, "organizer": organizer.ID, "table": table.ID, "webhook": webhook.ID, "key": key.ID, "mail": strings.TrimPrefix(mails[0], "mail-"),
		"message": attempts.Items[0].Message, "tenant": "acme", "recipient": "ann@example.com", "member": "ada@both.example",
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Security    []map[string]any
			RequestBody any
		}
	}
	s.must(t, ctx, 200, "GET", "/openapi.json", "", nil).into(t, &doc)
	before := factCount(t, ctx, s, "acme")
	tried := 0
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		for method, op := range doc.Paths[path] {
			if len(op.Security) < 2 || op.OperationID == "live" {
				continue
			}
			url, aimed := path, false
			for name, id := range things {
				if strings.Contains(url, "{"+name+"}") {
					url, aimed = strings.ReplaceAll(url, "{"+name+"}", id), true
				}
			}
			tried++
			var body any
			headers := []string{}
			switch {
			case op.RequestBody == nil:
			case strings.HasSuffix(path, "/table"):
				body, headers = "email\nx@example.com\n", []string{"Content-Type", "text/csv"}
			default:
				body = sensible(op.OperationID)
			}
			r := s.call(t, ctx, strings.ToUpper(method), url, other, body, headers...)
			if strings.Contains(string(r.body), "Secret") || strings.Contains(string(r.body), uid) && !strings.Contains(url, uid) {
				t.Errorf("%s %s shows: %s", method, url, r.body)
			}
			mine := strings.Contains(path, "{recipient}") || strings.Contains(path, "{member}") || op.OperationID == "update-organizer" // made from an address: the other tenant's own
			if aimed && !mine && r.status < 400 && !emptyAbout(op.OperationID, r.body) {
				t.Errorf("%s %s: %d %s", method, url, r.status, r.body)
			}
			if anonymous := s.call(t, ctx, strings.ToUpper(method), url, "", body, headers...); anonymous.status != 401 {
				t.Errorf("%s %s without a key: %d %s", method, url, anonymous.status, anonymous.body)
			}
		}
	}
	if tried < 50 {
		t.Errorf("only %d routes were tried", tried)
	}
	t.Logf("%d routes tried with another tenant's key", tried)
	if after := factCount(t, ctx, s, "acme"); after != before {
		t.Errorf("the other tenant's calls left %d facts", after-before)
	}
	for _, path := range []string{"/v1/events", "/v1/keys", "/v1/webhooks", "/v1/members", "/v1/mails/held", "/v1/mails/owed", "/v1/tables", "/v1/history", "/v1/organizers", "/system/events"} {
		r := s.must(t, ctx, 200, "GET", path, other, nil)
		if strings.Contains(string(r.body), "Secret") || strings.Contains(string(r.body), "acme") {
			t.Errorf("%s shows: %s", path, r.body)
		}
	}
}

// emptyAbout says that an answer about something of another tenant tells nothing: an organizer without any numbers.
func emptyAbout(operation string, body []byte) bool {
	switch operation {
	case "get-organizer-statistics", "shadow-organizer-statistics":
		return bytes.Contains(body, []byte(`"events":0`)) && bytes.Contains(body, []byte(`"attendees":0`))
	case "organizer-events", "shadow-organizer-events":
		return string(body) == "[]"
	}
	return false
}

// sensible is a body that an operation would carry out, were it allowed to.
func sensible(operation string) any {
	switch operation {
	case "create-event":
		return party("nobody@other.example", "of the other")
	case "update-event":
		return map[string]any{"summary": "taken over"}
	case "invite-attendees":
		return map[string]any{"invites": []map[string]string{{"address": "eve@example.com"}}}
	case "record-reply":
		return map[string]string{"status": "accepted"}
	case "update-organizer":
		return map[string]any{"suspended": true}
	case "update-recipient":
		return map[string]any{"unsubscribed": true}
	case "grant-role":
		return map[string]string{"role": "auditor"}
	case "update-webhook":
		return map[string]any{"url": "https://evil.example/"}
	case "register-webhook":
		return map[string]any{"url": "https://evil.example/"}
	case "issue-key":
		return map[string]any{"name": "x", "scopes": []string{"events:read"}}
	case "create-tenant":
		return map[string]string{"code": "third", "name": "x"}
	case "update-tenant":
		return map[string]any{"suspended": true}
	case "create-projection-job":
		return map[string]string{"do": "verify"}
	case "issue-tenant-key":
		return map[string]string{"name": "x"}
	}
	return map[string]any{}
}

// factCount is how many facts a tenant has that calls could have led to.
func factCount(t *testing.T, ctx context.Context, s *stage, tenant string) (n int) {
	t.Helper()
	for _, rec := range allFacts(t, ctx, s.app.facts) {
		meta, err := rec.Meta()
		if err == nil && meta.Tenant == tenant && (meta.Actor == "api" || meta.Actor == "access") && rec.Fact.FactName() != "KeyUsed" {
			n++
		}
	}
	return n
}

// allStreams lists the streams of a kind.
func allStreams(t testing.TB, ctx context.Context, log *facts.Log, prefix string) (list []string) {
	t.Helper()
	for _, rec := range allFacts(t, ctx, log) {
		if strings.HasPrefix(rec.Stream, prefix) && !slices.Contains(list, rec.Stream) {
			list = append(list, rec.Stream)
		}
	}
	return list
}
