package main

import (
	"context"

	"github.com/calendar-invite-server/cis/domain/webhook"
	"github.com/calendar-invite-server/cis/ingest/api"
	"github.com/calendar-invite-server/cis/notifier"
	"github.com/calendar-invite-server/cis/notifier/webhooks"
	"github.com/calendar-invite-server/cis/projections/attendees"
	"github.com/jackc/pgx/v5/pgxpool"
)

// deliveries gives the API, which does not know the notifier, what goes out.
type deliveries struct {
	pool   *pgxpool.Pool
	sender *webhooks.Sender
}

// Attempts are the newest to tell an endpoint something.
func (d deliveries) Attempts(ctx context.Context, ref webhook.Ref, before int64, limit int) ([]api.Attempt, error) {
	rows, err := webhooks.List(ctx, d.pool, ref, before, limit)
	out := make([]api.Attempt, 0, len(rows))
	for _, a := range rows {
		out = append(out, api.Attempt(a))
	}
	return out, err
}

// Again tells an endpoint something once more.
func (d deliveries) Again(ctx context.Context, ref webhook.Ref, message string) (api.Attempt, error) {
	a, err := d.sender.Again(ctx, ref, message)
	return api.Attempt(a), err
}

// Owed are mails that are to be sent.
func (d deliveries) Owed(ctx context.Context, tenant string, limit int) ([]api.OwedMail, error) {
	rows, err := notifier.ListOwed(ctx, d.pool, tenant, limit)
	out := make([]api.OwedMail, 0, len(rows))
	for _, o := range rows {
		out = append(out, api.OwedMail(o))
	}
	return out, err
}

// Silent are people who get no mail.
func (d deliveries) Silent(ctx context.Context, tenant string, limit int) ([]api.SilentRecipient, error) {
	rows, err := notifier.ListSilent(ctx, d.pool, tenant, limit)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(rows))
	for i, s := range rows {
		ids[i] = s.Recipient
	}
	people, err := attendees.NewReader(d.pool).People(ctx, tenant, ids)
	out := make([]api.SilentRecipient, 0, len(rows))
	for _, s := range rows {
		out = append(out, api.SilentRecipient{ID: s.Recipient, Address: people[s.Recipient].Address, Suppressed: s.Suppressed, Unsubscribed: s.Unsubscribed})
	}
	return out, err
}
