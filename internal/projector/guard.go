package projector

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// readerRole is who readers' queries run as. It owns nothing, sees only tables with a column tenant, and of those only
// the rows of the tenant that [enter] names.
const readerRole = "cis_reader"

// ErrRole says that the database's user may not set up the walls between tenants.
var ErrRole = errors.New(`the walls between tenants need a role that the database's user may not make. As an administrator of the database:
    CREATE ROLE cis_reader NOLOGIN; GRANT cis_reader TO <the user in DATABASE_URL>;`)

// enter makes the rest of a transaction read one tenant's rows.
const enter = `SELECT set_config('role', '` + readerRole + `', true), set_config('cis.tenant', $1, true)`

// setupRole makes the role. Roles belong to all databases of a server, so others may be making it at the same time.
func setupRole(ctx context.Context, pool *pgxpool.Pool) error {
	var there, member bool
	const look = `SELECT count(*) > 0, coalesce(bool_and(pg_has_role(current_user, rolname, 'MEMBER')), false) FROM pg_roles WHERE rolname = $1`
	if err := pool.QueryRow(ctx, look, readerRole).Scan(&there, &member); err != nil {
		return err
	}
	if there && member {
		return nil
	}
	if !there {
		if _, err := pool.Exec(ctx, `CREATE ROLE `+readerRole+` NOLOGIN`); err != nil && !isCode(err, "42710", "23505") {
			return fmt.Errorf("%w\n(%w)", ErrRole, err)
		}
	}
	if err := pool.QueryRow(ctx, look, readerRole).Scan(&there, &member); err != nil || member {
		return err
	}
	if _, err := pool.Exec(ctx, `GRANT `+readerRole+` TO current_user`); err != nil && !isCode(err, "23505", "XX000") {
		return fmt.Errorf("%w\n(%w)", ErrRole, err)
	}
	return nil
}

// isSQL says that an error is about a statement, not about the connection.
func isSQL(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && !transient(err)
}

func isCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		for _, c := range codes {
			if pg.Code == c {
				return true
			}
		}
	}
	return false
}

// guard lets readers see their tenant's rows of every table of the schema that says whose its rows are. Doing it again
// changes nothing.
func (t Tables) guard(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `
		SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
		WHERE n.nspname = $1 AND c.relkind = 'r'
		AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant') ORDER BY 1`, string(t))
	if err != nil {
		return err
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(open) == 0 {
		return err
	}
	sql := []string{`GRANT USAGE ON SCHEMA ` + string(t) + ` TO ` + readerRole}
	for _, name := range open {
		table := string(t) + "." + name
		sql = append(sql,
			`ALTER TABLE `+table+` ENABLE ROW LEVEL SECURITY`,
			`CREATE POLICY tenant ON `+table+` FOR SELECT TO `+readerRole+` USING (tenant = current_setting('cis.tenant'))`,
			`GRANT SELECT ON `+table+` TO `+readerRole)
	}
	_, err = tx.Exec(ctx, strings.Join(sql, ";\n"))
	return err
}

// within runs a query inside a tenant's walls: role, tenant and query in one round trip and one transaction.
func (s *Serving) within(ctx context.Context, tenant, sql string, args []any, rows func(pgx.Rows) error) error {
	t, err := s.Tables(ctx)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue(enter, tenant)
	batch.Queue(t.SQL(sql), args...).Query(rows)
	return s.db.SendBatch(ctx, batch).Close()
}

// Collect reads rows of a tenant, each into a struct by position. $1 and so on are args; the tenant need not be among
// them, but a query finds its index with it.
func Collect[T any](ctx context.Context, s *Serving, tenant, sql string, args ...any) (list []T, err error) {
	err = s.within(ctx, tenant, sql, args, func(rows pgx.Rows) (err error) {
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
		return err
	})
	return list, err
}

// One reads the row of a tenant that a query finds. It fails with pgx.ErrNoRows.
func One[T any](ctx context.Context, s *Serving, tenant, sql string, args ...any) (one T, err error) {
	err = s.within(ctx, tenant, sql, args, func(rows pgx.Rows) (err error) {
		one, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[T])
		return err
	})
	return one, err
}

// ForEach scans rows of a tenant one after the other without holding them all.
func (s *Serving) ForEach(ctx context.Context, tenant, sql string, args, into []any, f func() error) error {
	return s.within(ctx, tenant, sql, args, func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, into, f)
		return err
	})
}

// Rows reads rows of a tenant whose columns are not known beforehand.
func (s *Serving) Rows(ctx context.Context, tenant, sql string, read func(pgx.Rows) error) error {
	return s.within(ctx, tenant, sql, nil, read)
}

// TenantTables names the tables that say whose their rows are.
func (s *Serving) TenantTables(ctx context.Context) ([]string, error) {
	t, err := s.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, `
		SELECT c.relname::text FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
		WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' ORDER BY 1`, string(t))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
