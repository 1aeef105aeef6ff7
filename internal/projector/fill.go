package projector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// fillPage is how many records are read, decoded and applied at a time while filling.
const fillPage = 4_000

// filling is a generation that is filled beside the one that serves. Until it is finished its tables have no indexes
// but their keys. (Unlogged tables gained nothing: what they save while filling they cost when they are made durable.)
type filling struct {
	*applier
	known   uint64              // up to here the serving generation has been: no fact is of an unknown name
	until   uint64              // nothing behind this position is applied; 0: everything is
	indexes map[string][]string // of each table, to be made when it is full
	keys    []key               // likewise, if it is staged

	given uint64 // position up to which pages were handed out
	pages chan filled
}

// filled is a page on its way into one filling.
type filled struct {
	recs     []facts.Recorded
	position uint64
}

// moreRoom lets the process take more memory for a while, if what it may take is limited: pages in flight die young, and
// at its limit the collector would run all the time. The returned function takes it back.
func moreRoom() func() {
	const room = 256 << 20
	add := func(n int64) {
		if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64-room {
			debug.SetMemoryLimit(limit + n)
		}
	}
	add(room)
	return func() { add(-room) }
}

// begin makes the tables of a projection's next generation.
func (k *Keeper) begin(ctx context.Context, p Projection) (*filling, error) {
	f := &filling{applier: newApplier(k.pool, k.store, p)}
	err := pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error {
		f.gen = generation{p: f.p}
		err := tx.QueryRow(ctx, `SELECT coalesce(max(generation), 0) + 1 FROM cis.generation WHERE name = $1 AND version = $2`, p.Name, p.Version).Scan(&f.gen.number)
		if err != nil {
			return err
		}
		if err := f.gen.create(ctx, tx, k.logID); err != nil {
			return err
		}
		if err := f.strip(ctx, tx); err != nil {
			return err
		}
		return f.stage(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("making tables for %s: %w", p.Name, err)
	}
	return f, nil
}

// strip takes from empty tables what makes filling them slow.
func (f *filling) strip(ctx context.Context, tx pgx.Tx) error {
	tables, err := f.gen.tables().list(ctx, tx)
	if err != nil {
		return err
	}
	f.indexes = map[string][]string{}
	for _, t := range tables {
		f.indexes[t] = nil
	}
	if f.p.Indexed {
		return nil
	}
	rows, err := tx.Query(ctx, `
		SELECT pg_get_indexdef(i.indexrelid), i.indexrelid::regclass::text, i.indrelid::regclass::text FROM pg_index AS i
		JOIN pg_class AS c ON c.oid = i.indexrelid
		WHERE c.relnamespace = $1::regnamespace AND NOT i.indisprimary AND NOT i.indisunique`, string(f.gen.tables()))
	if err != nil {
		return err
	}
	var def, name, table string
	var drop []string
	if _, err := pgx.ForEachRow(rows, []any{&def, &name, &table}, func() error {
		f.indexes[table], drop = append(f.indexes[table], def), append(drop, `DROP INDEX `+name)
		return nil
	}); err != nil {
		return err
	}
	return execAll(ctx, tx, drop)
}

// list names the tables of a generation, qualified.
func (t Tables) list(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' ORDER BY 1`, string(t))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// finish makes full tables like any others: indexed, and known to the planner.
func (k *Keeper) finish(ctx context.Context, all []*filling, tell func(JobProgress)) error {
	tell(JobProgress{Phase: "indexing"})
	var indexes, analyses []string
	for _, f := range all {
		for table, list := range f.indexes {
			indexes, analyses = append(indexes, list...), append(analyses, `ANALYZE `+table)
		}
	}
	for _, statements := range [][]string{indexes, analyses} {
		g, working := errgroup.WithContext(ctx)
		g.SetLimit(runtime.GOMAXPROCS(0))
		for _, sql := range statements {
			g.Go(func() error {
				if _, err := k.pool.Exec(working, sql); err != nil {
					return fmt.Errorf("%s: %w", sql, err)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	for _, f := range all {
		if err := f.gen.set(ctx, k.pool, `filled = now()`); err != nil {
			return err
		}
	}
	return nil
}

// fill reads the log once for all fillings, from where the one is that is least far, until they have caught up or are
// where they should stop. While the store is away it waits, up to a minute. tell is told after each page.
func (k *Keeper) fill(ctx context.Context, all []*filling, tell func(position uint64, records int)) error {
	defer moreRoom()()
	deadline := time.Minute
	last := time.Now()
	for {
		err := k.fillOnce(ctx, all, func(position uint64, records int) {
			last = time.Now()
			tell(position, records)
		})
		if !errors.Is(err, eventstore.ErrUnavailable) || ctx.Err() != nil || time.Since(last) > deadline {
			return err
		}
		k.log.Info("projector: reading on", "reason", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// fillOnce reads the log to where the fillings' streams hold nothing unknown by the names of the facts they look at, which
// leaves out what would be read and thrown away; then by streams, where an unknown name stops it.
func (k *Keeper) fillOnce(ctx context.Context, all []*filling, tell func(uint64, int)) error {
	g, ctx := errgroup.WithContext(ctx)
	var prefixes, names []string
	from, known := all[0].at(), all[0].known
	for _, f := range all {
		f.given, f.pages = f.at(), make(chan filled, 4)
		from, known = min(from, f.given), min(known, f.known)
		prefixes = append(prefixes, f.p.Prefixes...)
		names = append(names, facts.StoredNames(f.p.Reads, f.p.Prefixes)...)
		g.Go(func() error { return f.applyAll(ctx) })
	}
	g.Go(func() error {
		defer func() {
			for _, f := range all {
				close(f.pages)
			}
		}()
		each := func(page eventstore.Page) error {
			if err := giveAll(ctx, all, page); err != nil {
				return err
			}
			from = max(from, page.Position)
			tell(page.Position, len(page.Records))
			if page.CaughtUp || allFull(all) {
				return eventstore.ErrDone
			}
			return nil
		}
		if from < known {
			err := k.store.FollowTypes(ctx, unique(names), from, fillPage, func(page eventstore.Page) error {
				if err := each(page); err != nil || page.Position < known {
					return err
				}
				return eventstore.ErrDone
			})
			if err != nil || allFull(all) {
				return err
			}
		}
		return k.store.Follow(ctx, unique(prefixes), from, fillPage, each)
	})
	return g.Wait()
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// allFull says whether every filling was given all it should get.
func allFull(all []*filling) bool {
	return !slices.ContainsFunc(all, func(f *filling) bool { return f.until == 0 || f.given < f.until })
}

// giveAll hands every filling what of a page concerns it.
func giveAll(ctx context.Context, all []*filling, page eventstore.Page) error {
	recs, err := decodeFor(ctx, all, page.Records)
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := f.give(ctx, recs, page.Position); err != nil {
			return err
		}
	}
	return nil
}

// applyAll applies pages until there are no more.
func (f *filling) applyAll(ctx context.Context) error {
	for page := range f.pages {
		if err := f.apply(ctx, page.recs, page.position); err != nil {
			return err
		}
	}
	return nil
}

// give hands the filling what concerns it.
func (f *filling) give(ctx context.Context, recs []facts.Recorded, position uint64) error {
	if f.until > 0 {
		position = min(position, f.until)
	}
	if position <= f.given {
		return nil
	}
	page := filled{position: position}
	for _, rec := range recs {
		if rec.Position <= f.given || rec.Position > position {
			continue
		}
		wanted, err := f.concerns(eventstore.Recorded{Stream: rec.Stream, Type: rec.Fact.FactName()})
		if err != nil {
			return err
		}
		if wanted {
			page.recs = append(page.recs, rec)
		}
	}
	f.given = position
	select {
	case f.pages <- page:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// decodeFor reads the records of a page that any of the fillings looks at, on all cores.
func decodeFor(ctx context.Context, all []*filling, records []eventstore.Recorded) ([]facts.Recorded, error) {
	parts := make([][]facts.Recorded, runtime.GOMAXPROCS(0))
	size := (len(records) + len(parts) - 1) / len(parts)
	var g errgroup.Group
	for i := range parts {
		chunk := records[min(i*size, len(records)):min((i+1)*size, len(records))]
		g.Go(func() error {
			parts[i] = make([]facts.Recorded, 0, len(chunk))
			for _, r := range chunk {
				rec, wanted, err := decodeOne(ctx, all, r)
				if err != nil {
					return err
				}
				if wanted {
					parts[i] = append(parts[i], rec)
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return slices.Concat(parts...), err
}

// decodeOne reads a record if any of the fillings looks at it. One that cannot be read is passed over where all that it
// concerns do so.
func decodeOne(ctx context.Context, all []*filling, r eventstore.Recorded) (rec facts.Recorded, wanted bool, err error) {
	var poison error
	for _, f := range all {
		concerns, err := f.concerns(r)
		if err == nil && concerns && !wanted && poison == nil {
			rec, err = facts.Decode(r)
			wanted = err == nil
		}
		if err != nil {
			poison = err
		}
		if poison != nil && (concerns || err != nil) && !f.skipped(ctx, r.Stream, r.Revision) {
			return rec, false, &Poison{f.p.Name, r.Stream, r.Revision, r.Type, poison}
		}
	}
	return rec, wanted, nil
}
