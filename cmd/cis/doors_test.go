package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/dkimsign"
	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-smtp"
)

func someEvent(uid, to string) clientmail.Event {
	start := time.Now().Add(48 * time.Hour)
	return clientmail.Event{UID: uid, DTStamp: time.Now(), Start: start, End: start.Add(time.Hour), Summary: "S " + uid, OrganizerName: "O", Organizer: "o@organizer.example", To: to}
}

// TestDoors: mail comes in over LMTP and by a provider's webhook as it does over SMTP, and what goes out is signed.
func TestDoors(t *testing.T) {
	t.Parallel()
	keyFile := filepath.Join(t.TempDir(), "dkim.pem")
	key, err := dkimsign.Generate("rsa")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		t.Fatal(err)
	}
	s := startStage(t, map[string]string{"CIS_LMTP": "127.0.0.1:0", "CIS_WEBHOOK_SECRET": "hook", "CIS_DKIM_KEY": keyFile})
	ctx := within(t, time.Minute)
	create := "create@" + s.app.cfg.Domain
	t.Run("LMTP", func(t *testing.T) {
		conn, err := net.Dial("tcp", s.app.lmtpLis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		l := smtp.NewClientLMTP(conn)
		defer func() { _ = l.Close() }()
		if err := l.SendMail("o@organizer.example", []string{create}, bytes.NewReader(clientmail.GoogleRequest(someEvent("lmtp", create)))); err != nil {
			t.Fatal(err)
		}
		if _, err := s.sink.Wait(ctx, "o@organizer.example", 1); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a webhook", func(t *testing.T) {
		body, _ := json.Marshal(map[string]any{"OriginalRecipient": create, "RawEmail": string(clientmail.GoogleRequest(someEvent("hook", create)))})
		u := url.URL{Scheme: "http", Host: s.app.HTTPAddr.String(), Path: "/mail/postmark", User: url.UserPassword("cis", "hook")}
		resp, err := http.Post(u.String(), "application/json", bytes.NewReader(body))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
		if _, err := s.sink.Wait(ctx, "o@organizer.example", 2); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("what goes out carries a signature that verifies", func(t *testing.T) {
		m := s.sink.Mails("o@organizer.example")[0]
		name, value, err := s.app.cfg.dkim.Record()
		if err != nil {
			t.Fatal(err)
		}
		v, err := dkim.VerifyWithOptions(bytes.NewReader(m.Data), &dkim.VerifyOptions{LookupTXT: func(q string) ([]string, error) {
			if q != name {
				return nil, fmt.Errorf("asked for %s", q)
			}
			return []string{value}, nil
		}})
		if err != nil || len(v) != 1 || v[0].Err != nil || v[0].Domain != s.app.cfg.Domain {
			t.Errorf("got %+v, %v", v, err)
		}
	})
	t.Run("past mail reads the same, unless the reader has changed", func(t *testing.T) {
		var out, progress bytes.Buffer
		eventually(t, ctx, "two mails to be handled", func() error {
			if n := count[mail.MailHandled](allFacts(t, ctx, s.app.facts)); n < 2 {
				return fmt.Errorf("%d", n)
			}
			return nil
		})
		if err := s.app.replay(ctx, &out, &progress, true); err != nil || out.Len() != 0 || !strings.Contains(progress.String(), "2 mails read again, 0 ") {
			t.Fatalf("%v: %s %s", err, out.String(), progress.String())
		}
		// Mails that other readers handled: one understood the same, one refused what is understood now.
		for uid, was := range map[string]mail.MailHandled{
			"same":  {Method: "REQUEST", Outcome: mail.Done},
			"other": {Outcome: mail.Refused, Reason: "recurring-unsupported"},
		} {
			raw := clientmail.GoogleRequest(someEvent(uid, create))
			id := s.app.keys.MailID(uid, nil, raw)
			if _, err := s.app.facts.AppendRaw(ctx, tenant.Default, id, raw); err != nil {
				t.Fatal(err)
			}
			was.Tenant, was.MailID, was.Reader = tenant.Default, id, 1
			if was.Method != "" {
				was.EventUID = s.app.keys.EventUID(tenant.Default, s.app.keys.PersonID(tenant.Default, "o@organizer.example"), uid)
			}
			received := mail.MailReceived{Tenant: tenant.Default, MailID: id, Received: time.Now().UTC()}
			proof := mail.MailAuthenticated{Tenant: tenant.Default, MailID: id, Verdict: mail.VerdictNone}
			if _, err := s.app.facts.Append(ctx, mail.Stream(id), -1, commands.From("test", tenant.Default, id, 0), received, proof, was); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.app.replay(ctx, &out, io.Discard, true); err != nil {
			t.Fatal(err)
		}
		var d difference
		if err := json.Unmarshal(out.Bytes(), &d); err != nil || d.Was != "recurring-unsupported" || !strings.HasPrefix(d.Now, "REQUEST ") || d.Reader != 1 {
			t.Errorf("got %+v, %v from %s", d, err, out.String())
		}
	})
}

// inspectFiles runs the command and returns its lines.
func inspectFiles(t *testing.T, args ...string) []inspection {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(append([]string{"mail", "inspect"}, args...))
	root.SetOut(&out)
	if err := root.ExecuteContext(context.Background()); err != nil {
		t.Fatal(err)
	}
	var list []inspection
	for line := range bytes.Lines(out.Bytes()) {
		var i inspection
		if err := json.Unmarshal(line, &i); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		list = append(list, i)
	}
	return list
}

// TestInspect: a line per file, without a server and without traces.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, data string) string {
		t.Helper()
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	uid := strings.Repeat("a1", 20)
	files := []string{
		write("request.eml", string(clientmail.GoogleRequest(someEvent("u1", "create@localhost")))),
		write("reply.ics", "BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nUID:"+uid+"\nATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@example.com\nEND:VEVENT\nEND:VCALENDAR\n"),
		write("zone.ics", "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nUID:z\nDTSTART;TZID=Middle Earth:20261204T100000\nEND:VEVENT\nEND:VCALENDAR\n"),
		write("text.eml", "From: a@example.com\n\nhello\n"),
		write("garbage.ics", "\x00\x01nothing"),
		write("bulk.eml", "From: a@example.com\nContent-Type: text/csv\n\nuid,email,name\n"+uid+",ann@example.com,Ann\nx,y,z\n"),
		write("deep.ics", strings.Repeat("BEGIN:A\n", 25<<20/8)),
	}
	got := inspectFiles(t, files...)
	if len(got) != len(files) {
		t.Fatalf("%d lines for %d files", len(got), len(files))
	}
	request, reply, zone, text, garbage, table, deep := got[0], got[1], got[2], got[3], got[4], got[5], got[6]
	if !request.Decodable || request.Method != "REQUEST" || request.UID != "u1" || len(request.Commands) != 1 || request.Commands[0].Command != "CreateEvent" || request.Sender.Verdict != "unchecked" ||
		request.Events[0].Start == nil || request.Events[0].Start.UTC.IsZero() || len(request.Events[0].Attendees) != 1 {
		t.Errorf("a request: %+v", request)
	}
	if c := reply.Commands; len(c) != 1 || c[0] != (inspectedCommand{Command: "RecordReply", EventUID: uid, Attendee: "ann@example.com", Status: "accepted"}) {
		t.Errorf("an answer: %+v", reply)
	}
	if !zone.Decodable || len(zone.Unresolved) != 1 || zone.Refusal == nil || zone.Refusal.Code != "time-unresolved" {
		t.Errorf("an unknown zone: %+v", zone)
	}
	if !text.Decodable || text.Refusal == nil || text.Refusal.Code != "no-calendar" {
		t.Errorf("a mail without a calendar: %+v", text)
	}
	if garbage.Decodable || garbage.Refusal == nil {
		t.Errorf("garbage: %+v", garbage)
	}
	if len(table.Tables) != 1 || table.Tables[0].Count != 2 || table.Tables[0].Rows[0].Problem != "" || table.Tables[0].Rows[1].Problem == "" {
		t.Errorf("a table: %+v", table)
	}
	if deep.Decodable || deep.Refusal == nil {
		t.Errorf("25 MB of BEGIN: %+v", deep)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(files) {
		t.Errorf("it left something behind: %v, %v", entries, err)
	}
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs([]string{"mail", "inspect", "nowhere.eml", "text.eml"})
	root.SetOut(&out)
	if err := root.Execute(); err == nil || !strings.Contains(out.String(), "text.eml") {
		t.Errorf("a file that is not there: %v, %s", err, out.String())
	}
}

// TestInspectCorpus holds the command against every file of CIS_CORPUS, which is not ours to commit.
func TestInspectCorpus(t *testing.T) {
	dir := os.Getenv("CIS_CORPUS")
	if dir == "" {
		t.Skip("CIS_CORPUS is not set: no folder of mails and calendars to inspect")
	}
	files, ics, undecodable := 0, 0, 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		ext := strings.ToLower(filepath.Ext(path))
		if err != nil || ext != ".eml" && ext != ".ics" {
			return err
		}
		begin := time.Now()
		got := inspectFiles(t, path)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%s took %v", path, took)
		}
		if len(got) != 1 || len(got[0].Commands) == 0 && got[0].Refusal == nil || got[0].Refusal != nil && got[0].Refusal.Code == "internal-error" {
			t.Errorf("%s: %+v", path, got)
			return nil
		}
		files++
		if ext == ".ics" {
			ics++
		}
		if !got[0].Decodable {
			undecodable++
			t.Logf("%s: %+v", path, got[0].Refusal)
		}
		for _, ev := range got[0].Events {
			for _, p := range ev.Problems {
				if strings.Contains(p, "unknown time zone") && len(got[0].Unresolved) == 0 {
					t.Errorf("%s: %s is not flagged", path, p)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files, %d of them .ics, %d undecodable", files, ics, undecodable)
	if undecodable*1700 > 2*ics {
		t.Errorf("%d of %d cannot be decoded", undecodable, ics)
	}
}

// TestMailCommands runs the operator's commands beside a running server, as they are typed.
func TestMailCommands(t *testing.T) {
	s := startStage(t, map[string]string{"CIS_MAIL_AUTH": "enforce", "CIS_AUTHSERV_ID": "mx.cis.example"})
	ctx := within(t, time.Minute)
	t.Setenv("CIS_DATA", s.app.cfg.Data)
	t.Setenv("CIS_DOMAIN", s.app.cfg.Domain)
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		root := newRoot()
		root.SetArgs(args)
		root.SetOut(&out)
		root.SetErr(io.Discard)
		err := root.ExecuteContext(ctx)
		return out.String(), err
	}
	create := "create@" + s.app.cfg.Domain
	mbox := filepath.Join(t.TempDir(), "mbox")
	var data bytes.Buffer
	for i := range 3 {
		fmt.Fprintf(&data, "From o@organizer.example Sat Nov 21 12:00:0%d 2026\n%s\n\n", i, bytes.ReplaceAll(clientmail.GoogleRequest(someEvent(fmt.Sprint("m", i), create)), []byte("\r\n"), []byte("\n")))
	}
	if err := os.WriteFile(mbox, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run("mail", "import", mbox); err != nil || strings.Count(out, "\n") != 3 {
		t.Fatalf("import: %s, %v", out, err)
	}
	var held []heldLine
	eventually(t, ctx, "three held mails", func() error {
		out, err := run("mail", "held", "--json")
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(out), &held); err != nil || len(held) != 3 {
			return fmt.Errorf("%s, %v", out, err)
		}
		return nil
	})
	if held[0].Reason != "sender-unproven" || held[0].From != "o@organizer.example" || !strings.Contains(held[0].Subject, "S m0") {
		t.Errorf("got %+v", held[0])
	}
	if out, err := run("mail", "held"); err != nil || !strings.Contains(out, held[0].ID) {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := run("mail", "held", "release", held[0].ID); err != nil || !strings.Contains(out, "released") {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := run("mail", "held", "drop", held[1].ID, "nonsense"); err == nil || !strings.Contains(out, "dropped") {
		t.Errorf("%s, %v", out, err)
	}
	confirmation, err := s.sink.Wait(ctx, "o@organizer.example", 1)
	if err != nil {
		t.Fatal(err)
	}
	uid := findUID(string(confirmation.Data))
	for _, c := range []struct {
		args []string
		want string // in the output, or in the error
	}{
		{[]string{"event", "policy", uid, "--crashers", "hold"}, "hold"},
		{[]string{"event", "policy", uid, "--crashers", "whatever"}, "none of add, hold, cancel"},
		{[]string{"event", "decline-counter", uid, "ann@example.com"}, "no such invitation"},
		{[]string{"event", "decline-counter", uid, "nobody"}, "not a mail address"},
		{[]string{"recipient", "restore", "ann@example.com"}, "again"},
		{[]string{"mail", "replay", "--dry-run"}, ""},
		{[]string{"mail", "held", "drop"}, "name the mails"},
		{[]string{"mail", "held", "drop", "--older-than", "1ms"}, held[2].ID + "  dropped"},
		{[]string{"mail", "replay"}, "--dry-run"},
		{[]string{"dkim", "generate", "--type", "ed25519", "--out", filepath.Join(t.TempDir(), "k.pem")}, "v=DKIM1; k=ed25519"},
		{[]string{"dkim", "generate", "--type", "dsa"}, "neither"},
		{[]string{"dkim", "generate", "--out", mbox}, "not written over"},
	} {
		out, err := run(c.args...)
		if err != nil {
			out += err.Error()
		}
		if !strings.Contains(out, c.want) {
			t.Errorf("cis %v: %s", c.args, out)
		}
	}
}
