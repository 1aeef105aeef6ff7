package projector

import (
	"context"
	"fmt"
	"strings"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Records goes through some of the log, in order.
type Records func(ctx context.Context, each func([]eventstore.Recorded) error) error

// Past shows readers what the named projections make of some records alone: of those up to a moment, say. The tables are those of
// every generation, filled by the same code when somebody asks for them, and nobody but read ever sees them: they are gone
// when it returns. serving finds them by the projection's name.
func (k *Keeper) Past(ctx context.Context, names []string, records Records, read func(serving func(name string) *Serving) error) error {
	list, err := k.find(names...)
	if err != nil {
		return err
	}
	tx, err := k.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	all := map[string]*Serving{}
	place := "past_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12] + "_"
	for _, p := range list {
		s := &Serving{db: tx, p: p, fixed: Tables(place + p.Name)}
		s.fill = func(ctx context.Context) error {
			s.fill = nil
			if err := s.fillPast(ctx, tx, k.store, records); err != nil {
				return fmt.Errorf("projection %s, in the past: %w", p.Name, err)
			}
			return nil
		}
		all[p.Name] = s
	}
	return read(func(name string) *Serving { return all[name] })
}

func (s *Serving) fillPast(ctx context.Context, tx pgx.Tx, store *eventstore.Client, records Records) error {
	for _, sql := range []string{`RESET ROLE`, `CREATE SCHEMA ` + string(s.fixed), s.fixed.SQL(s.p.Tables)} { // the role of a read before, see enter
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := s.fixed.guard(ctx, tx); err != nil {
		return err
	}
	looking := []*filling{{applier: newApplier(nil, store, s.p)}}
	return records(ctx, func(page []eventstore.Recorded) error {
		recs, err := decodeFor(ctx, looking, page)
		if err != nil || len(recs) == 0 {
			return err
		}
		return s.p.Apply(ctx, Tx{Tx: tx, Tables: s.fixed}, recs)
	})
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
