package facts_test

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/facts/factstest"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var update = flag.Bool("update", false, "write samples for facts that have none")

func TestLog(t *testing.T) {
	ctx := t.Context()
	log := factstest.NewLog(t)
	ref := invitation.Ref{Tenant: "default", EventUID: "e1", AttendeeID: "p1"}
	asked := invitation.InviteRequested{Ref: ref, OrganizerID: "o", Address: "ann@example.com", Name: "Ann", Origin: "api"}
	sent := invitation.InviteSent{Ref: ref, Handover: invitation.Handover{Revision: 1, MessageID: "m", Answer: "250 ok <ann@example.com>"}}
	meta := facts.Meta{Tenant: "default", Command: uuid.New(), Actor: "test"}
	if _, err := log.Append(ctx, ref.Stream(), eventstore.NoStream, meta, asked, sent); err != nil {
		t.Fatal(err)
	}
	t.Run("facts come back as they went in", func(t *testing.T) {
		got, revision, err := log.Load(ctx, ref.Stream())
		if err != nil || revision != 1 {
			t.Fatal(revision, err)
		}
		if diff := cmp.Diff([]schema.Fact{asked, sent}, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the same command proposes the same records", func(t *testing.T) {
		if _, err := log.Append(ctx, ref.Stream(), eventstore.NoStream, meta, asked, sent); err != nil {
			t.Error(err)
		}
	})
	t.Run("the store never sees an address", func(t *testing.T) {
		recs, err := log.Store().ReadStream(ctx, ref.Stream(), 0)
		if err != nil || len(recs) != 2 {
			t.Fatal(len(recs), err)
		}
		for _, r := range recs {
			if s := string(r.Data) + string(r.Metadata); strings.Contains(s, "ann@") || strings.Contains(s, "Ann") {
				t.Errorf("%s holds personal data: %s", r.Type, s)
			}
		}
	})
	t.Run("an erased person reads as empty, and what happened stays", func(t *testing.T) {
		if _, err := log.Vault().Destroy(ctx, "p1"); err != nil {
			t.Fatal(err)
		}
		got, _, err := log.Load(ctx, ref.Stream())
		if err != nil {
			t.Fatal(err)
		}
		gone := asked
		gone.Address, gone.Name = "", ""
		if diff := cmp.Diff(gone, got[0]); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("an unknown fact stops the reader", func(t *testing.T) {
		rec := eventstore.Proposed{ID: uuid.New(), Type: "SomethingElse", Data: []byte("{}")}
		if _, err := log.Store().Append(ctx, "event-x", eventstore.NoStream, rec); err != nil {
			t.Fatal(err)
		}
		if _, _, err := log.Load(ctx, "event-x"); !errors.Is(err, schema.ErrUnknownName) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRaw(t *testing.T) {
	ctx := t.Context()
	log := factstest.NewLog(t)
	r := rand.NewChaCha8([32]byte{})
	big := make([]byte, 1_300_000) // does not compress: three chunks
	_, _ = r.Read(big)
	for name, raw := range map[string][]byte{"small": []byte("From: a\r\n\r\nhello"), "empty": {}, "big": big} {
		t.Run(name, func(t *testing.T) {
			n, err := log.AppendRaw(ctx, "default", "id-"+name, raw)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := log.AppendRaw(ctx, "default", "id-"+name, raw); err != nil || again != n {
				t.Errorf("the repeat: %d chunks, %v", again, err)
			}
			got, err := log.LoadRaw(ctx, "id-"+name)
			if err != nil || !bytes.Equal(got, raw) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestOpenLog(t *testing.T) {
	log := factstest.NewLog(t)
	id, _, err := log.OpenLog(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := log.OpenLog(t.Context(), "one"); err != nil || again != id {
		t.Errorf("got %q, %v", again, err)
	}
	if _, _, err := log.OpenLog(t.Context(), "two"); !errors.Is(err, facts.ErrOtherKey) {
		t.Errorf("another secret: %v", err)
	}
}

// TestSamples reads a stored sample of every fact: what was written by an earlier version must stay readable. With
// -update it writes samples for facts that have none; existing ones are never changed.
func TestSamples(t *testing.T) {
	for _, name := range facts.Registry.Names() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "facts", name+".json")
			raw, err := os.ReadFile(path)
			if errors.Is(err, os.ErrNotExist) && *update {
				fact, _ := facts.Registry.Decode(name, []byte("{}"))
				raw = sample(t, fact)
				if err := os.WriteFile(path, raw, 0o644); err != nil {
					t.Fatal(err)
				}
			} else if err != nil {
				t.Fatalf("every fact needs a sample (make golden): %v", err)
			}
			fact, err := facts.Registry.Decode(name, raw)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(raw), string(marshal(t, fact))); diff != "" {
				t.Errorf("the sample does not come back as it is; a changed meaning needs a new version (-sample +now):\n%s", diff)
			}
		})
	}
}

// TestNUL fails when something that came in could stop every projection: no column of Postgres takes a NUL.
func TestNUL(t *testing.T) {
	log := factstest.NewLog(t)
	ref := invitation.Ref{Tenant: "default", EventUID: "e1", AttendeeID: "p1"}
	asked := invitation.InviteRequested{Ref: ref, OrganizerID: "o\x00", Address: "ann@example.com", Name: "A\x00nn", Origin: "api"}
	if _, err := log.Append(t.Context(), ref.Stream(), eventstore.NoStream, facts.Meta{Command: uuid.New()}, asked); err != nil {
		t.Fatal(err)
	}
	got, _, err := log.Load(t.Context(), ref.Stream())
	asked.OrganizerID, asked.Name = "o\uFFFD", "A\uFFFDnn"
	if diff := cmp.Diff([]schema.Fact{asked}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
