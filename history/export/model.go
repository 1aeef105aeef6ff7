package export

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/internal/durable"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Model exports what a read model holds of a tenant, a file a table: NAME.TABLE.FORMAT in a folder. Tables without a column
// tenant are nobody's in particular and are left out. It returns how many rows each table has.
func Model(ctx context.Context, pool *pgxpool.Pool, p projector.Projection, o Options) (map[string]int64, error) {
	s := projector.NewServing(pool, p)
	names, err := s.TenantTables(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, name := range names {
		n, err := o.table(ctx, s, p, name)
		if err != nil {
			return out, fmt.Errorf("%s.%s: %w", p.Name, name, err)
		}
		out[name] = n
	}
	return out, nil
}

func (o Options) table(ctx context.Context, s *projector.Serving, p projector.Projection, name string) (n int64, err error) {
	file := filepath.Join(o.Dir, p.Name+"."+name+"."+string(o.Format))
	f, err := os.OpenFile(file+".partial", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { _, _ = f.Close(), os.Remove(file+".partial") }()
	err = s.Rows(ctx, o.Tenant, `SELECT * FROM @.`+pgx.Identifier{name}.Sanitize()+` ORDER BY 1, 2`, func(rows pgx.Rows) error {
		var columns []column
		for _, d := range rows.FieldDescriptions() {
			columns = append(columns, column{d.Name, kindOf(d.DataTypeOID)})
		}
		w, err := newWriter(f, o.Format, columns)
		if err != nil {
			return err
		}
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return err
			}
			for i, v := range values {
				if values[i], err = o.value(columns[i], v, slices.Contains(p.Personal, name+"."+columns[i].name)); err != nil {
					return err
				}
			}
			if err := w.write(values); err != nil {
				return err
			}
			if n++; n%1000 == 0 {
				o.Tell(n)
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return w.close()
	})
	if err != nil {
		return n, err
	}
	if err := f.Sync(); err != nil {
		return n, err
	}
	return n, durable.Rename(file+".partial", file)
}

// kindOf is what a column of the database becomes; what is neither a number nor a time is text, and what has a structure JSON.
func kindOf(oid uint32) kind {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		return number
	case pgtype.TimestamptzOID, pgtype.DateOID:
		return moment
	case pgtype.JSONBOID, pgtype.JSONOID, pgtype.TextArrayOID, pgtype.BoolOID:
		return object
	}
	return text
}

func (o Options) value(c column, v any, personal bool) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case int16:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case int64, time.Time:
		return v, nil
	case pgtype.InfinityModifier:
		return nil, nil // no time at all
	case string:
		if personal {
			return o.pseudonym(v), nil
		}
		if c.kind == text {
			return v, nil
		}
	}
	if c.kind == object {
		raw, err := json.Marshal(v)
		return json.RawMessage(raw), err
	}
	return fmt.Sprint(v), nil
}
