package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/projections/own"
)

// TestOwnProjections: an analyst's own read model is tried, deployed, followed, rebuilt and verified; a broken one hurts
// nobody but itself; and analysts read it, and nothing else.
func TestOwnProjections(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	ev, uid, err := s.newEvent(ctx, olga, "own@google.com")
	if err != nil {
		t.Fatal(err)
	}
	answer := func(i int, partstat string) {
		t.Helper()
		if err := s.mail(guest(i), "rsvp@cis.localhost", clientmail.GmailReply(clientmail.Reply{
			UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: guest(i), Name: "Guest", PartStat: partstat, Start: ev.Start,
		})); err != nil {
			t.Fatal(err)
		}
	}
	answer(1, "ACCEPTED")
	answer(2, "ACCEPTED")
	answer(3, "DECLINED")
	if err := s.counted(ctx, uid, map[string]int64{"accepted": 2, "declined": 1}); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(filepath.Dir(p.out), "own")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := write("daily.sql", `-- version: 1
-- tables
CREATE TABLE @.answers (tenant text, day date, status text, n bigint NOT NULL, PRIMARY KEY (tenant, day, status));
CREATE TABLE @.title (uid text PRIMARY KEY, summary text, starts jsonb);
-- on EventCreated
INSERT INTO @.title VALUES (:uid, :content.summary, :content.start);
-- on RsvpReceived
INSERT INTO @.answers AS a VALUES (:tenant, (:at AT TIME ZONE 'UTC')::date, :status, 1)
ON CONFLICT (tenant, day, status) DO UPDATE SET n = a.n + 1;
`)
	if out := p.must("projections", "try", good); !strings.Contains(out, "4 facts") || !strings.Contains(out, "n=2 status=accepted") || !strings.Contains(out, "summary=Board <meeting> & more") {
		t.Errorf("try: %s", out)
	}
	p.refuses(":address is personal", "projections", "try", write("bad.sql", "-- tables\nCREATE TABLE @.t (a text PRIMARY KEY);\n-- on RsvpReceived\nINSERT INTO @.t VALUES (:address);"))
	if err := os.Rename(filepath.Join(dir, "bad.sql"), filepath.Join(dir, "bad.txt")); err != nil {
		t.Fatal(err)
	}
	p.refuses("cannot be its name", "projections", "try", filepath.Join(dir, "bad.txt"))
	broken := write("broken.sql", "-- tables\nCREATE TABLE @.t (uid text PRIMARY KEY, n int);\n-- on RsvpReceived\nINSERT INTO @.t VALUES (:event_uid, 1);") // the second answer breaks it
	p.refuses("duplicate key", "projections", "try", broken)

	write("torn.sql", "-- tables\nCREATE TABLE @.t (uid text PRIMARY KEY,,);\n-- on RsvpReceived\nINSERT INTO @.t VALUES (:event_uid);") // no server stumbles over it
	p.end(syscall.SIGTERM)
	p.env = append(p.env, "CIS_PROJECTIONS="+dir)
	p.run(ctx)
	db := p.beside(ctx)
	defer db.close()
	reads := func(want string) {
		t.Helper()
		eventually(t, ctx, "analysts read "+want, func() error {
			tx, err := db.pool.Begin(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback(ctx) }()
			if _, err := tx.Exec(ctx, `SET LOCAL ROLE cis_analyst`); err != nil {
				return err
			}
			var got string
			err = tx.QueryRow(ctx, `SELECT string_agg(status || ' ' || n, ', ' ORDER BY status) FROM analysts.daily_answers`).Scan(&got)
			if err == nil && got != want {
				err = fmt.Errorf("%s", got)
			}
			return err
		})
	}
	reads("accepted 2, declined 1")
	answer(4, "ACCEPTED")
	reads("accepted 3, declined 1")
	eventually(t, ctx, "the broken one stands still", func() error {
		out := p.must("poison", "list")
		if !strings.Contains(out, "broken") || !strings.Contains(out, "duplicate key") {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	resp, err := http.Get("http://" + p.http + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("an analyst's mistake keeps the server from being ready: %v %v", resp.StatusCode, err)
	}
	_ = resp.Body.Close()
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	tx, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`SELECT * FROM ` + string(tables(t, ctx, db, "attendees")) + `.person`, `DELETE FROM analysts.daily_answers`} {
		_, _ = tx.Exec(ctx, `SAVEPOINT s`)
		_, _ = tx.Exec(ctx, `SET LOCAL ROLE cis_analyst`)
		if _, err := tx.Exec(ctx, sql); err == nil || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%s: %v", sql, err)
		}
		_, _ = tx.Exec(ctx, `ROLLBACK TO s`)
	}
	_ = tx.Rollback(ctx)

	if _, err := db.pool.Exec(ctx, `UPDATE analysts.daily_answers SET n = 17 WHERE status = 'accepted'`); err != nil {
		t.Fatal(err)
	}
	if out, err := p.command("projections", "verify", "daily"); err == nil || !strings.Contains(out, "n is 17, should be 3") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	p.must("projections", "rebuild", "daily")
	reads("accepted 3, declined 1")
	p.must("projections", "verify", "daily")

	// A new version is filled beside and takes over at the next start.
	write("daily.sql", `-- version: 2
-- tables
CREATE TABLE @.answers (status text PRIMARY KEY, n bigint NOT NULL);
-- on RsvpReceived
INSERT INTO @.answers AS a VALUES (upper(:status), 1) ON CONFLICT (status) DO UPDATE SET n = a.n + 1;
`)
	p.end(syscall.SIGTERM)
	p.run(ctx)
	reads("ACCEPTED 3, DECLINED 1")
	p.end(syscall.SIGTERM)
	write("odd.sql", "-- tables\n")
	p.refuses("it makes no table", "config")
}

// TestOwnNames: an analyst's read model cannot have the name of one of the program's.
func TestOwnNames(t *testing.T) {
	for _, name := range (&parts{cfg: &Config{}}).keeper().Names() {
		if _, err := own.Parse(name, "-- tables\nCREATE TABLE @.t (a text PRIMARY KEY);\n-- on RsvpReceived\nINSERT INTO @.t VALUES (:stream);"); err == nil {
			t.Errorf("%s is not reserved", name)
		}
	}
}
