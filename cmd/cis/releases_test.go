package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/history/backup"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/notifier"
)

var update = flag.Bool("update", false, "write a stored log of this version into testdata/logs, if there is none of today")

// TestEarlierLogs: this program reads the logs of all earlier ones. Each file in testdata/logs is a backup that such a program
// made of a story, with what it said about it then; they never change. They are brought back, folded anew and compared.
func TestEarlierLogs(t *testing.T) {
	t.Parallel()
	ctx := within(t, 5*time.Minute)
	if *update {
		storeLog(t, ctx)
	}
	files, err := filepath.Glob("testdata/logs/*.zip")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no stored logs: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p := newProcess(t, "smtp://127.0.0.1:1") // nothing is to be sent
			dir := filepath.Join(filepath.Dir(p.out), "stored")
			unzip(t, file, dir)
			p.must("restore", dir)
			if out := p.must("audit", "verify"); !strings.Contains(out, "are as they were signed") {
				t.Errorf("its proofs: %s", out)
			}
			p.run(ctx)
			var said map[string]json.RawMessage
			if err := json.Unmarshal(fileOf(t, filepath.Join(dir, "said.json")), &said); err != nil {
				t.Fatal(err)
			}
			s := p.stage(nil)
			for path, want := range said {
				status, body, err := s.get(ctx, path, "key")
				if err != nil || status != 200 || !sameJSON(body, want) {
					t.Errorf("%s: %d %v\nsays %s\nsaid %s", path, status, err, body, want)
				}
			}
			p.must("projections", "verify")
			if out := p.must("mail", "replay", "--dry-run"); !strings.Contains(out, " 0 would be understood differently") {
				t.Errorf("its mails are understood otherwise: %s", out)
			}
		})
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	ax, _ := json.Marshal(x)
	by, _ := json.Marshal(y)
	return bytes.Equal(ax, by)
}

func unzip(t *testing.T, file, dir string) {
	t.Helper()
	r, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(in)
		_ = in.Close()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// storeLog has this program live through a story, and keeps its backup and what it says about it.
func storeLog(t *testing.T, ctx context.Context) {
	t.Helper()
	file := filepath.Join("testdata", "logs", time.Now().UTC().Format(time.DateOnly)+".zip")
	if _, err := os.Stat(file); err == nil {
		return
	}
	relay, p := newRelayed(t)
	p.env = append(p.env, "CIS_UPDATE_WINDOW=0")
	p.run(ctx)
	s := p.stage(relay)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ev, uid, err := s.newEvent(ctx, olga, "stored@google.com")
	must(err)
	answer := func(i int, partstat string) {
		must(s.mail(guest(i), "rsvp@cis.localhost", clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: guest(i), Name: "Guest", PartStat: partstat, Start: ev.Start, Extra: "COMMENT:with pleasure\n",
		})))
	}
	for i := range 6 {
		must(s.invite(ctx, uid, guest(i), "Guest"))
		_, err := s.calendar(ctx, guest(i), 1)
		must(err)
	}
	answer(0, "ACCEPTED")
	answer(1, "DECLINED")
	answer(2, "TENTATIVE")
	answer(7, "ACCEPTED") // never invited
	must(s.counted(ctx, uid, map[string]int64{"accepted": 2, "declined": 1, "tentative": 1}))
	p.must("organizers", "allow-bulk", olga)
	must(s.mail(olga, "bulk@cis.localhost", clientmail.Table(olga, "bulk@cis.localhost", []byte("email,name,uid\nbulk1@example.com,One,"+uid+"\nnonsense,Two,"+uid+"\n"))))
	_, err = s.calendar(ctx, "bulk1@example.com", 1)
	must(err)
	ev.Sequence, ev.Summary, ev.DTStamp = 1, "Moved", time.Now().Add(time.Second)
	must(s.mail(olga, ev.To, clientmail.GoogleRequest(ev)))
	_, err = s.calendar(ctx, guest(0), 2)
	must(err)
	p.must("event", "withdraw", uid, guest(3))
	_, err = s.calendar(ctx, guest(3), 2)
	must(err)
	p.must("recipients", "unsubscribe", guest(4))
	p.must("recipients", "erase", guest(5), "--yes")
	p.must("keys", "issue", "stored", "--scopes", "events:read")
	p.must("members", "grant", "auditor@example.com", "--role", "auditor")
	p.must("tenants", "create", "other")
	must(s.mail("stranger@example.com", "create@cis.localhost", clientmail.Text("stranger@example.com", "create@cis.localhost", "Hello", "no calendar")))
	db := p.beside(ctx)
	defer db.close()
	eventually(t, ctx, "nothing under way", func() error {
		waiting, err := unhandled(ctx, db)
		if err == nil && waiting == 0 {
			var owed []notifier.Owed
			owed, err = notifier.ListOwed(ctx, db.pool, tenant.Default, 10)
			waiting = len(owed)
		}
		if err == nil && waiting > 0 {
			err = fmt.Errorf("%d mails are", waiting)
		}
		return err
	})
	said := map[string]json.RawMessage{}
	for _, path := range []string{"/v1/events/" + uid, "/v1/events/" + uid + "/statistics", "/v1/events/" + uid + "/attendees", "/v1/statistics"} {
		status, body, err := s.get(ctx, path, "key")
		if err != nil || status != 200 {
			t.Fatal(path, status, err)
		}
		said[path] = body
	}
	p.end(syscall.SIGTERM)
	p.must("audit", "checkpoint")
	var taken backup.Taken
	must(json.Unmarshal([]byte(p.must("backup", filepath.Join(filepath.Dir(p.out), "backups"), "--with-secret", "--json")), &taken))
	raw, err := json.MarshalIndent(said, "", "  ")
	must(err)
	must(os.WriteFile(filepath.Join(taken.Log, "said.json"), raw, 0o600))
	must(os.MkdirAll(filepath.Dir(file), 0o755))
	out, err := os.Create(file)
	must(err)
	w := zip.NewWriter(out)
	must(w.AddFS(os.DirFS(taken.Log)))
	must(w.Close())
	must(out.Close())
}
