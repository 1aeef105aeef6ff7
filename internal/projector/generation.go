package projector

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const systemTables = `
CREATE SCHEMA IF NOT EXISTS cis;
CREATE TABLE IF NOT EXISTS cis.generation (
	name       text        NOT NULL,
	version    int         NOT NULL, -- of the code
	generation int         NOT NULL,
	log_id     text        NOT NULL, -- the log the position belongs to
	position   bigint      NOT NULL DEFAULT 0,
	created    timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (name, version, generation)
);
CREATE TABLE IF NOT EXISTS cis.serving (
	name       text NOT NULL,
	version    int  NOT NULL,
	generation int  NOT NULL,
	PRIMARY KEY (name, version)
);
ALTER TABLE cis.generation
	ADD COLUMN IF NOT EXISTS filled  timestamptz, -- when it had caught up with the log for the first time
	ADD COLUMN IF NOT EXISTS retired timestamptz, -- since when another serves in its place
	ADD COLUMN IF NOT EXISTS stopped text NOT NULL DEFAULT '', -- why it stands still
	ADD COLUMN IF NOT EXISTS stuck   text NOT NULL DEFAULT ''; -- and in front of which fact: stream@revision
UPDATE cis.generation SET retired = now() WHERE position < 0; -- how that was said before
CREATE TABLE IF NOT EXISTS cis.request (
	id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	job      jsonb       NOT NULL, -- what is to be done
	asked    timestamptz NOT NULL DEFAULT now(),
	seen     timestamptz, -- when who does it was last heard of
	progress jsonb,
	finished timestamptz,
	outcome  jsonb,
	error    text        NOT NULL DEFAULT ''
);`

var (
	// ErrOtherLog says that the database was filled from another log.
	ErrOtherLog = errors.New("the database was filled from another log: give this one an empty database, or start with the log it belongs to")
	// ErrAhead says that the database knows facts the log does not have.
	ErrAhead = errors.New("the database is ahead of the log, as after restoring an older log: empty the database, it is filled again")
	// errMoved says that another process moved the checkpoint, or another generation serves now.
	errMoved = errors.New("projector: somebody else moved the checkpoint")
)

// Setup makes the tables that generations are kept in. It is safe to run in several processes at once.
func Setup(ctx context.Context, pool *pgxpool.Pool) error {
	if err := setupRole(ctx, pool); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('cis.setup'))`); err != nil {
			return err
		}
		var current bool // ALTER TABLE would wait for whoever reads
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('cis.generation') AND attname = 'stuck')`).Scan(&current)
		if err == nil && !current {
			_, err = tx.Exec(ctx, systemTables)
		}
		return err
	})
}

// generation is one filling of a projection's tables.
type generation struct {
	p      Projection
	number int
}

func (g generation) tables() Tables {
	return Tables(fmt.Sprintf("p_%s_v%d_g%d", g.p.Name, g.p.Version, g.number))
}

// create makes the generation's schema and checkpoint row.
func (g generation) create(ctx context.Context, tx pgx.Tx, logID string) error {
	t := g.tables()
	if _, err := tx.Exec(ctx, `CREATE SCHEMA `+string(t)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, t.SQL(g.p.Tables)); err != nil {
		return fmt.Errorf("tables of %s: %w", g.p.Name, err)
	}
	if err := t.guard(ctx, tx); err != nil {
		return fmt.Errorf("walls of %s: %w", g.p.Name, err)
	}
	_, err := tx.Exec(ctx, `INSERT INTO cis.generation (name, version, generation, log_id) VALUES ($1, $2, $3, $4)`, g.p.Name, g.p.Version, g.number, logID)
	return err
}

// isGeneration finds a generation's row by its args.
const isGeneration = `name = $1 AND version = $2 AND generation = $3`

func (g generation) args() []any { return []any{g.p.Name, g.p.Version, g.number} }

// execer is a transaction, or the pool.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// set changes columns of the generation's row. $4 and so on are args.
func (g generation) set(ctx context.Context, db execer, columns string, args ...any) error {
	_, err := db.Exec(ctx, `UPDATE cis.generation SET `+columns+` WHERE `+isGeneration, append(g.args(), args...)...)
	return err
}

// drop removes the generation for good.
func (g generation) drop(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `DROP SCHEMA IF EXISTS `+string(g.tables())+` CASCADE`); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM cis.serving WHERE `+isGeneration, g.args()...); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM cis.generation WHERE `+isGeneration, g.args()...)
	return err
}

// position reads the checkpoint and refuses one that belongs to another log.
func (g generation) position(ctx context.Context, pool *pgxpool.Pool, logID string) (uint64, error) {
	var id string
	var pos int64
	err := pool.QueryRow(ctx, `SELECT log_id, position FROM cis.generation WHERE `+isGeneration, g.args()...).Scan(&id, &pos)
	if err == nil && id != logID {
		err = ErrOtherLog
	}
	return uint64(pos), err
}

// advance moves the checkpoint from one position to another, or fails with errMoved: also when another generation serves
// now, because who switches writes into this row.
func (g generation) advance(ctx context.Context, tx pgx.Tx, from, to uint64) error {
	tag, err := tx.Exec(ctx, `UPDATE cis.generation SET position = $5 WHERE `+isGeneration+` AND position = $4 AND retired IS NULL`,
		append(g.args(), int64(from), int64(to))...)
	if err == nil && tag.RowsAffected() != 1 {
		err = errMoved
	}
	return err
}

// ensureServing returns the generation that serves, making the first one.
func ensureServing(ctx context.Context, pool *pgxpool.Pool, p Projection, logID string) (generation, error) {
	g := generation{p: p, number: 1}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtext('cis.generation.' || $1))`, p.Name); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, selectServing, p.Name, p.Version).Scan(&g.number)
		if err == nil {
			return g.tables().guard(ctx, tx) // of a generation from before there were walls
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err := g.create(ctx, tx, logID); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `INSERT INTO cis.serving (name, version, generation) VALUES ($1, $2, $3)`, p.Name, p.Version, g.number); err != nil {
			return err
		}
		return g.tables().publish(ctx, tx, p)
	})
	if err != nil {
		return g, fmt.Errorf("projection %s: %w", p.Name, err)
	}
	return g, nil
}
