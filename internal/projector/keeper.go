package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	// ErrUnknown says that there is no projection of that name.
	ErrUnknown = &fault.Error{Kind: fault.NotFound, Code: "projection-unknown", Title: "there is no projection of that name"}
	// ErrBusy says that a projection is being rebuilt, compared or switched already.
	ErrBusy = &fault.Error{Kind: fault.Conflict, Code: "projection-busy", Title: "something is being done to this projection already"}
	// ErrNoGeneration says that there is no generation that could serve.
	ErrNoGeneration = &fault.Error{Kind: fault.Conflict, Code: "generation-missing", Title: "there is no such generation that is complete"}
	// ErrServes says that a generation serves and cannot be dropped.
	ErrServes = &fault.Error{Kind: fault.Conflict, Code: "generation-serves", Title: "this generation serves and cannot be dropped"}
)

// Keeper does to generations what people ask for: it fills new ones from the log, compares, switches and drops them. It
// works beside the processes that keep them in step, and needs none.
type Keeper struct {
	pool  *pgxpool.Pool
	store *eventstore.Client
	logID string
	log   *slog.Logger
	all   []Projection
}

// NewKeeper makes a keeper. Setup must have run on the database.
func NewKeeper(pool *pgxpool.Pool, store *eventstore.Client, logID string, log *slog.Logger, all ...Projection) *Keeper {
	return &Keeper{pool: pool, store: store, logID: logID, log: log, all: all}
}

// Projections are all it looks after.
func (k *Keeper) Projections() []Projection { return k.all }

// Names are those of all projections.
func (k *Keeper) Names() []string {
	names := make([]string, len(k.all))
	for i, p := range k.all {
		names[i] = p.Name
	}
	return names
}

// Projection is the one with a name.
func (k *Keeper) Projection(name string) (Projection, error) {
	list, err := k.find(name)
	if err != nil {
		return Projection{}, err
	}
	return list[0], nil
}

// find returns the named projections; without names, all.
func (k *Keeper) find(names ...string) ([]Projection, error) {
	if len(names) == 0 {
		return k.all, nil
	}
	var found []Projection
	for _, name := range names {
		i := slices.IndexFunc(k.all, func(p Projection) bool { return p.Name == name })
		if i < 0 {
			return nil, ErrUnknown.With(fmt.Sprintf("%q is none of %s.", name, strings.Join(k.Names(), ", ")))
		}
		found = append(found, k.all[i])
	}
	return found, nil
}

// exclusively has f work on projections while no other keeper works on them; without names, on all.
func (k *Keeper) exclusively(ctx context.Context, names []string, f func([]Projection) error) error {
	list, err := k.find(names...)
	if err != nil {
		return err
	}
	release, taken, err := k.lock(ctx, keeperLock, list)
	if err != nil {
		return err
	}
	if taken != "" {
		return ErrBusy.With(taken + ": try again when that has ended.")
	}
	defer release()
	return f(list)
}

// keeperLock is held while something is done to the generations of projection $1.
const keeperLock = `hashtext('cis.keeper'), hashtext($1)`

