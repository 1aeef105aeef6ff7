package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/google/uuid"
)

// TestPoisonCommands: a fact of a newer program keeps what reads its stream still, and nothing else; an operator sees it,
// passes over it, and every rebuild does, too. A mail that was set aside is tried again, and dropped.
func TestPoisonCommands(t *testing.T) {
	t.Parallel()
	ctx := within(t, 6*time.Minute)
	relay, p := newRelayed(t)
	p.run(ctx)
	s := p.stage(relay)
	if _, _, err := s.newEvent(ctx, olga, "before@google.com"); err != nil {
		t.Fatal(err)
	}
	db := p.beside(ctx)
	defer db.close()
	if out := p.must("poison", "list", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("nothing is poisoned: %s", out)
	}
	p.refuses("nothing called", "poison", "skip", "statistics", "--why", "x")

	const id = "00000000000000000000000000000001"
	lost := mail.MailReceived{Tenant: tenant.Default, MailID: id, Door: "smtp", Size: 1, Chunks: 1, Lane: "lane", Received: time.Now().UTC(), From: "a@b.example", Recipients: "create@cis.localhost"}
	if _, err := db.facts.Append(ctx, mail.Stream(id), eventstore.NoStream, commands.From("test", tenant.Default, id, 0), lost); err != nil { // its bytes are nowhere
		t.Fatal(err)
	}
	const stream = event.StreamPrefix + "0000000000000000000000000000000000000001"
	odd := eventstore.Proposed{ID: uuid.New(), Type: "EventTeleported", Data: []byte(`{"to":"Mars"}`), Metadata: []byte(`{"tenant":"default"}`)}
	if _, err := db.store.Append(ctx, stream, eventstore.NoStream, odd); err != nil {
		t.Fatal(err)
	}
	list := func() (found map[string]stuck) {
		t.Helper()
		var all []stuck
		if err := json.Unmarshal([]byte(p.must("poison", "list", "--json")), &all); err != nil {
			t.Fatal(err)
		}
		found = map[string]stuck{}
		for _, s := range all {
			found[s.ID] = s
		}
		return found
	}
	readers := []string{"attendees", "events", "inbox", "ledger", "statistics"} // of streams of events
	eventually(t, ctx, "all its readers stand still", func() error {
		found := list()
		for _, name := range readers {
			if f := found[name]; f.Kind != "fact" || f.At != stream+"@0" || !strings.Contains(f.Why, "EventTeleported") {
				return errors.New(name + " does not")
			}
		}
		return nil
	})
	for _, other := range []string{"organizers", "access", "bulk", "webhooks"} {
		if f, still := list()[other]; still {
			t.Errorf("%s stands still, too: %+v", other, f)
		}
	}
	resp, err := http.Get("http://" + p.http + "/readyz")
	if err != nil || resp.StatusCode == http.StatusOK {
		t.Errorf("ready: %v %v", resp.StatusCode, err)
	}
	_ = resp.Body.Close()
	if out := p.must("poison", "show", "statistics"); !strings.Contains(out, `"to": "Mars"`) {
		t.Errorf("show: %s", out)
	}
	p.must("poison", "retry", "statistics")
	p.refuses("say why", "poison", "skip", "statistics")
	for _, name := range readers {
		p.must("poison", "skip", name, "--why", "teleporting is not for us")
	}
	if _, _, err := s.newEvent(ctx, olga, "after@google.com"); err != nil {
		t.Fatalf("nothing goes on: %v", err)
	}
	eventually(t, ctx, "nothing stands still", func() error {
		for _, name := range readers {
			if _, still := list()[name]; still {
				return errors.New(name + " does")
			}
		}
		return nil
	})
	p.must("projections", "rebuild", "--all") // the skip holds for these, too
	p.must("projections", "verify")
	if out := p.must("audit", "search", "--type", "FactSkipped"); strings.Count(out, "FactSkipped") != len(readers) || !strings.Contains(out, "teleporting is not for us") {
		t.Errorf("the record: %s", out)
	}

	// The mail: twelve attempts later it is set aside.
	aside := func() {
		t.Helper()
		if _, err := db.pool.Exec(ctx, tables(t, ctx, db, "inbox").SQL(`UPDATE @.todo SET attempts = 11, due = '-infinity' WHERE mail_id = $1`), id); err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, "the mail set aside", func() error {
			if list()[id].Kind != "mail" {
				return errors.New("not yet")
			}
			return nil
		})
	}
	eventually(t, ctx, "a first attempt", func() error {
		var n int
		err := db.pool.QueryRow(ctx, tables(t, ctx, db, "inbox").SQL(`SELECT attempts FROM @.todo WHERE mail_id = $1 AND due > now()`), id).Scan(&n)
		if err == nil && n == 0 {
			err = errors.New("none")
		}
		return err
	})
	aside()
	if out := p.must("poison", "show", id); !strings.Contains(out, "MailReceived") || strings.Contains(out, "a@b.example") {
		t.Errorf("show: %s", out)
	}
	p.must("poison", "retry", id)
	eventually(t, ctx, "tried again", func() error {
		if _, still := list()[id]; still {
			return errors.New("not yet")
		}
		return nil
	})
	aside()
	p.refuses("say why", "poison", "skip", id)
	p.must("poison", "skip", id, "--why", "its bytes are lost")
	eventually(t, ctx, "dropped", func() error {
		if _, still := list()[id]; still {
			return errors.New("not yet")
		}
		return nil
	})
	if out := p.must("audit", "show", id); !strings.Contains(out, "its bytes are lost dropped it") {
		t.Errorf("the record: %s", out)
	}
}
