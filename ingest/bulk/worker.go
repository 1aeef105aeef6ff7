package bulk

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/bulk"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/invitation"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	lease     = time.Minute
	blockSize = 500 // rows that are worked off, and recorded, together
	parallel  = 12  // rows at a time: single invitations come through between them
	atOnce    = 2   // tables at a time
)

// Mails are the mails that came in.
type Mails interface {
	LoadRaw(ctx context.Context, mailID string) ([]byte, error)
}

// Options are what a worker needs.
type Options struct {
	Pool     *pgxpool.Pool
	Handler  *commands.Handler
	Keys     secret.Keys
	Mails    Mails
	Log      *slog.Logger
	Registry prometheus.Registerer
	Alone    bool // this is the only process that can be working on tables
}

// Worker works tables off.
type Worker struct {
	opts Options
	todo todo
	wake chan struct{}
	rows *prometheus.CounterVec
}

// NewWorker makes a worker and the projection that feeds it.
func NewWorker(opts Options) (*Worker, projector.Projection) {
	w := &Worker{
		opts: opts, wake: make(chan struct{}, 1),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "cis_bulk_rows_total", Help: "Rows of tables of people worked off, by result."}, []string{"result"}),
	}
	opts.Registry.MustRegister(w.rows)
	p := Projection(func(bool) {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	})
	w.todo = todo{pool: opts.Pool, serving: projector.NewServing(opts.Pool, p), owner: uuid.NewString(), alone: opts.Alone}
	return w, p
}

// Run works until ctx ends.
func (w *Worker) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() { w.serve(ctx) })
	}
	wg.Wait()
	return nil
}

