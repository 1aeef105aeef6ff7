package access

import (
	"context"
	"errors"
	"time"

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Key is a key as lists show it.
type Key struct {
	ID          string
	Name        string
	Scopes      []string
	OrganizerID string
	Created     time.Time
	Expires     *time.Time
	Rotated     *time.Time
	Revoked     *time.Time
	Used        *time.Time // the day
}

// Member is somebody with a role.
type Member struct {
	ID      string
	Role    string
	Granted time.Time
}

// Webhook is an endpoint that is told what happens.
type Webhook struct {
	Tenant   string
	ID       string
	URL      string
	Types    []string
	Disabled string
	Created  time.Time
	Position int64
}

// Reader reads keys, members and webhooks. Every query stays within a tenant, which the database enforces, too.
type Reader struct {
	pool    *pgxpool.Pool
	serving *projector.Serving
}

// NewReader makes a reader.
func NewReader(pool *pgxpool.Pool) *Reader {
	return &Reader{pool: pool, serving: projector.NewServing(pool, Projection())}
}

const keys = `SELECT id, name, scopes, organizer_id, created, expires, rotated, revoked, used FROM @.key WHERE tenant = $1 `

// Keys lists a tenant's keys, the oldest first.
func (r *Reader) Keys(ctx context.Context, tenant string) ([]Key, error) {
	return projector.Collect[Key](ctx, r.serving, tenant, keys+`ORDER BY created, id`, tenant)
}

// Key returns one of them. It fails with key.ErrUnknown.
func (r *Reader) Key(ctx context.Context, tenant, id string) (Key, error) {
	k, err := projector.One[Key](ctx, r.serving, tenant, keys+`AND id = $2`, tenant, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = key.ErrUnknown
	}
	return k, err
}

// Members lists who of a tenant has a role.
func (r *Reader) Members(ctx context.Context, tenant string) ([]Member, error) {
	return projector.Collect[Member](ctx, r.serving, tenant, `SELECT id, role, granted FROM @.member WHERE tenant = $1 ORDER BY granted, id`, tenant)
}

const webhooks = `SELECT tenant, id, url, types, disabled, created, position FROM @.webhook `

// Webhooks lists a tenant's endpoints, the oldest first.
func (r *Reader) Webhooks(ctx context.Context, tenant string) ([]Webhook, error) {
	return projector.Collect[Webhook](ctx, r.serving, tenant, webhooks+`WHERE tenant = $1 ORDER BY created, id`, tenant)
}

// Webhook returns one of them. It fails with webhook.ErrUnknown.
func (r *Reader) Webhook(ctx context.Context, tenant, id string) (Webhook, error) {
	w, err := projector.One[Webhook](ctx, r.serving, tenant, webhooks+`WHERE tenant = $1 AND id = $2`, tenant, id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = webhook.ErrUnknown
	}
	return w, err
}

// EveryWebhook lists the endpoints of all tenants that are to be told, for whoever tells them.
func (r *Reader) EveryWebhook(ctx context.Context) ([]Webhook, error) {
	t, err := r.serving.Tables(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := r.pool.Query(ctx, t.SQL(webhooks+`WHERE disabled = '' ORDER BY id`))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Webhook])
}