// lock takes an advisory lock of each projection, until the returned function is called; or none of them, and says whose
// is taken.
func (k *Keeper) lock(ctx context.Context, lock string, list []Projection) (release func(), taken string, err error) {
	conn, err := pgx.ConnectConfig(ctx, k.pool.Config().ConnConfig)
	if err != nil {
		return nil, "", err
	}
	release = func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.Exec(closing, `SELECT pg_advisory_unlock_all()`) // closing alone is noticed some time later
		_ = conn.Close(closing)
	}
	for _, p := range list {
		var won bool
		err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(`+lock+`)`, p.Name).Scan(&won)
		if err != nil || !won {
			release()
			return nil, p.Name, err
		}
	}
	return release, "", nil
}

// Rebuild fills the next generation of each projection from the start of the log, beside those that serve, reading the
// log once. When they have caught up they take over, or, on hold, wait for Switch. On failure nothing changes.
func (k *Keeper) Rebuild(ctx context.Context, names []string, hold bool, tell func(JobProgress)) error {
	return k.exclusively(ctx, names, func(list []Projection) error {
		fillings, err := k.filled(ctx, list, "filling", true, tell)
		if err != nil {
			return err
		}
		defer func() { k.discard(ctx, fillings) }()
		if err := k.finish(ctx, fillings, tell); err != nil {
			return err
		}
		if err := k.fillTelling(ctx, fillings, "catching up", tell); err != nil {
			return err
		}
		if hold {
			fillings = nil
			return nil
		}
		for len(fillings) > 0 {
			f := fillings[0]
			tell(JobProgress{Phase: "switching " + f.p.Name})
			if err := k.switchTo(ctx, f.applier); err != nil {
				return err
			}
			fillings = fillings[1:] // it serves: nothing that fails now may remove it
			if err := k.tidy(ctx, f.p); err != nil {
				return err
			}
		}
		return nil
	})
}

// filled begins a filling of each projection and fills them from the log: all of it, or only up to where what
// serves was when they began. On failure there are none.
func (k *Keeper) filled(ctx context.Context, list []Projection, phase string, all bool, tell func(JobProgress)) ([]*filling, error) {
	fillings, err := k.beginAll(ctx, list)
	var reading []*filling
	for _, f := range fillings {
		if !all {
			f.until = f.known
		}
		if all || f.until > 0 {
			reading = append(reading, f)
		}
	}
	if err == nil && len(reading) > 0 {
		err = k.fillTelling(ctx, reading, phase, tell)
	}
	for i := 0; err == nil && i < len(fillings); i++ {
		tell(JobProgress{Phase: "putting in place"})
		err = fillings[i].place(ctx)
	}
	if err == nil {
		return fillings, nil
	}
	k.discard(ctx, fillings)
	if errors.Is(err, errUnfit) {
		k.log.Warn("projector: filling again, row by row", "reason", err)
		return k.filled(ctx, unstaged(list), phase, all, tell)
	}
	return nil, err
}

// beginAll begins a filling of each projection. What was left by one that was interrupted is removed.
func (k *Keeper) beginAll(ctx context.Context, list []Projection) (all []*filling, err error) {
	for _, p := range list {
		serving, err := ensureServing(ctx, k.pool, p, k.logID)
		if err != nil {
			return all, err
		}
		if _, err := k.dropWhere(ctx, p, `g.filled IS NULL AND g.retired IS NULL AND g.generation > s.generation`); err != nil {
			return all, err
		}
		f, err := k.begin(ctx, p)
		if err != nil {
			return all, err
		}
		all = append(all, f)
		if f.known, err = serving.position(ctx, k.pool, k.logID); err != nil {
			return all, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return all, nil
}

// discard removes fillings that did not come to anything.
func (k *Keeper) discard(ctx context.Context, fillings []*filling) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, f := range fillings {
		if err := pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error { return f.gen.drop(ctx, tx) }); err != nil {
			k.log.Warn("projector: tables are left over; the next rebuild removes them", "tables", f.gen.tables(), "error", err)
		}
	}
}

func (k *Keeper) fillTelling(ctx context.Context, fillings []*filling, phase string, tell func(JobProgress)) error {
	head, err := k.store.Head(ctx)
	if err != nil {
		return err
	}
	g := gauge{phase: phase, head: head, begin: time.Now(), tell: tell}
	return k.fill(ctx, fillings, g.advance)
}

// Switch makes a complete generation serve that does not yet: the newest, or the one with a number.
func (k *Keeper) Switch(ctx context.Context, name string, number int) error {
	return k.change(ctx, name, `(g.generation = $3 OR $3 = 0 AND g.retired IS NULL) AND g.generation <> s.generation`, number)
}

// Rollback makes the generation serve again that did before. It goes on from where it was left.
func (k *Keeper) Rollback(ctx context.Context, name string) error {
	return k.change(ctx, name, `g.retired = (SELECT max(retired) FROM cis.generation WHERE name = $1 AND version = $2) AND $3 = 0`, 0)
}

func (k *Keeper) change(ctx context.Context, name, which string, number int) error {
	return k.exclusively(ctx, []string{name}, func(list []Projection) error {
		a, err := k.existing(ctx, list[0], which, number)
		if err != nil {
			return err
		}
		if err := k.switchTo(ctx, a); err != nil {
			return err
		}
		return k.tidy(ctx, list[0])
	})
}

// existing finds the newest generation that is complete and fits a condition, with $3.
func (k *Keeper) existing(ctx context.Context, p Projection, which string, number int) (*applier, error) {
	a := newApplier(k.pool, k.store, p)
	a.gen = generation{p: a.p}
	var pos int64
	err := k.pool.QueryRow(ctx, `
		SELECT g.generation, g.position FROM cis.generation AS g JOIN cis.serving AS s USING (name, version)
		WHERE name = $1 AND version = $2 AND g.position >= 0 AND (g.filled IS NOT NULL OR g.retired IS NOT NULL) AND (`+which+`)
		ORDER BY g.generation DESC LIMIT 1`, p.Name, p.Version, number).Scan(&a.gen.number, &pos)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNoGeneration.With("`cis projections list` shows what there is of " + p.Name + ".")
	}
	a.position = uint64(max(pos, 0))
	return a, err
}

// switchTo makes a generation serve. The one that does is held still until the other is as far, so that readers never see
// less than they did; workers cannot claim anything meanwhile, and what they had claimed they still have.
func (k *Keeper) switchTo(ctx context.Context, next *applier) error {
	p := next.p
	err := pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(`+switchLock+`)`, p.Name); err != nil {
			return err
		}
		old := generation{p: p}
		var oldPos int64
		if err := tx.QueryRow(ctx, selectServing, p.Name, p.Version).Scan(&old.number); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT position FROM cis.generation WHERE `+isGeneration+` FOR UPDATE`, old.args()...).Scan(&oldPos); err != nil {
			return err
		}
		if err := next.gen.set(ctx, tx, `retired = NULL`); err != nil {
			return err
		}
		if err := k.reach(ctx, next, tx, uint64(oldPos)); err != nil {
			return err
		}
		if err := carry(ctx, tx, p, old.tables(), next.gen.tables()); err != nil {
			return fmt.Errorf("taking along what workers wrote: %w", err)
		}
		if _, err := tx.Exec(ctx, `UPDATE cis.serving SET generation = $3 WHERE name = $1 AND version = $2`, next.gen.args()...); err != nil {
			return err
		}
		if err := next.gen.tables().publish(ctx, tx, p); err != nil {
			return fmt.Errorf("showing it to analysts: %w", err)
		}
		return old.set(ctx, tx, `retired = now()`)
	})
	if err != nil {
		return fmt.Errorf("switching %s: %w", p.Name, err)
	}
	k.log.Info("projector: another generation serves", "projection", p.Name, "generation", next.gen.number)
	return nil
}

// tidy removes what served before, except the last, which one can go back to. What was filled later stays.
func (k *Keeper) tidy(ctx context.Context, p Projection) error {
	_, err := k.dropWhere(ctx, p, `
		g.generation < s.generation AND (g.retired IS NULL
			OR g.retired < (SELECT max(retired) FROM cis.generation WHERE name = $1 AND version = $2))`)
	return err
}

// reach applies, within a transaction, what a generation lacks up to a position.
func (k *Keeper) reach(ctx context.Context, a *applier, tx pgx.Tx, to uint64) error {
	from := a.at()
	if from >= to {
		return nil
	}
	err := k.store.Follow(ctx, a.p.Prefixes, from, a.p.PageSize, func(page eventstore.Page) error {
		if cut := slices.IndexFunc(page.Records, func(r eventstore.Recorded) bool { return r.Position > to }); cut >= 0 {
			page.Records = page.Records[:cut]
		}
		recs, err := a.decode(ctx, page.Records)
		if err != nil {
			return err
		}
		if len(recs) > 0 {
			if err := a.p.Apply(ctx, Tx{Tx: tx, Tables: a.gen.tables()}, recs); err != nil {
				return err
			}
		}
		if page.CaughtUp || page.Position >= to {
			return eventstore.ErrDone
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.gen.advance(ctx, tx, from, to)
}

// Drop removes generations that do not serve: the one with a number, or all. With old, those of other versions of the
// program, too, which an older binary would fill again.
func (k *Keeper) Drop(ctx context.Context, name string, number int, old bool) (dropped []string, err error) {
	err = k.exclusively(ctx, []string{name}, func(list []Projection) error {
		p := list[0]
		if dropped, err = k.dropWhere(ctx, p, `$3 IN (0, g.generation) AND g.generation <> s.generation`, number); err != nil {
			return err
		}
		if old {
			others, err := k.dropOthers(ctx, p, number)
			if dropped = append(dropped, others...); err != nil {
				return err
			}
		}
		if len(dropped) > 0 || number == 0 {
			return nil
		}
		var serving int
		if err := k.pool.QueryRow(ctx, selectServing, p.Name, p.Version).Scan(&serving); err == nil && serving == number {
			return ErrServes
		}
		return ErrNoGeneration.With("`cis projections list` shows what there is of " + name + ".")
	})
	return dropped, err
}

// dropWhere removes the generations of a projection's version that fit a condition on g, with s the one that serves and
// $3 what args holds.
func (k *Keeper) dropWhere(ctx context.Context, p Projection, which string, args ...any) ([]string, error) {
	return k.dropFound(ctx, p.Name, `
		SELECT g.version, g.generation FROM cis.generation AS g JOIN cis.serving AS s USING (name, version)
		WHERE name = $1 AND version = $2 AND (`+which+`)`, append([]any{p.Name, p.Version}, args...)...)
}

// dropOthers removes the generations of other versions: those with a number, or all.
func (k *Keeper) dropOthers(ctx context.Context, p Projection, number int) ([]string, error) {
	return k.dropFound(ctx, p.Name, `
		SELECT version, generation FROM cis.generation WHERE name = $1 AND version <> $2 AND $3 IN (0, generation)`, p.Name, p.Version, number)
}

// dropFound removes the generations that a query finds by version and number, and names their tables.
func (k *Keeper) dropFound(ctx context.Context, name, query string, args ...any) (dropped []string, err error) {
	err = pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		var found []generation
		g := generation{p: Projection{Name: name}}
		if _, err := pgx.ForEachRow(rows, []any{&g.p.Version, &g.number}, func() error {
			found = append(found, g)
			return nil
		}); err != nil {
			return err
		}
		for _, g := range found {
			if err := g.drop(ctx, tx); err != nil {
				return err
			}
			dropped = append(dropped, string(g.tables()))
		}
		return nil
	})
	return dropped, err
}
