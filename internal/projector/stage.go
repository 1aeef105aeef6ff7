package projector

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// Stage is a second way for Apply to write, for projections of very many rows. Finding a row by its key costs more than
// writing it; while a generation is filled nobody reads it, so Apply may note down, under [Tx.Staged], what should become of
// rows, and all of it is put in place at once.
type Stage struct {
	Open  string            // SQL that makes the tables Apply writes to meanwhile
	Place map[string]string // SQL that fills a table from those; nothing else has written to it, and it gets its keys then
	Close string            // SQL that drops what Open made
}

// key is a constraint that waits until its table is full.
type key struct{ table, name, definition string }

// stage takes the keys from the tables of a filling whose rows come at the end.
func (f *filling) stage(ctx context.Context, tx pgx.Tx) error {
	if f.staged = f.p.Stage != nil; !f.staged {
		return nil
	}
	for table := range f.p.Stage.Place {
		table = string(f.gen.tables()) + "." + table
		rows, err := tx.Query(ctx, `SELECT quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('p', 'u')`, table)
		if err != nil {
			return err
		}
		k := key{table: table}
		if _, err := pgx.ForEachRow(rows, []any{&k.name, &k.definition}, func() error {
			f.keys = append(f.keys, k)
			return nil
		}); err != nil {
			return err
		}
	}
	statements := []string{f.gen.tables().SQL(f.p.Stage.Open)}
	for _, k := range f.keys {
		statements = append(statements, `ALTER TABLE `+k.table+` DROP CONSTRAINT `+k.name)
	}
	return execAll(ctx, tx, statements)
}

// forAll suits a transaction to statements about all rows, of which the planner knows little.
const forAll = `SET LOCAL work_mem = '128MB'; SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL enable_nestloop = off`

// place puts what was staged where it belongs; from then on rows are written like any others.
func (f *filling) place(ctx context.Context) error {
	if !f.staged {
		return nil
	}
	t := f.gen.tables()
	g, working := errgroup.WithContext(ctx)
	for table, sql := range f.p.Stage.Place {
		statements := []string{forAll, t.SQL(sql)}
		for _, k := range f.keys {
			if k.table == string(t)+"."+table {
				statements = append(statements, `ALTER TABLE `+k.table+` ADD CONSTRAINT `+k.name+` `+k.definition)
			}
		}
		g.Go(func() error {
			return pgx.BeginFunc(working, f.pool, func(tx pgx.Tx) error { return execAll(working, tx, statements) })
		})
	}
	err := g.Wait()
	if err == nil {
		_, err = f.pool.Exec(ctx, t.SQL(f.p.Stage.Close))
	}
	if isCode(err, "23505", "23502", "23514") {
		err = fmt.Errorf("%w: %w", errUnfit, err)
	}
	if err != nil {
		return fmt.Errorf("putting the rows of %s in place: %w", f.p.Name, err)
	}
	f.staged = false
	return nil
}

func execAll(ctx context.Context, tx pgx.Tx, statements []string) error {
	for _, sql := range statements {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// errUnfit says that staged rows contradict each other. Which fact is the reason shows when they are written one by one.
var errUnfit = errors.New("rows contradict each other")

// unstaged is the projection without its stage.
func unstaged(list []Projection) []Projection {
	out := make([]Projection, 0, len(list))
	for _, p := range list {
		p.Stage = nil
		out = append(out, p)
	}
	return out
}
