package projector

import (
	"context"
	"fmt"
	"strings"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
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

// First goes through the first facts that a projection looks at, at most so many, and counts them.
func (k *Keeper) First(name string, most int, n *int) Records {
	return func(ctx context.Context, each func([]eventstore.Recorded) error) error {
		p, err := k.Projection(name)
		if err != nil {
			return err
		}
		return k.store.FollowTypes(ctx, facts.StoredNames(p.Reads, p.Prefixes), 0, 1000, func(page eventstore.Page) error {
			page.Records = page.Records[:min(len(page.Records), most-*n)]
			*n += len(page.Records)
			if err := each(page.Records); err != nil {
				return err
			}
			if page.CaughtUp || *n >= most {
				return eventstore.ErrDone
			}
			return nil
		})
	}
}

// TableSample is some of what a table holds.
type TableSample struct {
	Table string           `json:"table"`
	Count int64            `json:"count"`
	Rows  []map[string]any `json:"rows"`
}

// Sample shows some rows of all tables, whoever's they are.
func (s *Serving) Sample(ctx context.Context, most int) (out []TableSample, err error) {
	t, err := s.Tables(ctx)
	if err != nil {
		return nil, err
	}
	tx, ok := s.db.(pgx.Tx)
	if !ok {
		return nil, fmt.Errorf("projection %s: samples are of the past", s.p.Name)
	}
	names, err := t.list(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		sample := TableSample{Table: strings.TrimPrefix(name, string(t)+".")}
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+name).Scan(&sample.Count); err != nil {
			return nil, err
		}
		rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT * FROM %s ORDER BY 1 LIMIT %d`, name, most))
		if err != nil {
			return nil, err
		}
		if sample.Rows, err = pgx.CollectRows(rows, pgx.RowToMap); err != nil {
			return nil, err
		}
		out = append(out, sample)
	}
	return out, nil
}
