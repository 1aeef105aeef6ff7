package vault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Forgotten is how long after [Vault.Destroy] no process has the keys in memory any more.
const Forgotten = 2 * time.Second

const (
	lookForDestroyed = 500 * time.Millisecond
	forgetAgain      = 5 // seconds: a key may have been on its way into memory when it was destroyed
)

// Destroy makes everything sealed under the subjects' keys unreadable, for ever, at once for this process and within
// [Forgotten] for others. A new key is not made for them. It returns how many keys there were.
func (v *Vault) Destroy(ctx context.Context, subjects ...string) (there int, err error) {
	tx, err := v.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	now := time.Now().Unix()
	for _, s := range subjects {
		var had bool
		if err := tx.QueryRowContext(ctx, `SELECT count(*) > 0 FROM key WHERE subject = ? AND wrapped <> x''`, s).Scan(&had); err != nil {
			return 0, fmt.Errorf("vault: %w", err)
		}
		if had {
			there++
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO key (subject, wrapped, created) VALUES (?, x'', ?) ON CONFLICT (subject) DO UPDATE SET wrapped = x''`, s, now)
		if err == nil {
			_, err = tx.ExecContext(ctx, `INSERT INTO destroyed (subject, at) VALUES (?, ?)`, s, now)
		}
		if err != nil {
			return 0, fmt.Errorf("vault: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("vault: %w", err)
	}
	v.forget(subjects)
	return there, nil
}

// ErrBusy says that others read the vault just then.
var ErrBusy = errors.New("vault: others are reading it; try again")

// Scrub removes from the files on disk what destroyed keys left there: pages are overwritten when a key is destroyed, but
// SQLite's write-ahead log has older ones.
func (v *Vault) Scrub(ctx context.Context) error {
	var busy, log, done int
	for range 100 {
		if err := v.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &done); err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ErrBusy
}

func (v *Vault) forget(subjects []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range subjects {
		delete(v.cache, s)
		delete(v.older, s)
	}
}

// watch forgets keys that another process destroyed.
func (v *Vault) watch() {
	ticker := time.NewTicker(lookForDestroyed)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-v.quit:
			return
		}
		rows, err := v.read.Query(`SELECT subject FROM destroyed WHERE at >= ?`, time.Now().Unix()-forgetAgain)
		if err != nil {
			continue
		}
		var subjects []string
		for rows.Next() {
			var s string
			if rows.Scan(&s) == nil {
				subjects = append(subjects, s)
			}
		}
		_ = errors.Join(rows.Err(), rows.Close())
		v.forget(subjects)
	}
}
