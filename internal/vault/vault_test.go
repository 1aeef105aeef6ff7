package vault_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/vault"
)

var wrapping = bytes.Repeat([]byte{7}, 32)

func open(t *testing.T, path string) *vault.Vault {
	t.Helper()
	v, err := vault.Open(path, wrapping)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func TestSeal(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "vault.db")
	v := open(t, path)
	sealed, err := v.Seal(ctx, "ann", "here", []byte("ann@example.com"))
	if err != nil {
		t.Fatal(err)
	}

	t.Run("what is sealed is opened, by another process too", func(t *testing.T) {
		for _, reader := range []*vault.Vault{v, open(t, path)} {
			if got, err := reader.Open(ctx, "ann", "here", sealed); err != nil || string(got) != "ann@example.com" {
				t.Errorf("got %q, %v", got, err)
			}
		}
	})
	t.Run("it opens only in its place and for its subject", func(t *testing.T) {
		if _, err := v.Open(ctx, "ann", "there", sealed); err == nil {
			t.Error("opened in another place")
		}
		if _, err := v.Open(ctx, "bob", "here", sealed); !errors.Is(err, vault.ErrNoKey) {
			t.Errorf("opened for another subject: %v", err)
		}
	})
	t.Run("two processes agree on a key made at the same time", func(t *testing.T) {
		other := open(t, path)
		var wg sync.WaitGroup
		sealed := make([][]byte, 2)
		for i, w := range []*vault.Vault{v, other} {
			wg.Go(func() { sealed[i], _ = w.Seal(ctx, "zoe", "p", []byte{byte(i)}) })
		}
		wg.Wait()
		for i := range sealed {
			if got, err := v.Open(ctx, "zoe", "p", sealed[i]); err != nil || got[0] != byte(i) {
				t.Errorf("%d: %v %v", i, got, err)
			}
		}
	})
	t.Run("many keys at once are made and preloaded", func(t *testing.T) {
		var subjects []string
		for i := range 1200 {
			subjects = append(subjects, fmt.Sprint("p", i))
		}
		if err := v.Prepare(ctx, subjects...); err != nil {
			t.Fatal(err)
		}
		sealed, _ := v.Seal(ctx, "p1199", "x", []byte("y"))
		reader := open(t, path)
		if err := reader.Preload(ctx, subjects); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.Open(ctx, "p1199", "x", sealed); err != nil || string(got) != "y" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("the file holds no key in the clear and is private", func(t *testing.T) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v %v", info, err)
		}
	})
	t.Run("another secret cannot open it", func(t *testing.T) {
		wrong, err := vault.Open(path, bytes.Repeat([]byte{8}, 32))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = wrong.Close() }()
		if _, err := wrong.Open(ctx, "ann", "here", sealed); err == nil {
			t.Error("opened")
		}
	})
}

// TestDestroyElsewhere: another process that has the key in memory forgets it, and the files hold nothing of it.
func TestDestroyElsewhere(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "vault.db")
	v, other := open(t, path), open(t, path)
	sealed, _ := v.Seal(ctx, "ann", "here", []byte("secret"))
	if _, err := other.Open(ctx, "ann", "here", sealed); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var wrapped []byte
	if err := db.QueryRowContext(ctx, `SELECT wrapped FROM key WHERE subject = 'ann'`).Scan(&wrapped); err != nil || len(wrapped) == 0 {
		t.Fatal(err)
	}
	if there, err := v.Destroy(ctx, "ann", "nobody"); err != nil || there != 1 {
		t.Fatalf("%d keys, %v", there, err)
	}
	<-time.After(vault.Forgotten) // the promise: from then on no process opens it
	if _, err := other.Open(ctx, "ann", "here", sealed); !errors.Is(err, vault.ErrNoKey) {
		t.Fatalf("the other process still opens it: %v", err)
	}
	if err := v.Scrub(ctx); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		if raw, _ := os.ReadFile(path + suffix); bytes.Contains(raw, wrapped) {
			t.Errorf("vault.db%s still holds the wrapped key", suffix)
		}
	}
}

func TestDestroy(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "vault.db")
	v := open(t, path)
	sealed, _ := v.Seal(ctx, "ann", "here", []byte("secret"))
	if _, err := v.Destroy(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*vault.Vault{v, open(t, path)} {
		if _, err := w.Open(ctx, "ann", "here", sealed); !errors.Is(err, vault.ErrNoKey) {
			t.Errorf("open: %v", err)
		}
		if _, err := w.Seal(ctx, "ann", "here", []byte("again")); !errors.Is(err, vault.ErrNoKey) {
			t.Errorf("a destroyed key came back: %v", err)
		}
	}
}
