package commands

import "github.com/calendar-invite-server/cis/domain/webhook"

// RemoveWebhook ends deliveries to an endpoint for good.
type RemoveWebhook struct {
	webhook.Ref
	By string
}

// Stream is the endpoint's.
func (c RemoveWebhook) Stream() string { return webhook.Stream(c.WebhookID) }

// Decide removes it once.
func (c RemoveWebhook) Decide(s webhook.State) ([]webhook.Fact, error) {
	switch {
	case s.URL == "", s.Tenant != c.Tenant:
		return nil, webhook.ErrUnknown
	case !s.Exists:
		return nil, nil
	}
	return []webhook.Fact{webhook.WebhookRemoved{Ref: c.Ref, By: c.By}}, nil
}
