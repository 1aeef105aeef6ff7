package projector

import (
	"context"
	"fmt"
	"strings"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Past shows readers what projections make of some facts alone: of those up to a moment, say. The tables are those of every
// generation, filled by the same code when somebody asks for them, and nobody but read ever sees them: they are gone when it
// returns. serving finds them by the projection's name.
func Past(ctx context.Context, pool *pgxpool.Pool, list []facts.Recorded, projections []Projection, read func(serving func(name string) *Serving) error) error {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	all := map[string]*Serving{}
	place := "past_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12] + "_"
	for _, p := range projections {
		s := &Serving{db: tx, p: p, fixed: Tables(place + p.Name)}
		s.fill = func(ctx context.Context) error {
			s.fill = nil
			if err := s.fillPast(ctx, tx, list); err != nil {
				return fmt.Errorf("projection %s, in the past: %w", p.Name, err)
			}
			return nil
		}
		all[p.Name] = s
	}
	return read(func(name string) *Serving { return all[name] })
}

func (s *Serving) fillPast(ctx context.Context, tx pgx.Tx, list []facts.Recorded) error {
	if _, err := tx.Exec(ctx, `RESET ROLE`); err != nil { // of a read before, see enter
		return err
	}
	if _, err := tx.Exec(ctx, `CREATE SCHEMA `+string(s.fixed)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.fixed.SQL(s.p.Tables)); err != nil {
		return err
	}
	if err := s.fixed.guard(ctx, tx); err != nil {
		return err
	}
	a := newApplier(nil, nil, s.p)
	var page []facts.Recorded
	apply := func() error {
		if len(page) == 0 {
			return nil
		}
		err := s.p.Apply(ctx, Tx{Tx: tx, Tables: s.fixed}, page)
		page = page[:0]
		return err
	}
	for _, rec := range list {
		wanted, err := a.concerns(eventstore.Recorded{Stream: rec.Stream, Revision: rec.Revision, Type: rec.Fact.FactName()})
		if err != nil {
			return err
		}
		if !wanted {
			continue
		}
		if page = append(page, rec); len(page) == a.p.PageSize {
			if err := apply(); err != nil {
				return err
			}
		}
	}
	return apply()
}
