// Package access is the read model of who may use the API and who is told: keys, members, webhooks.
package access

import (
	_ "embed" // tables.sql

	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/member"
	"github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/projector"
	"github.com/jackc/pgx/v5"
)

//go:embed tables.sql
var tables string

// Projection keeps the tables key, member and webhook.
func Projection() projector.Projection {
	return projector.Projection{
		Name: "access", Version: 1, Prefixes: []string{key.StreamPrefix, member.StreamPrefix, webhook.StreamPrefix}, Tables: tables, Apply: projector.PerFact(queue),
	}
}

// queue is the table of what each fact changes.
func queue(batch *pgx.Batch, t projector.Tables, rec facts.Recorded) {
	do := func(sql string, args ...any) { batch.Queue(t.SQL(sql), args...) }
	switch f := rec.Fact.(type) {
	case key.KeyIssued:
		do(`INSERT INTO @.key (tenant, id, name, scopes, organizer_id, created, expires) VALUES ($1, $2, $3, $4, $5, $6, nullif($7, '0001-01-01 00:00:00+00'::timestamptz))`,
			f.Tenant, f.KeyID, f.Name, f.Scopes, f.OrganizerID, rec.Created, f.Expires)
	case key.KeyRotated:
		do(`UPDATE @.key SET rotated = $2 WHERE id = $1`, f.KeyID, rec.Created)
	case key.KeyRevoked:
		do(`UPDATE @.key SET revoked = $2 WHERE id = $1`, f.KeyID, rec.Created)
	case key.KeyUsed:
		do(`UPDATE @.key SET used = $2::text::date WHERE id = $1`, f.KeyID, f.Day)
	case member.RoleGranted:
		do(`INSERT INTO @.member (tenant, id, role, granted) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET role = excluded.role, granted = excluded.granted`,
			f.Tenant, f.PersonID, string(f.Role), rec.Created)
	case member.RoleRevoked:
		do(`DELETE FROM @.member WHERE id = $1`, f.PersonID)
	case webhook.WebhookRegistered:
		do(`INSERT INTO @.webhook (tenant, id, url, types, created, position) VALUES ($1, $2, $3, coalesce($4, '{}'::text[]), $5, $6)`,
			f.Tenant, f.WebhookID, f.URL, f.Types, rec.Created, int64(f.After))
	case webhook.WebhookChanged:
		do(`UPDATE @.webhook SET url = $2, types = coalesce($3, '{}'::text[]) WHERE id = $1`, f.WebhookID, f.URL, f.Types)
	case webhook.WebhookDisabled:
		do(`UPDATE @.webhook SET disabled = $2 WHERE id = $1`, f.WebhookID, f.Reason)
	case webhook.WebhookEnabled:
		do(`UPDATE @.webhook SET disabled = '' WHERE id = $1`, f.WebhookID)
	case webhook.WebhookProgressed:
		do(`UPDATE @.webhook SET position = $2 WHERE id = $1`, f.WebhookID, int64(f.Position))
	case webhook.WebhookRemoved:
		do(`DELETE FROM @.webhook WHERE id = $1`, f.WebhookID)
	}
}
