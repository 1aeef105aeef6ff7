package erasure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/projections/access"
	"github.com/jackc/pgx/v5"
)

// database removes what it keeps of deleted rows: dead rows, the planner's samples, its write-ahead log.
func (e Eraser) database(ctx context.Context, c *Certificate, position uint64) error {
	var tables []string
	for _, p := range e.Keeper.Projections() {
		if len(p.Personal) == 0 {
			continue
		}
		e.tell("waiting for " + p.Name)
		if err := e.Keeper.Seen(ctx, p.Name, position); err != nil {
			return err
		}
		dropped, err := e.Keeper.Drop(ctx, p.Name, 0, true)
		if err != nil {
			return err
		}
		c.Dropped = append(c.Dropped, dropped...)
		schema, err := projector.NewServing(e.Pool, p).Tables(ctx)
		if err != nil {
			return err
		}
		for _, column := range p.Personal {
			table, _, _ := strings.Cut(column, ".")
			if name := string(schema) + "." + table; !slices.Contains(tables, name) {
				tables = append(tables, name)
			}
		}
	}
	hooks, err := access.NewReader(e.Pool).EveryWebhook(ctx)
	if err != nil {
		return err
	}
	for _, w := range hooks {
		if w.Tenant == c.Tenant {
			c.Endpoints = append(c.Endpoints, w.URL)
		}
	}
	e.tell("cleaning the database's files")
	if err := e.oldSnapshots(ctx); err != nil {
		return err
	}
	for _, t := range tables {
		if err := e.run(ctx, c, `VACUUM (FULL, ANALYZE) `+t); err != nil {
			return err
		}
	}
	var may bool // who may not is only warned: the table is passed over
	err = e.Pool.QueryRow(ctx, `SELECT r.rolsuper OR pg_has_role(d.datdba, 'MEMBER') FROM pg_roles AS r, pg_database AS d WHERE r.rolname = current_user AND d.datname = current_database()`).Scan(&may)
	if err == nil && may {
		err = e.run(ctx, c, `VACUUM FULL pg_catalog.pg_statistic`)
	}
	if err != nil {
		return err
	}
	if !may {
		c.ToDo = append(c.ToDo, "as an administrator of the database: VACUUM FULL pg_catalog.pg_statistic (the planner's samples of values)")
	}
	c.ToDo = append(c.ToDo, "copies of the keys (vault.db) from before now still open what they open: delete them, or let `cis restore` bring them back, which erases again",
		"copies of the database from before now, and what you exported, gave away or mailed to others, are theirs to delete",
		"the log output of `cis serve`, if you keep it: a mail that could not be handled may be quoted there")
	if !e.Private {
		c.ToDo = append(c.ToDo, "the database is not ours alone: its write-ahead log, archives, replicas and log files are yours to let go; if nothing but cis uses the server: CHECKPOINT; SELECT pg_switch_wal(); CHECKPOINT, with wal_recycle = off")
		return nil
	}
	return e.writeAhead(ctx, c)
}

func (e Eraser) run(ctx context.Context, c *Certificate, sql string) error {
	if _, err := e.Pool.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	c.Database = append(c.Database, sql)
	return nil
}

// oldSnapshots waits for everybody who may still see deleted rows, because those rows are kept for them.
func (e Eraser) oldSnapshots(ctx context.Context) error {
	var now string
	if err := e.Pool.QueryRow(ctx, `SELECT pg_current_xact_id()::text`).Scan(&now); err != nil {
		return err
	}
	deadline := time.Now().Add(time.Minute)
	for {
		var query string
		err := e.Pool.QueryRow(ctx, `
			SELECT left(query, 100) FROM pg_stat_activity
			WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database() AND age(backend_xmin) >= age($1::text::xid)
			LIMIT 1`, now).Scan(&query)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the database keeps deleted rows for a transaction that has been open for a minute (%s): end it and ask again", query)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writeAhead has all segments of the write-ahead log deleted that were written so far. With wal_recycle off they are not
// used again; segments that an older version of the program left to be used again are used up.
func (e Eraser) writeAhead(ctx context.Context, c *Certificate) error {
	for range 200 {
		if _, err := e.Pool.Exec(ctx, `SELECT pg_logical_emit_message(false, 'cis', 'erasure'), pg_switch_wal()`); err != nil {
			return err
		}
		var ahead int
		if err := e.Pool.QueryRow(ctx, `SELECT count(*) FROM pg_ls_waldir() WHERE name > pg_walfile_name(pg_current_wal_lsn()) AND length(name) = 24`).Scan(&ahead); err != nil {
			return err
		}
		if ahead > 0 {
			continue
		}
		for _, sql := range []string{`CHECKPOINT`, `SELECT pg_switch_wal()`, `CHECKPOINT`} {
			if err := e.run(ctx, c, sql); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("the database's write-ahead log has too many old segments: restart the server, and ask again")
}

// emptyOutbox deletes mails from the outbox that name them.
func (e Eraser) emptyOutbox(address string) (deleted int, err error) {
	m := message.NewMentioned(address)
	err = filepath.WalkDir(e.Outbox, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil || !m.InMail(raw) {
			return err
		}
		deleted++
		return os.Remove(path)
	})
	return deleted, err
}
