// Package move copies a log from one store to another, record by record, with ids, revisions, order and times: what was
// proven of it in the one (history/proof) holds in the other.
package move

import (
	"context"
	"errors"
	"fmt"

	"github.com/calendar-invite-server/cis/history/proof"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrOther says that the store to move to holds something else.
var ErrOther = errors.New("the store to move to holds other records than the log: name an empty one")

// maxRun is how many records of a stream are appended at a time at most.
const maxRun = 500

// Log copies all records of a log that stand in the one store into the other. What an interrupted run had copied is
// compared and not copied again. Nobody may write to either meanwhile. It returns how many records there are.
func Log(ctx context.Context, from, to *eventstore.Client, tell func(done int64)) (n int64, err error) {
	var there []tlog.Hash
	if err := proof.FromStore(to)(ctx, func(r eventstore.Recorded) error {
		there = append(there, proof.Leaf(r))
		return nil
	}); err != nil {
		return 0, err
	}
	var run []eventstore.Recorded
	size := 0
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		list := make([]eventstore.Proposed, len(run))
		for i, r := range run {
			list[i] = eventstore.Proposed{ID: r.ID, Type: r.Type, Data: r.Data, Metadata: r.Metadata, Binary: r.Binary, Created: r.Created}
		}
		_, err := to.Append(ctx, run[0].Stream, eventstore.Revision(int64(run[0].Revision)-1), list...)
		if err != nil {
			return fmt.Errorf("record %d (%s@%d): %w", n-int64(len(run)), run[0].Stream, run[0].Revision, err)
		}
		run, size = run[:0], 0
		tell(n)
		return nil
	}
	err = proof.FromStore(from)(ctx, func(r eventstore.Recorded) error {
		if n < int64(len(there)) {
			if there[n] != proof.Leaf(r) {
				return ErrOther
			}
			n++
			return nil
		}
		bytes := len(r.Data) + len(r.Metadata) + 100
		if len(run) > 0 && (run[0].Stream != r.Stream || len(run) == maxRun || size+bytes > eventstore.MaxAppendBytes) {
			if err := flush(); err != nil {
				return err
			}
		}
		run, size = append(run, r), size+bytes
		n++
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil && n < int64(len(there)) {
		err = ErrOther
	}
	return n, err
}
