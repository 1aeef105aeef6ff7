package vault

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// ensure makes keys where there are none and returns when they are durable.
func (v *Vault) ensure(ctx context.Context, subjects ...string) error {
	answer := make(chan error, len(subjects))
	for _, s := range subjects {
		select {
		case v.create <- request{s, answer}:
		case <-v.quit:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range subjects {
		select {
		case err := <-answer:
			if err != nil {
				return err
			}
		case <-v.done:
			return errClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// linger is how long a commit waits for company while others have been asking lately.
const linger = time.Millisecond

// write makes whatever keys have been asked for in one transaction.
func (v *Vault) write() {
	defer close(v.done)
	company := 0
	for {
		var batch []request
		select {
		case first := <-v.create:
			batch = append(batch, first)
		case <-v.quit:
			return
		}
		if company > 1 {
			time.Sleep(linger)
		}
	gather:
		for len(batch) < 512 {
			select {
			case r := <-v.create:
				batch = append(batch, r)
			default:
				break gather
			}
		}
		company = (company + len(batch) + 1) / 2
		err := v.insert(batch)
		for _, r := range batch {
			r.answer <- err
		}
	}
}

func (v *Vault) insert(batch []request) error {
	tx, err := v.db.Begin()
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	made := map[string][]byte{}
	for _, r := range batch {
		if made[r.subject] != nil {
			continue
		}
		raw := make([]byte, 32)
		_, _ = rand.Read(raw) // never fails
		res, err := tx.Stmt(v.make).Exec(r.subject, seal(v.wrap, r.subject, raw), time.Now().Unix())
		if err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		if n, err := res.RowsAffected(); err == nil && n == 1 {
			made[r.subject] = raw
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	for subject, raw := range made {
		key, err := newAEAD(raw)
		if err != nil {
			return err
		}
		v.remember(subject, key)
	}
	return nil
}
