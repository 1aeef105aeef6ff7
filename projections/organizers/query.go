package organizers

import (
	"context"
	"errors"
	"time"

	"github.com/calendar-invite-server/cis/domain/organizer"
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

// Reader reads accounts. Every query stays within a tenant, which the database enforces, too.
type Reader struct{ serving *projector.Serving }

// NewReader makes a reader.
func NewReader(pool *pgxpool.Pool) *Reader {
	return &Reader{serving: projector.NewServing(pool, Projection())}
}

// Cursor is where a list goes on behind an account.
type Cursor struct {
	At time.Time `json:"a,omitzero"`
	ID string    `json:"i,omitempty"`
}

const columns = `id, events, own_limit, paid, suspended, bulk, language, first, changed`

// Newest returns a tenant's accounts, newest change first.
func (r *Reader) Newest(ctx context.Context, tenant string, after Cursor, limit int) ([]Organizer, error) {
	return projector.Collect[Organizer](ctx, r.serving, tenant, `
		SELECT `+columns+` FROM @.organizer WHERE tenant = $1 AND ($3 = '' OR changed < $2 OR changed = $2 AND id > $3)
		ORDER BY changed DESC, id LIMIT $4`, tenant, after.At, after.ID, limit)
}

// Organizer returns one account. It fails with organizer.ErrUnknown.
func (r *Reader) Organizer(ctx context.Context, tenant, id string) (Organizer, error) {
	o, err := projector.One[Organizer](ctx, r.serving, tenant, `SELECT `+columns+` FROM @.organizer WHERE tenant = $1 AND id = $2`, tenant, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = organizer.ErrUnknown
	}
	return o, err
}
