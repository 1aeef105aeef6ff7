package projector

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// AnalystSchema holds a view for every table of a public projection, PROJECTION_TABLE, over the generation that serves.
	AnalystSchema = "analysts"
	// AnalystRole may read them, and nothing else: GRANT cis_analyst TO somebody.
	AnalystRole = "cis_analyst"
)

// publish makes the views over a generation's tables that analysts read. Where the database's user may not make the role
// and nobody made it before, nobody else is given the right to read them.
func (t Tables) publish(ctx context.Context, tx pgx.Tx, p Projection) error {
	if !p.Public {
		return nil
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('cis.analysts'))`); err != nil { // others make the schema, too
		return err
	}
	var there, mayMake bool
	if err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1), (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user)`, AnalystRole).
		Scan(&there, &mayMake); err != nil {
		return err
	}
	var sql []string
	if !there && mayMake {
		sql = append(sql, `CREATE ROLE `+AnalystRole+` NOLOGIN`)
	}
	sql = append(sql, `CREATE SCHEMA IF NOT EXISTS `+AnalystSchema)
	if there || mayMake {
		sql = append(sql, `GRANT USAGE ON SCHEMA `+AnalystSchema+` TO `+AnalystRole)
	}
	tables, err := t.list(ctx, tx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		_, name, _ := strings.Cut(table, ".")
		view := AnalystSchema + "." + pgx.Identifier{p.Name + "_" + strings.Trim(name, `"`)}.Sanitize()
		sql = append(sql, `DROP VIEW IF EXISTS `+view, `CREATE VIEW `+view+` AS SELECT * FROM `+table)
		if there || mayMake {
			sql = append(sql, `GRANT SELECT ON `+view+` TO `+AnalystRole)
		}
	}
	for _, s := range sql {
		if _, err := tx.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
