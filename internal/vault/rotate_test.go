package vault_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/calendar-invite-server/cis/internal/vault"
)

func TestRotate(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "vault.db")
	first, second, third := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	v, err := vault.Open(path, first)
	if err != nil {
		t.Fatal(err)
	}
	const people = 2_500
	sealed := map[string][]byte{}
	for i := range people {
		who := fmt.Sprintf("person %d", i)
		if sealed[who], err = v.Seal(ctx, who, "here", []byte(who)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Destroy(ctx, "person 7"); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Rotate(ctx, path, second, first); !errors.Is(err, vault.ErrInUse) {
		t.Errorf("while it is open: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	var wrapped []byte
	err = db.QueryRow(`SELECT wrapped FROM key WHERE subject = 'person 1'`).Scan(&wrapped)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err := vault.Rotate(ctx, path, second, first); err != nil || n != people-1 {
		t.Fatalf("%d keys, %v", n, err)
	}
	for _, suffix := range []string{"", "-wal"} {
		if raw, _ := os.ReadFile(path + suffix); bytes.Contains(raw, wrapped) {
			t.Errorf("vault.db%s still holds a key that the old one opens", suffix)
		}
	}
	for _, wrong := range [][][]byte{{first}, {third}, {third, first}} {
		if _, err := vault.Open(path, wrong...); !errors.Is(err, vault.ErrWrapping) {
			t.Errorf("without the new key: %v", err)
		}
	}
	if i, err := vault.WrappedBy(path, third, second, first); err != nil || i != 1 {
		t.Errorf("%d, %v", i, err)
	}
	if v, err = vault.Open(path, third, second, first); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	for who, s := range sealed {
		plain, err := v.Open(ctx, who, "here", s)
		if who == "person 7" {
			if !errors.Is(err, vault.ErrNoKey) {
				t.Errorf("destroyed: %v", err)
			}
			continue
		}
		if err != nil || string(plain) != who {
			t.Fatalf("%s: %q, %v", who, plain, err)
		}
	}
	if _, err := v.Seal(ctx, "somebody new", "here", []byte("x")); err != nil {
		t.Error(err)
	}
}
