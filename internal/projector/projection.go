package projector

import (
	"context"
	"strings"

	"github.com/calendar-invite-server/cis/domain/schema"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/jackc/pgx/v5"
)

// Projection turns facts into rows.
type Projection struct {
	Name     string   // [a-z]+, also part of the Postgres schema's name
	Version  int      // raised when the tables or the meaning of their rows change
	Prefixes []string // of the streams it reads
	Tables   string   // SQL that makes the tables; "@." stands for the generation's schema
	PageSize int      // facts per transaction at most; default 1000

	// Reads lists the facts Apply looks at, by their zero values; the others of its streams are not even decoded. Nil:
	// all of them.
	Reads []schema.Fact

	// Apply adds a page of facts, in log order. It runs in a transaction with the checkpoint and may run again.
	Apply func(ctx context.Context, tx Tx, page []facts.Recorded) error

	// Stage is how a generation is filled faster; nil: with Apply alone.
	Stage *Stage

	// Working lists what workers write into the tables themselves.
	Working []Working

	// Personal lists columns with personal data, as table.column: they are not shown where rows are compared.
	Personal []string

	// Indexed says that Apply finds rows by more than their keys, so that a rebuild needs all indexes from the start.
	Indexed bool

	// Public tables are shown to analysts, read-only, under names that stay the same: see [AnalystSchema].
	Public bool

	// Applied is called after a page was committed, with the position reached; may be nil.
	Applied func(position uint64, caughtUp bool)
}

// Working is what of a table no fact says: workers write it. A comparison leaves it out.
type Working struct {
	Table   string
	Whole   bool     // all of the table, rows included; taken along when another generation takes over
	Kept    []string // columns that are taken along: leases, failed attempts
	Scratch []string // columns that are found out again: when to look next
	Ahead   []string // numbers a worker may raise before, or without, a fact that says so
}

// Tx is a transaction over one generation's tables.
type Tx struct {
	pgx.Tx
	Tables Tables
	Staged bool // write for the projection's [Stage]
}

// Tables is a generation's schema. Names in SQL are qualified with it: "@.event" is that generation's table event.
type Tables string

// SQL qualifies table names. Plans are cached per text, and so per generation.
func (t Tables) SQL(text string) string { return strings.ReplaceAll(text, "@.", string(t)+".") }

// ByIndex, at the start of a transaction, keeps the planner to indexes. Queues have rows come and go faster than
// statistics are gathered; a plan made while one was empty must not scan it when it holds a hundred thousand.
const ByIndex = `SELECT set_config(name, 'off', true) FROM unnest(ARRAY['enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_bitmapscan', 'enable_hashagg']) AS name`

// PerFact is an Apply that queues statements for one fact after the other, all in one round trip: for projections whose
// facts are few beside the answers of attendees.
func PerFact(queue func(*pgx.Batch, Tables, facts.Recorded)) func(context.Context, Tx, []facts.Recorded) error {
	return func(ctx context.Context, tx Tx, page []facts.Recorded) error {
		batch := &pgx.Batch{}
		for _, rec := range page {
			queue(batch, tx.Tables, rec)
		}
		return tx.SendBatch(ctx, batch).Close()
	}
}
