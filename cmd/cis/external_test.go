package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/history/erasure"
	"github.com/calendar-invite-server/cis/internal/clientmail"
	"github.com/calendar-invite-server/cis/internal/postgres"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TestExternalDatabase runs with a database as hosts give it: a server of somebody else, a user who may do nothing there but
// make schemas in a database. It says what it needs; then everything works, and after an erasure the certificate says what is left to
// others, and that is all there is.
func TestExternalDatabase(t *testing.T) {
	ctx := within(t, 4*time.Minute)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "cis-external")
	must(err)
	defer func() { _ = os.RemoveAll(dir) }()
	must(os.Chmod(dir, 0o755))
	server, err := postgres.StartPrivate(ctx, dir, slog.New(slog.DiscardHandler))
	must(err)
	defer func() { server.Close(); _ = server.Remove() }()
	admin, err := pgxpool.New(ctx, server.DSN)
	must(err)
	defer admin.Close()
	do := func(list ...string) {
		t.Helper()
		for _, sql := range list {
			_, err := admin.Exec(ctx, sql)
			must(err)
		}
	}
	do(`CREATE ROLE app LOGIN`, `CREATE DATABASE events TEMPLATE template0 LC_COLLATE 'C.UTF-8'`, `GRANT CREATE ON DATABASE events TO app`)
	at := url.URL{Scheme: "postgres", User: url.User("app"), Path: "/events", RawQuery: url.Values{"host": {admin.Config().ConnConfig.Host}}.Encode()}

	relay, p := newRelayed(t)
	p.env = append(p.env, "DATABASE_URL="+at.String())
	refusal, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	cmd := exec.CommandContext(refusal, os.Args[0], "serve")
	cmd.Env = p.env
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "CREATE ROLE cis_reader NOLOGIN; GRANT cis_reader TO") {
		t.Fatalf("without the role: %v\n%s", err, out)
	}
	do(`CREATE ROLE cis_reader NOLOGIN`, `GRANT cis_reader TO app`)

	p.run(ctx)
	s := p.stage(relay)
	const ann, name = "annabelle@quillfeather.example", "Annabelle Quillfeather"
	_, uid, err := s.newEvent(ctx, "olga@organizer.example", "external@google.com")
	must(err)
	must(s.invite(ctx, uid, ann, name))
	must(s.invite(ctx, uid, "bob@guests.example", "Bob"))
	_, err = s.calendar(ctx, ann, 1)
	must(err)
	must(s.mail(ann, "rsvp@cis.localhost", clientmail.GmailReply(clientmail.Reply{
		UID: uid, DTStamp: time.Now(), Organizer: "rsvp@cis.localhost", Attendee: ann, Name: name, PartStat: "ACCEPTED", Start: time.Now(), Extra: "COMMENT:I am gluten-quokka free\n",
	})))
	must(s.counted(ctx, uid, map[string]int64{"accepted": 1, "noaction": 1}))
	if _, err := os.Stat(filepath.Join(p.data, "postgres")); err == nil {
		t.Error("a private server was made all the same")
	}

	words := needles(ann, name, "gluten-quokka")
	found := func(folder string) []string { return filesWith(t, words, filepath.Join(cluster(dir), folder)) }
	do(`CHECKPOINT`)
	if len(found("base")) == 0 || len(found("pg_wal")) == 0 {
		t.Fatal("before, she should be in the tables and in the write-ahead log")
	}
	p.must("projections", "rebuild", "--all")
	p.must("projections", "verify")
	file := filepath.Join(t.TempDir(), "certificate.json")
	p.must("recipients", "erase", ann, "--yes", "--out", file)
	raw, err := os.ReadFile(file)
	must(err)
	var c erasure.Certificate
	must(json.Unmarshal(raw, &c))
	todo := strings.Join(c.ToDo, "\n")
	for _, want := range []string{"as an administrator of the database: VACUUM FULL pg_catalog.pg_statistic", "CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT"} {
		if !strings.Contains(todo, want) {
			t.Errorf("what is left to do says nothing of %q: %s", want, todo)
		}
	}
	list, err := pgxpool.ParseConfig(server.DSN) // the administrator does what it says
	must(err)
	list.ConnConfig.Database = "events"
	there, err := pgxpool.NewWithConfig(ctx, list)
	must(err)
	defer there.Close()
	for _, sql := range []string{`VACUUM FULL pg_catalog.pg_statistic`, `CHECKPOINT`, `SELECT pg_switch_wal()`, `CHECKPOINT`} {
		_, err := there.Exec(ctx, sql)
		must(err)
	}
	for _, place := range []string{"base", "pg_wal"} {
		for _, f := range found(place) {
			t.Error(f)
		}
	}
	for _, f := range p.haystack(words) {
		t.Error(f)
	}
	p.must("projections", "verify")
	must(s.counted(ctx, uid, map[string]int64{"accepted": 1, "noaction": 1}))
	p.end(syscall.SIGTERM)
}
