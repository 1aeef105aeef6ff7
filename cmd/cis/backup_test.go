package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/history/backup"
)

// again prepares a program with the settings of another one, and a data folder of its own.
func (p *process) again(t *testing.T) *process {
	t.Helper()
	q := newProcess(t, "")
	env := append([]string{}, p.env...)
	for _, kv := range q.env[len(q.env)-12:] {
		for _, name := range []string{"CIS_DATA=", "CIS_HTTP=", "CIS_SMTP="} {
			if strings.HasPrefix(kv, name) {
				env = append(env, kv)
			}
		}
	}
	q.env = env
	return q
}

func (p *process) must(args ...string) string {
	p.t.Helper()
	out, err := p.command(args...)
	if err != nil {
		p.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return out
}

func (p *process) refuses(want string, args ...string) {
	p.t.Helper()
	if out, err := p.command(args...); err == nil || !strings.Contains(out, want) {
		p.t.Errorf("%v: %v, %q is missing in\n%s", args, err, want, out)
	}
}

// TestBackup: a backup is made while mail is owed, everything goes on and is sent; then the backup is brought back elsewhere,
// where nobody is mailed a second time until somebody has looked.
func TestBackup(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "backup@google.com")
	if err != nil {
		t.Fatal(err)
	}
	p.end(syscall.SIGTERM)
	normally := p.env
	p.env = append(p.env, "CIS_RELAY=smtp://127.0.0.1:1") // nobody is there
	p.run(ctx)
	const people = 5
	for i := range people {
		if err := s.invite(ctx, uid, guest(i), "Guest"); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Dir(p.out)
	logs, keys := filepath.Join(dir, "logs"), filepath.Join(dir, "keys")
	var taken backup.Taken
	if err := json.Unmarshal([]byte(p.must("backup", logs, "--keys", keys, "--json")), &taken); err != nil {
		t.Fatal(err)
	}
	p.end(syscall.SIGTERM)
	p.env = normally
	p.run(ctx)
	for i := range people {
		if _, err := s.calendar(ctx, guest(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	sent := relay.Count()
	p.end(syscall.SIGKILL) // the machine is gone

	q := p.again(t)
	q.refuses("the secret with the fingerprint", "restore", taken.Log, "--keys", taken.Keys)
	secret, err := os.ReadFile(filepath.Join(p.data, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(q.data, "secret"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	q.refuses("interrupted", "fence", "status") // the refused restore is not taken for a log
	q.refuses("no backup", "restore", dir)
	q.refuses("is no backup", "restore", taken.Log) // the keys are elsewhere
	q.must("restore", taken.Log, "--keys", taken.Keys)
	q.refuses("there is a log in CIS_DATA already", "restore", taken.Log, "--keys", taken.Keys)
	q.run(ctx)
	r := q.stage(relay)
	var h held
	if err := json.Unmarshal([]byte(q.must("fence", "status", "--json")), &h); err != nil {
		t.Fatal(err)
	}
	if len(h.Mails) != 1 || h.Mails[0].Kind != "invite" || h.Mails[0].Subject != uid || h.Mails[0].Mails != people {
		t.Errorf("held: %+v", h)
	}
	// What is new is not held.
	if err := r.invite(ctx, uid, "new@guests.example", "New"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.calendar(ctx, "new@guests.example", 1); err != nil {
		t.Fatal(err)
	}
	q.refuses("only mails can be dropped", "fence", "release", "inbox", "--about", uid)
	q.refuses("none of mails, inbox, tables", "fence", "release", "nonsense")
	if n := relay.Count(); n != sent+1 {
		t.Errorf("%d mails went out after the log was brought back, 1 is new", n-sent)
	}
	q.must("fence", "drop", "--kind", "invite", "--about", uid)
	q.must("projections", "rebuild", "ledger") // a rebuilt ledger has not forgotten
	q.must("projections", "verify")
	if err := r.invite(ctx, uid, "newer@guests.example", "Newer"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.calendar(ctx, "newer@guests.example", 1); err != nil {
		t.Fatal(err)
	}
	if n := relay.Count(); n != sent+2 {
		t.Errorf("%d mails went out after what was held was dropped, 2 are new", n-sent)
	}
	q.must("fence", "release")
	q.refuses("nothing is held", "fence", "release")
	q.must("audit", "verify")

	// Somebody who looked and saw that nothing had been sent lets it go.
	u := p.again(t)
	if err := os.WriteFile(filepath.Join(u.data, "secret"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	u.must("restore", taken.Log, "--keys", taken.Keys)
	u.must("fence", "release", "mails")
	u.run(ctx)
	for i := range people {
		if _, err := u.stage(relay).calendar(ctx, guest(i), 2); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupKilled kills backups and restores in the middle. What is left is not taken for a backup, nor for a log.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "killed@google.com")
	if err != nil {
		t.Fatal(err)
	}
	db := p.beside(ctx)
	large := make([]byte, 20<<20) // so that copying takes a moment
	_, _ = rand.Read(large)
	if _, err := db.facts.AppendRaw(ctx, "default", strings.Repeat("f", 32), large); err != nil {
		t.Fatal(err)
	}
	db.close()
	if err := s.invite(ctx, uid, guest(1), "Guest"); err != nil {
		t.Fatal(err)
	}
	if err := s.counted(ctx, uid, map[string]int64{"noaction": 1}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(filepath.Dir(p.out), "backups")
	kill := func(q *process, glob string, args ...string) {
		t.Helper()
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = q.env
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "being in the middle", func() error {
			if found, _ := filepath.Glob(glob); len(found) == 0 {
				return errors.New("nothing there yet")
			}
			return nil
		})
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	kill(p, filepath.Join(dir, "*.partial", "events.db"), "backup", dir)
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(left) != 1 || !strings.HasSuffix(left[0], ".partial") {
		t.Fatalf("the kill came too late, or left something else: %v", left)
	}
	q := p.again(t)
	q.refuses("no backup", "restore", left[0])
	// Facts come in while the next one is made.
	answering, stop := context.WithCancel(ctx)
	answered := make(chan int, 1)
	go func() {
		n := 0
		for ; answering.Err() == nil; n++ {
			if err := s.invite(ctx, uid, fmt.Sprintf("during%d@guests.example", n), "During"); err != nil {
				break
			}
		}
		answered <- n
	}()
	var taken backup.Taken
	if err := json.Unmarshal([]byte(p.must("backup", dir, "--with-secret", "--json")), &taken); err != nil {
		t.Fatal(err)
	}
	stop()
	if n := <-answered; n == 0 {
		t.Error("nobody could be invited while the backup was made")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	p.end(syscall.SIGTERM)

	kill(q, filepath.Join(q.data, "restore.partial", "eventstore", "events.db"), "restore", taken.Log)
	q.refuses("interrupted", "audit", "verify")
	q.must("restore", taken.Log)
	if out := q.must("audit", "verify"); !strings.Contains(out, "records") {
		t.Errorf("verify: %s", out)
	}
	q.run(ctx)
	eventually(t, ctx, "the attendees of then", func() error {
		st, err := q.stage(relay).statistics(ctx, uid)
		if err == nil && st.Attendees < 1 {
			err = errors.New("nobody")
		}
		return err
	})

	// A damaged copy is refused before anything is put in place.
	u := p.again(t)
	raw := fileOf(t, filepath.Join(taken.Log, "events.db"))
	raw[len(raw)/2] ^= 1
	if err := os.WriteFile(filepath.Join(taken.Log, "events.db"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	u.refuses("damaged", "restore", taken.Log)
	if left, _ := os.ReadDir(u.data); len(left) != 0 {
		t.Errorf("a refused restore left %v", left)
	}
}

// TestVaultRotate: the key that wraps all others is replaced; what was sealed is read with the new one, also when the rotation
// was interrupted at the worst moment, and after a restore.
func TestVaultRotate(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.refuses("there is no vault", "vault", "rotate")
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, olga, "rotate@google.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.invite(ctx, uid, guest(1), "Ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.calendar(ctx, guest(1), 1); err != nil {
		t.Fatal(err)
	}
	p.refuses("in use", "vault", "rotate")
	p.end(syscall.SIGTERM)
	readable := func(p *process) {
		t.Helper()
		if out := p.must("audit", "show", uid); !strings.Contains(out, guest(1)) {
			t.Errorf("not readable:\n%s", out)
		}
	}
	p.must("vault", "rotate")
	readable(p)
	key := filepath.Join(p.data, "vault.key")
	if err := os.Rename(key, key+".new"); err != nil { // killed before the key had its place
		t.Fatal(err)
	}
	readable(p)
	p.must("vault", "rotate")
	readable(p)
	if _, err := os.Stat(key + ".new"); err == nil {
		t.Error("the key of an interrupted rotation is left over")
	}
	if err := os.WriteFile(key+".new", fileOf(t, filepath.Join(p.data, "secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	p.refuses("is no vault key", "audit", "show", uid)
	_ = os.Remove(key + ".new")

	var taken backup.Taken
	if err := json.Unmarshal([]byte(p.must("backup", filepath.Join(filepath.Dir(p.out), "backups"), "--with-secret", "--json")), &taken); err != nil {
		t.Fatal(err)
	}
	q := p.again(t)
	q.must("restore", taken.Log)
	readable(q)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	p.refuses("the key that wraps its keys is missing", "audit", "show", uid)
}

// TestMigrateStore moves a log from the embedded store to one that is reached over TCP, and back; it is killed on the way.
func TestMigrateStore(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "move@google.com")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := s.invite(ctx, uid, guest(i), "Guest"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		if _, err := s.calendar(ctx, guest(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	p.refuses("end the server first", "migrate-store", "--from", "embedded", "--to", "esdb://127.0.0.1:1?tls=false")
	p.end(syscall.SIGTERM)
	kept := filepath.Join(filepath.Dir(p.out), "checkpoint")
	if err := os.WriteFile(kept, []byte(p.must("audit", "checkpoint")), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	url := "esdb://" + addr + "?tls=false"
	store := exec.Command(os.Args[0], "eventstore", "--listen", addr, "--dir", filepath.Join(filepath.Dir(p.out), "other"))
	store.Env = p.env
	if err := store.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Process.Kill(); _ = store.Wait() })
	moving := exec.Command(os.Args[0], "migrate-store", "--from", "embedded", "--to", url)
	moving.Env = p.env
	if err := moving.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = moving.Process.Kill() }) // somewhere
	_ = moving.Wait()
	if out, err := p.command("migrate-store", "--from", "embedded", "--to", url); err != nil && !strings.Contains(out, "holds other records") {
		t.Fatalf("moving: %v\n%s", err, out) // unless the first one had ended
	}
	moved := p.again(t)
	moved.env = append(moved.env, "CIS_DATA="+p.data, "EVENTSTORE_URL="+url, "CIS_SECRET_FILE="+filepath.Join(p.data, "secret"))
	moved.data = p.data
	if out := moved.must("audit", "verify", "--checkpoint", kept); !strings.Contains(out, "are as they were signed") {
		t.Errorf("verify: %s", out)
	}
	if out, err := moved.command("projections", "status"); err != nil && !strings.Contains(out, "another log") {
		t.Errorf("with the old database: %v\n%s", err, out)
	}
	if raw, err := os.ReadFile(filepath.Join(p.data, "postgres.path")); err == nil {
		_ = os.RemoveAll(filepath.Dir(strings.TrimSpace(string(raw))))
	}
	for _, name := range []string{"postgres", "postgres.path"} {
		_ = os.RemoveAll(filepath.Join(p.data, name))
	}
	before := relay.Count()
	moved.run(ctx)
	r := moved.stage(relay)
	eventually(t, ctx, "the attendees", func() error {
		st, err := r.statistics(ctx, uid)
		if err == nil && st.Attendees != 20 {
			err = fmt.Errorf("%d", st.Attendees)
		}
		return err
	})
	if err := r.invite(ctx, uid, "new@guests.example", "New"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.calendar(ctx, "new@guests.example", 1); err != nil {
		t.Fatal(err)
	}
	if n := relay.Count(); n != before+1 {
		t.Errorf("%d mails after moving, 1 is new", n-before)
	}
	moved.end(syscall.SIGTERM)
	moved.refuses("name two stores", "migrate-store", "--from", "embedded")
	moved.must("migrate-store", "--from", url, "--to", "embedded") // what is new is added to the old log
	p.must("audit", "verify", "--checkpoint", kept)
	moved.refuses("holds other records", "migrate-store", "--from", url, "--to", "embedded") // which has gone on since
}
