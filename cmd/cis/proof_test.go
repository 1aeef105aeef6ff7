package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/history/proof"
	"github.com/calendar-invite-server/cis/internal/clientmail"
)

// TestTamper changes the store's file behind the program's back, in every way, and has the program name what was changed.
func TestTamper(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "tamper@google.com")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		who := guest(i)
		if err := errors.Join(s.invite(ctx, uid, who, "Guest"), s.mail(who, "rsvp@cis.localhost", clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: who, Name: "Guest", PartStat: "ACCEPTED", Start: time.Now(),
		}))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.counted(ctx, uid, map[string]int64{"accepted": 5}); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := s.calendar(ctx, guest(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := p.command(append([]string{"audit"}, args...)...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return out
	}
	dir := filepath.Dir(p.out)
	kept, export, evidence := filepath.Join(dir, "checkpoint"), filepath.Join(dir, "export"), filepath.Join(dir, "proof.json")
	key := strings.TrimSpace(must("key"))
	p.end(syscall.SIGTERM) // what is under way is recorded
	if err := os.WriteFile(kept, []byte(must("checkpoint")), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := must("checkpoint"); again != string(fileOf(t, kept)) {
		t.Errorf("nothing was new, and another checkpoint was signed:\n%s", again)
	}
	if out := must("verify", "--checkpoint", kept); !strings.Contains(out, "are as they were signed") {
		t.Errorf("verify: %s", out)
	}

	// One answer, proven to somebody who has nothing but the file and the key.
	parts := p.ended(ctx)
	answer := invitation.Stream(uid, parts.keys.PersonID("default", guest(3)))
	records, err := parts.store.ReadStream(ctx, answer, 0)
	if err != nil {
		t.Fatal(err)
	}
	parts.close()
	where := "" // InviteSent may come before or after it
	for _, r := range records {
		if r.Type == "RsvpReceived" {
			where = fmt.Sprintf("%s@%d", answer, r.Revision)
		}
	}
	const isAnswer = `type = 'RsvpReceived' AND stream = `
	must("prove", where, "--out", evidence)
	alone := func(args ...string) (string, error) {
		q := *p
		q.env = append(os.Environ(), "CIS_TEST_AS_CIS=1", "CIS_DATA="+filepath.Join(dir, "nothing"))
		return q.command(append([]string{"audit"}, args...)...)
	}
	if out, err := alone("check", evidence, "--key", key); err != nil || !strings.Contains(out, where) {
		t.Errorf("check: %v\n%s", err, out)
	}
	forged := bytes.Replace(fileOf(t, evidence), []byte(`"index": `), []byte(`"index": 1`), 1)
	if err := os.WriteFile(evidence, forged, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := alone("check", evidence, "--key", key); err == nil || !strings.Contains(out, "not in the log that was signed") {
		t.Errorf("a forged proof: %v\n%s", err, out)
	}
	must("export", "--out", export)
	if out, err := alone("verify", "--export", export, "--key", key); err != nil || !strings.Contains(out, "are as they were signed") {
		t.Errorf("verifying the export: %v\n%s", err, out)
	}
	if strings.Contains(string(fileOf(t, export)), guest(3)) {
		t.Error("the export is not sealed")
	}

	// Now the store's file is changed. Each way begins with the file as it was.
	events := filepath.Join(p.data, "eventstore", "events.db")
	whole := fileOf(t, events)
	tamper := func(sql_ ...string) {
		t.Helper()
		if err := os.WriteFile(events, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", "file:"+events)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range append(sql_, `PRAGMA wal_checkpoint(TRUNCATE)`) {
			if _, err := db.Exec(q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		_ = db.Close()
	}
	for name, c := range map[string]struct {
		sql  []string
		want []string
	}{
		"an answer is changed": {
			[]string{`UPDATE event SET data = CAST(replace(CAST(data AS TEXT), 'accepted', 'declined') AS BLOB) WHERE ` + isAnswer + `'` + answer + `'`},
			[]string{"changed: record ", where + ") RsvpReceived", "differs: "},
		},
		"an answer is removed": {
			[]string{`DELETE FROM event WHERE stream = '` + answer + `' AND revision = 1`},
			[]string{"removed: record ", "broken: record ", answer + "@2", "should go on with revision 1"},
		},
		"a record is put behind the others": {
			[]string{`UPDATE event SET position = (SELECT max(position) + 1 FROM event) WHERE stream = '` + answer + `' AND revision = 1`},
			[]string{"moved: record ", answer},
		},
		"the end is cut off": {
			[]string{`DELETE FROM event WHERE position > (SELECT max(position) - 5 FROM event)`},
			[]string{"removed: record ", "the log ends here"},
		},
	} {
		tamper(c.sql...)
		out, err := p.command("audit", "verify", "--checkpoint", kept)
		if err == nil {
			t.Errorf("%s: nothing found\n%s", name, out)
		}
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: %q is missing in\n%s", name, w, out)
			}
		}
	}
	tamper(`DELETE FROM event WHERE position > (SELECT max(position) - 5 FROM event)`)
	if out, err := p.command("audit", "checkpoint"); err == nil || !strings.Contains(out, "ends before records that it had") {
		t.Errorf("signed a log that was cut off: %v\n%s", err, out)
	}
	tamper()
	must("verify", "--checkpoint", kept)

	// Without the kept hashes the log is compared with its own checkpoints before anything is signed.
	if err := os.RemoveAll(filepath.Join(p.data, "proof")); err != nil {
		t.Fatal(err)
	}
	tamper(`UPDATE event SET created = created + 10000000 WHERE ` + isAnswer + `'` + answer + `'`)
	if out, err := p.command("audit", "checkpoint"); err == nil || !strings.Contains(out, "not what was signed") {
		t.Errorf("signed a log that was changed: %v\n%s", err, out)
	}
	tamper()
	if again := must("checkpoint"); again != string(fileOf(t, kept)) {
		t.Errorf("the hashes were made again, and the checkpoint is another:\n%s", again)
	}
}

func fileOf(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestCheckpointsElsewhere: a running server signs what is new, posts it and mails it.
func TestCheckpointsElsewhere(t *testing.T) {
	t.Parallel()
	ctx := within(t, 3*time.Minute)
	var posted atomic.Pointer[string]
	there := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		text := string(raw)
		posted.Store(&text)
	}))
	t.Cleanup(there.Close)
	s := startStage(t, map[string]string{"CIS_CHECKPOINT_URL": there.URL, "CIS_CHECKPOINT_MAIL": "notary@elsewhere.example"})
	signing, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	often := *s.app.notary
	often.Every = 50 * time.Millisecond
	go func() { done <- often.Run(signing) }()
	m, err := s.sink.Wait(ctx, "notary@elsewhere.example", 1)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := read(t, m)
	_, note, _ := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	c, err := s.app.notary.Key.Open(note)
	if err != nil || c.Size == 0 {
		t.Errorf("mailed: %+v, %v\n%s", c, err, text)
	}
	if _, _, err := s.newEvent(ctx, "olga@organizer.example", "elsewhere@google.com"); err != nil {
		t.Fatal(err)
	}
	eventually(t, ctx, "a newer checkpoint posted", func() error {
		text := posted.Load()
		if text == nil {
			return errors.New("none")
		}
		p, err := s.app.notary.Key.Open(*text)
		if err == nil && p.Size <= c.Size {
			err = fmt.Errorf("of %d records", p.Size)
		}
		return err
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := s.sink.Count(); n != 2 { // one to the notary, one to the organizer
		t.Errorf("%d mails went out", n)
	}
	if _, err := proof.ParseKey(s.app.notary.Key.String()); err != nil {
		t.Error(err)
	}
}
