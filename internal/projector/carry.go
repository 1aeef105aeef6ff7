package projector

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// carry takes along what workers wrote into one generation when another takes over.
func carry(ctx context.Context, tx pgx.Tx, p Projection, from, to Tables) error {
	for _, w := range p.Working {
		table, err := describe(ctx, tx, from, w.Table)
		if err != nil {
			return err
		}
		switch {
		case w.Whole:
			err = carryWhole(ctx, tx, table, from, to)
		case len(w.Kept) > 0:
			_, err = tx.Exec(ctx, fmt.Sprintf(`UPDATE %s.%s AS n SET (%s) = ROW(%s) FROM %s.%s AS o WHERE (%s) = (%s) AND (%s) IS DISTINCT FROM (%s)`,
				to, w.Table, list("", w.Kept), list("o.", w.Kept), from, w.Table, list("n.", table.key), list("o.", table.key), list("n.", w.Kept), list("o.", w.Kept)))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.Table, err)
		}
	}
	return nil
}

func carryWhole(ctx context.Context, tx pgx.Tx, t table, from, to Tables) error {
	name := fmt.Sprintf("%s.%s", to, t.name)
	if _, err := tx.Exec(ctx, `DELETE FROM `+name); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM %s.%s`, name, list("", t.columns), list("", t.columns), from, t.name)); err != nil {
		return err
	}
	for _, c := range t.serial {
		if _, err := tx.Exec(ctx, fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('%s', '%s'), coalesce(max(%s), 1), max(%s) IS NOT NULL) FROM %s`, name, c, c, c, name)); err != nil {
			return err
		}
	}
	return nil
}

// table is a table of a generation as the database describes it.
type table struct {
	name    string
	columns []string // without generated ones
	key     []string // the primary key's columns
	serial  []string // columns that are numbered by a sequence
}

func describe(ctx context.Context, tx pgx.Tx, t Tables, name string) (table, error) {
	out := table{name: name}
	rows, err := tx.Query(ctx, `
		SELECT a.attname, coalesce(a.attnum = ANY(i.indkey), false), pg_get_serial_sequence($1, a.attname) IS NOT NULL
		FROM pg_attribute AS a LEFT JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
		WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum`, string(t)+"."+name)
	if err != nil {
		return out, err
	}
	var column string
	var key, serial bool
	_, err = pgx.ForEachRow(rows, []any{&column, &key, &serial}, func() error {
		out.columns = append(out.columns, column)
		if key {
			out.key = append(out.key, column)
		}
		if serial {
			out.serial = append(out.serial, column)
		}
		return nil
	})
	if err == nil && len(out.key) == 0 {
		err = fmt.Errorf("%s.%s has no primary key: its rows cannot be told apart", t, name)
	}
	return out, err
}

// list is columns for SQL, each with a prefix.
func list(prefix string, columns []string) string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = prefix + pgx.Identifier{c}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}
