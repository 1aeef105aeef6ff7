package vault

import (
	"context"
	"crypto/cipher"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"syscall"
)

var (
	// ErrWrapping says that the key that wraps the vault's keys is not at hand.
	ErrWrapping = errors.New("vault: the key that wraps its keys is missing (CIS_VAULT_KEY_FILE, CIS_SECRET)")
	// ErrInUse says that the vault cannot be wrapped anew while others have it open.
	ErrInUse = errors.New("vault: it is in use; end the server first")
)

// Fingerprint tells wrapping keys apart without revealing them.
func Fingerprint(wrapping []byte) string {
	sum := sha256.Sum256(append([]byte("cis vault wrapping "), wrapping...))
	return hex.EncodeToString(sum[:8])
}

// lockVault takes the lock of a vault, shared or exclusive.
func lockVault(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, ErrInUse
	}
	return f, nil
}

// wrappedBy finds the key that wraps the vault's keys among those at hand. A vault that was never wrapped anew does not say:
// it is the last.
func wrappedBy(db *sql.DB, wrappings [][]byte) (int, cipher.AEAD, error) {
	var want string
	err := db.QueryRow(`SELECT value FROM meta WHERE name = 'wrapping'`).Scan(&want)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, nil, fmt.Errorf("vault: %w", err)
	}
	for i, w := range wrappings {
		if Fingerprint(w) == want || want == "" && i == len(wrappings)-1 {
			key, err := newAEAD(w)
			return i, key, err
		}
	}
	return 0, nil, fmt.Errorf("%w: its fingerprint is %s", ErrWrapping, want)
}

// WrappedBy says which of the keys at hand wraps the keys of a vault that nobody needs to have open.
func WrappedBy(path string, wrappings ...[]byte) (int, error) {
	v, err := Open(path, wrappings...)
	if err != nil {
		return 0, err
	}
	defer func() { _ = v.Close() }()
	i, _, err := wrappedBy(v.db, wrappings)
	return i, err
}

// Rotate wraps all keys of a vault by another key, in one transaction, and leaves nothing in its files that the old one
// opens. Copies of the vault from before still need the old one. It returns how many keys there are.
func Rotate(ctx context.Context, path string, next []byte, wrappings ...[]byte) (n int, err error) {
	v, err := Open(path, wrappings...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	// From shared to exclusive: nobody else may have it open.
	if err := syscall.Flock(int(v.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return 0, ErrInUse
	}
	wrap, err := newAEAD(next)
	if err != nil {
		return 0, err
	}
	tx, err := v.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for after := ""; ; {
		wrapped, last, err := v.rewrap(ctx, tx, after, wrap)
		if err != nil {
			return 0, err
		}
		if last == "" {
			break
		}
		n, after = n+wrapped, last
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('wrapping', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, Fingerprint(next)); err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	return n, v.Scrub(ctx)
}

// rewrap wraps the next keys behind a subject by another key, and returns how many, and the last subject; empty: none.
func (v *Vault) rewrap(ctx context.Context, tx *sql.Tx, after string, wrap cipher.AEAD) (n int, last string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT subject, wrapped FROM key WHERE subject > ? ORDER BY subject LIMIT 1000`, after)
	if err != nil {
		return 0, "", fmt.Errorf("vault: %w", err)
	}
	fresh := map[string][]byte{}
	for rows.Next() {
		var wrapped []byte
		if err = rows.Scan(&last, &wrapped); err != nil {
			break
		}
		if len(wrapped) == 0 {
			continue // destroyed
		}
		var raw []byte
		if raw, err = open(v.wrap, last, wrapped); err != nil {
			err = fmt.Errorf("vault: the key of %s: %w", last, err)
			break
		}
		fresh[last] = seal(wrap, last, raw)
	}
	if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return 0, "", err
	}
	for subject, wrapped := range fresh {
		if _, err := tx.ExecContext(ctx, `UPDATE key SET wrapped = ? WHERE subject = ?`, wrapped, subject); err != nil {
			return 0, "", fmt.Errorf("vault: %w", err)
		}
	}
	return len(fresh), last, nil
}
