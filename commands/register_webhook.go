package commands

import "github.com/calendar-invite-server/cis/domain/webhook"

// RegisterWebhook has an endpoint told what happens.
type RegisterWebhook struct{ Webhook webhook.WebhookRegistered }

// Stream is the endpoint's.
func (c RegisterWebhook) Stream() string { return webhook.Stream(c.Webhook.WebhookID) }

// Decide registers it once.
func (c RegisterWebhook) Decide(s webhook.State) ([]webhook.Fact, error) {
	if s.URL != "" {
		return nil, nil
	}
	return []webhook.Fact{c.Webhook}, nil
}
