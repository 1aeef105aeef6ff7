package projector

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Comparison is what a comparison of two generations at the same position found.
type Comparison struct {
	Name        string          `json:"name"`
	Version     int             `json:"version"`
	Generation  int             `json:"generation"`         // the one that serves
	With        int             `json:"with"`               // the other; 0: one folded from the log for the purpose
	Position    uint64          `json:"position"`           // both are here
	Rows        int64           `json:"rows"`               // compared
	Differences int64           `json:"differences"`        // rows that differ, in all
	Examples    []RowDifference `json:"examples,omitempty"` // the first of them
}

// RowDifference is a row that is not the same in both.
type RowDifference struct {
	Table   string                    `json:"table"`
	Key     map[string]any            `json:"key"`
	Kind    string                    `json:"kind"`              // missing, extra, different: seen from the one that serves
	Columns map[string]CellDifference `json:"columns,omitempty"` // that differ
}

// CellDifference are what a column says in each.
type CellDifference struct {
	Serving any `json:"serving"`
	Other   any `json:"other"`
}

// examples is how many differing rows of a table are shown.
const examples = 20

// hidden stands for a value that is personal.
const hidden = "(personal)"

// Verify folds the log again, beside what serves, and reports every row that differs. Several projections share one
// reading of the log. Nothing changes; what serves goes on meanwhile.
func (k *Keeper) Verify(ctx context.Context, names []string, tell func(JobProgress)) (reports []Comparison, err error) {
	err = k.exclusively(ctx, names, func(list []Projection) error {
		fillings, err := k.filled(ctx, list, "folding the log", false, tell)
		if err != nil {
			return err
		}
		defer func() { k.discard(ctx, fillings) }()
		for _, f := range fillings {
			tell(JobProgress{Phase: "comparing " + f.p.Name})
			r, err := k.compare(ctx, f.applier)
			if err != nil {
				return fmt.Errorf("comparing %s: %w", f.p.Name, err)
			}
			r.With = 0
			reports = append(reports, r)
		}
		return nil
	})
	return reports, err
}

// Diff compares what serves with the newest complete generation that does not: one that is held, or the one before.
func (k *Keeper) Diff(ctx context.Context, name string, number int) (r Comparison, err error) {
	err = k.exclusively(ctx, []string{name}, func(list []Projection) error {
		a, err := k.existing(ctx, list[0], `$3 IN (0, g.generation) AND g.generation <> s.generation`, number)
		if err != nil {
			return err
		}
		r, err = k.compare(ctx, a)
		return err
	})
	return r, err
}

// compare brings another generation to where the one that serves is, and compares them there, in one snapshot: nobody
// waits for it. What it applied to the other is forgotten again.
func (k *Keeper) compare(ctx context.Context, other *applier) (Comparison, error) {
	p := other.p
	r := Comparison{Name: p.Name, Version: p.Version, With: other.gen.number}
	tx, err := k.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return r, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	serving := generation{p: p}
	var pos int64
	if err := tx.QueryRow(ctx, `
		SELECT generation, position FROM cis.generation JOIN cis.serving USING (name, version, generation)
		WHERE name = $1 AND version = $2`, p.Name, p.Version).Scan(&serving.number, &pos); err != nil {
		return r, err
	}
	r.Generation, r.Position = serving.number, uint64(pos)
	if other.at() > r.Position {
		return r, fmt.Errorf("%s stands still at position %d, behind generation %d: see why first", p.Name, pos, other.gen.number)
	}
	if other.at() < r.Position {
		if err := other.gen.set(ctx, tx, `retired = NULL`); err != nil {
			return r, err
		}
		if err := k.reach(ctx, other, tx, r.Position); err != nil {
			return r, err
		}
	}
	names, err := other.gen.tables().list(ctx, tx)
	if err != nil {
		return r, err
	}
	for _, qualified := range names {
		_, name, _ := strings.Cut(qualified, ".")
		name = strings.Trim(name, `"`)
		if err := r.table(ctx, tx, p, name, serving.tables(), other.gen.tables()); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	return r, nil
}

// table compares one table.
func (r *Comparison) table(ctx context.Context, tx pgx.Tx, p Projection, name string, serving, other Tables) error {
	w := p.working(name)
	if w.Whole {
		return nil
	}
	t, err := describe(ctx, tx, serving, name)
	if err != nil {
		return err
	}
	var compared []string
	for _, c := range t.columns {
		if !slices.Contains(slices.Concat(t.key, w.Kept, w.Scratch, w.Ahead), c) {
			compared = append(compared, c)
		}
	}
	differs := []string{"false"}
	if len(compared) > 0 {
		differs = append(differs, fmt.Sprintf("(%s) IS DISTINCT FROM (%s)", list("s.", compared), list("o.", compared)))
	}
	for _, c := range w.Ahead {
		c = pgx.Identifier{c}.Sanitize()
		differs = append(differs, fmt.Sprintf("s.%s < o.%s", c, c))
	}
	first := pgx.Identifier{t.key[0]}.Sanitize()
	joined := fmt.Sprintf(`FROM %s.%s AS s FULL JOIN %s.%s AS o USING (%s)`, serving, name, other, name, list("", t.key))
	differing := fmt.Sprintf(`(s.%s IS NULL OR o.%s IS NULL OR %s)`, first, first, strings.Join(differs, " OR "))
	var rows, different int64
	if err := tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE `+differing+`) `+joined).Scan(&rows, &different); err != nil {
		return err
	}
	r.Rows, r.Differences = r.Rows+rows, r.Differences+different
	if different == 0 {
		return nil
	}
	found, err := tx.Query(ctx, fmt.Sprintf(`SELECT to_jsonb(s), to_jsonb(o) %s WHERE %s ORDER BY %s LIMIT %d`, joined, differing, list("", t.key), examples))
	if err != nil {
		return err
	}
	var s, o []byte
	_, err = pgx.ForEachRow(found, []any{&s, &o}, func() error {
		d, err := difference(s, o, t.key, slices.Concat(compared, w.Ahead), func(column string) bool {
			return slices.Contains(p.Personal, name+"."+column)
		})
		d.Table = name
		r.Examples = append(r.Examples, d)
		return err
	})
	return err
}

// difference says what differs between two rows as JSON; null where there is none.
func difference(serving, other []byte, key, columns []string, personal func(string) bool) (d RowDifference, err error) {
	var s, o map[string]any
	for raw, into := range map[*map[string]any][]byte{&s: serving, &o: other} {
		if into != nil {
			if err := json.Unmarshal(into, raw); err != nil {
				return d, err
			}
		}
	}
	d = RowDifference{Kind: "different", Key: map[string]any{}, Columns: map[string]CellDifference{}}
	row := s
	switch {
	case s == nil:
		d.Kind, row = "missing", o
	case o == nil:
		d.Kind = "extra"
	}
	for _, c := range key {
		d.Key[c] = row[c]
	}
	for _, c := range columns {
		v := CellDifference{s[c], o[c]}
		if d.Kind != "different" || fmt.Sprint(v.Serving) == fmt.Sprint(v.Other) {
			continue
		}
		if personal(c) {
			v = CellDifference{hidden, hidden}
		}
		d.Columns[c] = v
	}
	return d, nil
}

// working says what workers write into a table.
func (p Projection) working(table string) Working {
	for _, w := range p.Working {
		if w.Table == table {
			return w
		}
	}
	return Working{}
}
