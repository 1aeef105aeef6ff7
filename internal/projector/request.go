package projector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Job is something a [Keeper] can be asked to do.
type Job struct {
	Do         string   `json:"do" enum:"rebuild,verify,diff,switch,rollback,drop"`
	Names      []string `json:"names,omitempty"`      // of projections; none: all
	Hold       bool     `json:"hold,omitempty"`       // a rebuild does not take over
	Generation int      `json:"generation,omitempty"` // to switch to, compare with, or drop; 0: whichever fits
	Old        bool     `json:"old,omitempty"`        // drop: of other versions of the program, too
	By         string   `json:"by,omitempty"`         // who asked
}

// JobOutcome is what became of a job.
type JobOutcome struct {
	Reports []Comparison `json:"reports,omitempty"`
	Dropped []string     `json:"dropped,omitempty"`
}

// Differences counts the rows that differ in all reports.
func (o JobOutcome) Differences() (n int64) {
	for _, r := range o.Reports {
		n += r.Differences
	}
	return n
}

// ErrJob says that a job makes no sense.
var ErrJob = &fault.Error{Kind: fault.Invalid, Code: "job-invalid", Title: "this cannot be done to projections"}

// Do does a job. tell hears how far it is.
func (k *Keeper) Do(ctx context.Context, job Job, tell func(JobProgress)) (out JobOutcome, err error) {
	if err := k.check(job); err != nil {
		return out, err
	}
	switch job.Do {
	case "rebuild":
		err = k.Rebuild(ctx, job.Names, job.Hold, tell)
	case "verify":
		out.Reports, err = k.Verify(ctx, job.Names, tell)
	case "diff":
		var r Comparison
		r, err = k.Diff(ctx, job.Names[0], job.Generation)
		out.Reports = []Comparison{r}
	case "switch":
		err = k.Switch(ctx, job.Names[0], job.Generation)
	case "rollback":
		err = k.Rollback(ctx, job.Names[0])
	case "drop":
		out.Dropped, err = k.Drop(ctx, job.Names[0], job.Generation, job.Old)
	}
	return out, err
}

// check refuses a job that cannot be done.
func (k *Keeper) check(job Job) error {
	switch job.Do {
	case "rebuild", "verify":
	case "diff", "switch", "rollback", "drop":
		if len(job.Names) != 1 {
			return ErrJob.With(job.Do + " is about one projection.")
		}
	default:
		return ErrJob.With(job.Do + " is none of rebuild, verify, diff, switch, rollback, drop.")
	}
	_, err := k.find(job.Names...)
	return err
}

// Idle says whether nobody leads any of the projections: no server is running that a job could be left to. Until the
// returned function is called, nobody begins to.
func (k *Keeper) Idle(ctx context.Context, names []string) (release func(), idle bool, err error) {
	list, err := k.find(names...)
	if err != nil {
		return nil, false, err
	}
	release, taken, err := k.lock(ctx, leaderLock, list)
	return release, err == nil && taken == "", err
}

// JobRequest is a job left to whoever leads the projection.
type JobRequest struct {
	ID       int64        `json:"id"`
	Job      Job          `json:"job"`
	Asked    time.Time    `json:"asked"`
	Seen     *time.Time   `json:"seen,omitempty" doc:"When who does it was last heard of; not yet: nobody has begun"`
	Progress *JobProgress `json:"progress,omitempty"`
	Finished *time.Time   `json:"finished,omitempty"`
	Outcome  *JobOutcome  `json:"outcome,omitempty"`
	Error    string       `json:"error,omitempty" doc:"Why it failed"`
}

// ErrNoRequest says that there is no request with this number.
var ErrNoRequest = &fault.Error{Kind: fault.NotFound, Code: "request-unknown", Title: "there is no such request"}

// Ask leaves a job to the process that leads the projection, and returns the request's number.
func (k *Keeper) Ask(ctx context.Context, job Job) (id int64, err error) {
	if err := k.check(job); err != nil {
		return 0, err
	}
	err = k.pool.QueryRow(ctx, `INSERT INTO cis.request (job) VALUES ($1) RETURNING id`, job).Scan(&id)
	return id, err
}

const selectRequest = `SELECT id, job, asked, seen, progress, finished, outcome, error FROM cis.request `

