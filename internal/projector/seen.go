package projector

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Seen returns when what serves a projection has seen the log up to a position. Where no process leads the projection,
// this one does, meanwhile.
func (k *Keeper) Seen(ctx context.Context, name string, position uint64) error {
	list, err := k.find(name)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	runner := New(k.pool, k.store, k.logID, k.log, list...)
	failed := make(chan error, 1)
	wg.Go(func() {
		if err := runner.Run(running); err != nil {
			failed <- err
		}
	})
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case err := <-failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to see position %d: %w", name, position, ctx.Err())
		}
		var seen bool
		if err := k.pool.QueryRow(ctx, `
			SELECT coalesce((SELECT position >= $3 FROM cis.generation JOIN cis.serving USING (name, version, generation)
			WHERE name = $1 AND version = $2), false)`, list[0].Name, list[0].Version, int64(position)).Scan(&seen); err != nil {
			return err
		}
		if seen {
			return nil
		}
	}
}