func (w *Worker) serve(ctx context.Context) {
	for ctx.Err() == nil {
		claimed, err := w.todo.claim(ctx)
		if err != nil && ctx.Err() == nil {
			w.opts.Log.Debug("bulk: claiming", "error", err) // the database is away, or not set up yet
		}
		for _, t := range claimed {
			if err := w.workOff(ctx, t); err != nil {
				pause := min(time.Second<<min(t.Attempts, 10), 10*time.Minute)
				if ctx.Err() == nil {
					w.opts.Log.Warn("bulk: a table will be gone on with later", "bulk", t.ID, "attempt", t.Attempts, "error", err)
				} else {
					pause = 0
				}
				_ = w.todo.postpone(context.WithoutCancel(ctx), t.ID, pause)
			}
		}
		if len(claimed) > 0 {
			continue
		}
		select {
		case <-w.wake:
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// workOff goes on with a table where the log says it stands.
func (w *Worker) workOff(ctx context.Context, t task) error {
	seen, err := w.opts.Handler.SeenBulk(ctx, t.ID)
	if err != nil || !seen.State.Exists || seen.State.Finished {
		return err
	}
	raw, err := w.opts.Mails.LoadRaw(ctx, t.ID)
	if err != nil {
		return err
	}
	table, err := TableOf(raw)
	if err != nil {
		return err
	}
	begin := time.Now()
	for rows := range blocks(table, seen.State.Done) {
		if err := ctx.Err(); err != nil || seen.State.Paused && !seen.State.Stopped { // paused: it comes back when it is resumed
			return err
		}
		if seen.State.Stopped {
			break
		}
		done, err := w.block(ctx, t, seen.State, rows)
		if err != nil {
			return err
		}
		meta := commands.From("bulk", t.Tenant, fmt.Sprintf("%s/%d", t.ID, done.Block), 0)
		if seen, err = w.opts.Handler.RecordBlock(ctx, meta, commands.RecordBlock{Done: done}, seen); err != nil {
			return err
		}
		w.opts.Log.Info("bulk: progress", "bulk", t.ID, "done", seen.State.Done, "rows", seen.State.Rows, "accepted", seen.State.Accepted)
		if err := w.todo.keep(ctx, t.ID); err != nil {
			return err
		}
	}
	w.opts.Log.Info("bulk: finished", "bulk", t.ID, "accepted", seen.State.Accepted, "rows", seen.State.Rows, "took", time.Since(begin))
	_, err = w.opts.Handler.ForBulk(ctx, commands.From("bulk", t.Tenant, t.ID+"/end", 0), commands.FinishBulk{Tenant: t.Tenant, BulkID: t.ID})
	return err
}

// blocks are the rows of a table behind those that are done, as they are worked off together.
func blocks(table []byte, done int) iter.Seq[[]Row] {
	return func(yield func([]Row) bool) {
		var block []Row
		for row := range Rows(table) {
			if done > 0 {
				done--
				continue
			}
			if block = append(block, row); len(block) == blockSize {
				if !yield(block) {
					return
				}
				block = block[:0]
			}
		}
		if len(block) > 0 {
			yield(block)
		}
	}
}

// block asks for the invitations of a block of rows. Done again after a crash it comes to the same: a row that was
// granted before is recognized by its table and line.
func (w *Worker) block(ctx context.Context, t task, s bulk.State, rows []Row) (bulk.BulkBlockDone, error) {
	done := bulk.BulkBlockDone{Tenant: t.Tenant, BulkID: t.ID, Block: s.Blocks + 1, Rows: len(rows)}
	reasons := make([]string, len(rows)) // empty: accepted
	byEvent := map[string][]int{}
	for i, r := range rows {
		if reasons[i] = r.Problem; r.Problem == "" {
			byEvent[r.UID] = append(byEvent[r.UID], i)
		}
	}
	for uid, list := range byEvent {
		if err := w.invite(ctx, t, s, done.Block, uid, rows, list, reasons); err != nil {
			return done, err
		}
	}
	for i, reason := range reasons {
		if reason == "" {
			done.Accepted++
			w.rows.WithLabelValues("accepted").Inc()
			continue
		}
		done.Refused = append(done.Refused, bulk.Row{Line: rows[i].Line, Reason: reason})
		w.rows.WithLabelValues(string(bulk.KindOf(reason))).Inc()
	}
	return done, nil
}

// invite asks for the invitations to one event, out of one block of its slots.
func (w *Worker) invite(ctx context.Context, t task, s bulk.State, number int, uid string, rows []Row, list []int, reasons []string) error {
	ev, err := w.opts.Handler.FreshEvent(ctx, uid)
	if err != nil {
		return err
	}
	if !ev.Exists || ev.OrganizerID != s.OrganizerID {
		why := event.ErrUnknown
		if ev.Exists {
			why = event.ErrNotYours
		}
		for _, i := range list {
			reasons[i] = why.Code
		}
		return nil
	}
	name := fmt.Sprintf("%s/%d", t.ID, number)
	meta := commands.From("bulk/slots", t.Tenant, name+"/"+uid, 0)
	used := 0
	if _, again := ev.Blocks[name]; again {
		if used, err = w.granted(ctx, t, uid, rows, list); err != nil {
			return err
		}
	}
	slots, err := w.opts.Handler.ReserveBlock(ctx, meta, commands.ReserveSlots{Tenant: t.Tenant, UID: uid, Block: name, Wanted: len(list)}, used)
	if err != nil {
		return err
	}
	workers := parallel
	if !slots.Enough(len(list)) { // then who stands first in the table gets them
		workers = 1
	}
	err = each(workers, list, func(i int) (err error) {
		reasons[i], err = w.row(ctx, t, ev, slots, rows[i])
		return err
	})
	if err != nil {
		return err
	}
	used = 0
	for _, i := range list {
		if reasons[i] == "" {
			used++
		}
	}
	meta = commands.From("bulk/return", t.Tenant, name+"/"+uid, 0)
	_, err = w.opts.Handler.ForEvent(ctx, meta, commands.ReturnSlots{Tenant: t.Tenant, UID: uid, Block: name, Used: used})
	return err
}

// row asks for one invitation and returns why it was denied; empty if it was granted, now or before a crash.
func (w *Worker) row(ctx context.Context, t task, ev event.State, slots *commands.Slots, r Row) (string, error) {
	person := w.opts.Keys.PersonID(t.Tenant, r.Email)
	done, err := w.opts.Handler.RequestInvite(ctx, commands.From("bulk", t.Tenant, t.ID, r.Line), commands.RequestInvite{
		Tenant: t.Tenant, Event: ev, EventUID: ev.UID, AttendeeID: person, Address: r.Email, Name: r.Name, Origin: invitation.Bulk,
		Bulk: t.ID, Line: r.Line, Now: time.Now().UTC(),
	}, slots)
	if why, refused := fault.From(err); refused {
		return why.Code, nil
	}
	if err != nil {
		return "", err
	}
	switch f := done.Last.(type) {
	case invitation.InviteRequested:
		return "", nil
	case invitation.InviteDenied:
		return f.Reason, nil
	}
	seen, err := w.opts.Handler.Invitation(ctx, ev.UID, person) // it was decided before
	if err != nil || seen.State.Bulk == t.ID && seen.State.Line == r.Line {
		return "", err
	}
	return seen.State.Denied, nil
}

// granted counts the rows of a block that were granted before a crash.
func (w *Worker) granted(ctx context.Context, t task, uid string, rows []Row, list []int) (int, error) {
	var mu sync.Mutex
	n := 0
	err := each(parallel, list, func(i int) error {
		seen, err := w.opts.Handler.Invitation(ctx, uid, w.opts.Keys.PersonID(t.Tenant, rows[i].Email))
		mu.Lock()
		defer mu.Unlock()
		if seen.State.Bulk == t.ID && seen.State.Line == rows[i].Line {
			n++
		}
		return err
	})
	return n, err
}

// each runs f for every member of a list, so many at a time, and returns one of its errors.
func each(workers int, list []int, f func(i int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	work := make(chan int)
	for range min(workers, len(list)) {
		wg.Go(func() {
			for i := range work {
				if err := f(i); err != nil {
					once.Do(func() { failed = err })
				}
			}
		})
	}
	for _, i := range list {
		work <- i
	}
	close(work)
	wg.Wait()
	return failed
}
