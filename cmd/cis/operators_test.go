package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/clientmail"
)

// TestOperatorMail: what comes to postmaster@ goes on to who runs the server.
func TestOperatorMail(t *testing.T) {
	t.Parallel()
	p := startProven(t, map[string]string{"SYSTEM_EMAIL": "ops@organizer.example", "SENDER": "events@cis.localhost", "CIS_FOOTER": "Example Ltd"})
	to := "postmaster@" + p.app.cfg.Domain
	p.send("", "admin@elsewhere.example", to, clientmail.Text("admin@elsewhere.example", to, "Your server", "It misbehaves."))
	m := p.nth("ops@organizer.example", 1)
	subject, text, h := read(t, m)
	if subject != "[Operator] Your server" || !strings.Contains(text, "Example Ltd") || !strings.Contains(h.Get("From"), "events@cis.localhost") || !strings.Contains(h.Get("Reply-To"), "admin@elsewhere.example") {
		t.Errorf("%s\n%s\n%v", subject, text, h)
	}
	p.send("", "ops@organizer.example", to, m.Data) // a loop ends
	p.settled(2)
	if n := p.sink.Count(); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// TestOperatorCommands: everything an operator can decide, beside a running server.
func TestOperatorCommands(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, olga, "operators@google.com")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := p.command(args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if out, err := p.command(args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	type line struct {
		Address   string
		Events    int
		Limit     int
		Bulk      bool
		Suspended bool
		Language  string
	}
	organizers := func() map[string]line {
		t.Helper()
		var list []line
		if err := json.Unmarshal([]byte(run("organizers", "list", "--json")), &list); err != nil {
			t.Fatal(err)
		}
		all := map[string]line{}
		for _, l := range list {
			all[l.Address] = l
		}
		return all
	}
	run("organizers", "allow-bulk", "new@organizer.example")
	run("organizers", "suspend", olga, "--reason", "complaints")
	run("organizers", "set", olga, "--limit", "9", "--language", "de", "--name", "Olga O.")
	eventually(t, ctx, "the list", func() error {
		all := organizers()
		if a, b := all["new@organizer.example"], all[olga]; !a.Bulk || a.Limit != 5 || !b.Suspended || b.Limit != 9 || b.Events != 1 || b.Language != "de" {
			return fmt.Errorf("%+v", all)
		}
		return nil
	})
	run("organizers", "reinstate", olga)
	run("organizers", "link", olga, "assistant@organizer.example", "--as", "delegate")
	refused("neither alias nor delegate", "organizers", "link", olga, "x@organizer.example", "--as", "friend")
	refused("no such organizer", "organizers", "show", "nobody@organizer.example")
	refused("not a mail address", "organizers", "suspend", "nobody")
	refused("say what to change", "organizers", "set", olga)
	if out := run("organizers", "show", olga); !strings.Contains(out, "1 of 9") || !strings.Contains(out, uid) || !strings.Contains(out, "Olga O.") {
		t.Errorf("show: %s", out)
	}
	run("recipients", "suppress", "ann@example.com")
	run("recipients", "block", "ann@example.com", olga)
	if out := run("recipients", "show", "ann@example.com"); !strings.Contains(out, "suppressed: true") || !strings.Contains(out, "blocked: "+olga) {
		t.Errorf("show: %s", out)
	}
	eventually(t, ctx, "the list", func() error {
		if out := run("recipients", "list", "--json"); strings.Count(out, `"suppressed": true`) != 1 {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	run("recipients", "restore", "ann@example.com")
	run("recipients", "unblock", "ann@example.com", olga)
	run("recipients", "unsubscribe", "bob@example.com")
	run("recipients", "resubscribe", "bob@example.com")
	refused("not a mail address", "recipients", "show", "nobody")
	run("event", "policy", uid, "--crashers", "hold", "--reminders", "24h,1h", "--invite-limit", "7")
	refused("a reminder is a time before the start", "event", "policy", uid, "--reminders", "soon")
	refused("say what to change", "event", "policy", uid)
	refused("no such bulk mail", "bulk", "pause", "x")
	refused("no such bulk mail", "bulk", "status", "x")
	if out := run("bulk", "status", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("status: %s", out)
	}
	if err := s.mail(olga, "bulk@cis.localhost", clientmail.Text(olga, "bulk@cis.localhost", "Guests", "none")); err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, "nothing is understood differently", func() error {
		if out := run("mail", "replay", "--dry-run"); !strings.Contains(out, "2 mails read again, 0 would be understood differently") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	if err := s.invite(ctx, uid, "ann@example.com", "Ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.calendar(ctx, "ann@example.com", 1); err != nil {
		t.Error(err)
	}
}

func TestTemplateCommands(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		var out strings.Builder
		cmd := newRoot()
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(args)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out.String()
	}
	names := strings.Fields(run("templates", "list"))
	if len(names) < 20 {
		t.Errorf("%d mails: %v", len(names), names)
	}
	run("templates", "export", filepath.Join(dir, "own"))
	invite := filepath.Join(dir, "own", "invite.txt")
	if err := os.WriteFile(invite, []byte("Subject: Come to {summary}\n\nPlease.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CIS_TEMPLATES", filepath.Join(dir, "own"))
	run("templates", "preview", "--out", filepath.Join(dir, "out"))
	for _, name := range names {
		for _, kind := range []string{".txt", ".html", ".eml"} {
			if info, err := os.Stat(filepath.Join(dir, "out", name+kind)); err != nil || info.Size() == 0 {
				t.Errorf("%s%s: %v", name, kind, err)
			}
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "out", "invite.txt")); err != nil || !strings.HasPrefix(string(text), "Subject: Come to Summer party") {
		t.Errorf("%s %v", text, err)
	}
	if err := os.WriteFile(invite, []byte("Subject: {sumary}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readConfig(os.Getenv); err == nil || !strings.Contains(err.Error(), "{sumary} stands for nothing") {
		t.Errorf("a server with a broken template starts: %v", err)
	}
}

// TestAccessCommands: tenants, keys and members, decided beside a running server.
func TestAccessCommands(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	run := func(args ...string) string {
		t.Helper()
		out, err := p.command(args...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(out)
	}
	if out := run("tenants", "create", "acme", "--name", "Acme Ltd"); !strings.Contains(out, "create@acme.") {
		t.Errorf("%s", out)
	}
	run("tenants", "set", "acme", "--domain", "invites.acme.example", "--sender", "Acme Events")
	if out := run("tenants", "list"); !strings.Contains(out, "invites.acme.example") || !strings.Contains(out, "Acme Ltd") {
		t.Errorf("%s", out)
	}
	secret := run("keys", "issue", "reader", "--scopes", "events:read", "--lifetime", "1h")
	eventually(t, ctx, "the new key", func() error {
		if r := s.call(t, ctx, "GET", "/v1/events", secret, nil); r.status != 200 {
			return fmt.Errorf("%d %s", r.status, r.body)
		}
		return nil
	})
	id := strings.Split(secret, "_")[1]
	if out := run("keys", "list"); !strings.Contains(out, id) || strings.Contains(out, secret) {
		t.Errorf("%s", out)
	}
	next := run("keys", "rotate", id, "--grace", "0s")
	run("keys", "revoke", id)
	eventually(t, ctx, "the end of it", func() error {
		for _, k := range []string{secret, next} {
			if r := s.call(t, ctx, "GET", "/v1/events", k, nil); r.status != 401 {
				return fmt.Errorf("%d %s", r.status, r.body)
			}
		}
		return nil
	})
	run("members", "grant", "ada@example.com", "--role", "auditor")
	eventually(t, ctx, "the member", func() error {
		if out := run("members", "list", "--json"); !strings.Contains(out, `"ada@example.com"`) || !strings.Contains(out, `"auditor"`) {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	run("members", "revoke", "ada@example.com")
	run("tenants", "suspend", "acme", "--reason", "unpaid")
	run("tenants", "reinstate", "acme")
	for want, args := range map[string][]string{
		"a tenant's code has":        {"tenants", "create", "A!"},
		"there is no such tenant":    {"tenants", "set", "nobody", "--name", "x"},
		"there is no such scope":     {"keys", "issue", "x", "--scopes", "everything"},
		"the roles are":              {"members", "grant", "ada@example.com", "--role", "king"},
		"say what to change":         {"tenants", "set", "acme"},
		"there is no such key":       {"keys", "revoke", "0123456789abcdef"},
		"there is no such organizer": {"keys", "issue", "x", "--role", "organizer", "--organizer", "nobody@example.com"},
	} {
		if out, err := p.command(args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v %s, want %q", args, err, out, want)
		}
	}
}
