package organizers

import (
	"context"
	"time"

	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Organizer is an account.
type Organizer struct {
	ID        string
	Events    int
	Limit     *int // of its own
	Paid      int
	Suspended bool
	Bulk      bool
	Language  string
	First     time.Time
	Changed   time.Time
}

// Reader reads accounts.
type Reader struct {
	pool    *pgxpool.Pool
	serving *projector.Serving
}

// NewReader makes a reader.
func NewReader(pool *pgxpool.Pool) *Reader {
	return &Reader{pool: pool, serving: projector.NewServing(pool, Projection())}
}

// Newest returns a tenant's accounts, newest change first.
func (r *Reader) Newest(ctx context.Context, tenant string, limit int) ([]Organizer, error) {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.pool.Query(ctx, t.SQL(`
		SELECT id, events, own_limit, paid, suspended, bulk, language, first, changed FROM @.organizer WHERE tenant = $1
		ORDER BY changed DESC, id LIMIT $2`), tenant, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Organizer])
}