// Request looks a request up.
func (k *Keeper) Request(ctx context.Context, id int64) (JobRequest, error) {
	rows, err := k.pool.Query(ctx, selectRequest+`WHERE id = $1`, id)
	if err != nil {
		return JobRequest{}, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[JobRequest])
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ErrNoRequest
	}
	return r, err
}

// Requests lists the newest requests.
func (k *Keeper) Requests(ctx context.Context, limit int) ([]JobRequest, error) {
	rows, err := k.pool.Query(ctx, selectRequest+`ORDER BY id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[JobRequest])
}

const (
	lookForWork = 250 * time.Millisecond
	orphanAfter = 5 * time.Second // without a sign of life another process does the job from the start
	keepFor     = 30 * 24 * time.Hour
)

// desk does the jobs that are left to this process.
type desk struct {
	pool   *pgxpool.Pool
	keeper *Keeper
	leads  func(name string) bool
}

// run looks for jobs until ctx ends.
func (d desk) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	ticker := time.NewTicker(lookForWork)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if n%14400 == 0 { // hourly
			_, _ = d.pool.Exec(ctx, `DELETE FROM cis.request WHERE finished < $1`, time.Now().Add(-keepFor))
		}
		open, err := d.open(ctx)
		if err != nil {
			continue // the database is away; everybody who needs it says so
		}
		for _, r := range open {
			names := r.Job.Names
			if len(names) == 0 {
				names = d.keeper.Names()
			}
			if d.leads(names[0]) && d.take(ctx, r.ID) {
				wg.Go(func() { d.do(ctx, r) })
			}
		}
	}
}

const isOpen = `finished IS NULL AND (seen IS NULL OR seen < now() - $1::interval)`

func (d desk) open(ctx context.Context) ([]JobRequest, error) {
	rows, err := d.pool.Query(ctx, selectRequest+`WHERE `+isOpen+` ORDER BY id`, orphanAfter)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[JobRequest])
}

func (d desk) take(ctx context.Context, id int64) bool {
	tag, err := d.pool.Exec(ctx, `UPDATE cis.request SET seen = now() WHERE id = $2 AND `+isOpen, orphanAfter, id)
	return err == nil && tag.RowsAffected() == 1
}

// do does a job and writes down how far it is and what came of it. When this process ends before, another begins anew.
func (d desk) do(ctx context.Context, r JobRequest) {
	var mu sync.Mutex
	var latest JobProgress
	beating, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-time.After(lookForWork):
			case <-beating.Done():
				return
			}
			mu.Lock()
			p := latest
			mu.Unlock()
			_, _ = d.pool.Exec(beating, `UPDATE cis.request SET seen = now(), progress = $2 WHERE id = $1`, r.ID, p)
		}
	})
	d.keeper.log.Info("projector: asked to "+r.Job.Do, "projections", r.Job.Names, "by", r.Job.By)
	out, err := d.keeper.Do(ctx, r.Job, func(p JobProgress) {
		mu.Lock()
		defer mu.Unlock()
		latest = p
	})
	stop()
	wg.Wait()
	if ctx.Err() != nil {
		return
	}
	failed := ""
	if err != nil {
		failed = err.Error()
		d.keeper.log.Warn("projector: "+r.Job.Do+" failed", "projections", r.Job.Names, "error", err)
	}
	if _, err := d.pool.Exec(ctx, `UPDATE cis.request SET finished = now(), seen = now(), outcome = $2, error = $3 WHERE id = $1`, r.ID, out, failed); err != nil {
		d.keeper.log.Warn("projector: a request's outcome is lost; it is done again", "request", r.ID, "error", err)
	}
}

// Leave asks for a job and waits for its end, telling how far it is.
func (k *Keeper) Leave(ctx context.Context, job Job, tell func(JobProgress)) (JobOutcome, error) {
	id, err := k.Ask(ctx, job)
	if err != nil {
		return JobOutcome{}, err
	}
	for {
		select {
		case <-time.After(lookForWork):
		case <-ctx.Done():
			return JobOutcome{}, fmt.Errorf("the server goes on with it (request %d): %w", id, ctx.Err())
		}
		r, err := k.Request(ctx, id)
		if err != nil {
			return JobOutcome{}, err
		}
		if r.Progress != nil {
			tell(*r.Progress)
		}
		if r.Finished == nil {
			continue
		}
		if r.Error != "" {
			err = errors.New(r.Error)
		}
		if r.Outcome == nil {
			r.Outcome = &JobOutcome{}
		}
		return *r.Outcome, err
	}
}
