package commands

import "github.com/calendar-invite-server/cis/domain/webhook"

// RecordWebhook records how far deliveries have come, or why they stopped.
type RecordWebhook struct {
	webhook.Ref
	Position uint64
	Disable  string // gone, failing; empty: they go on
}

// Stream is the endpoint's.
func (c RecordWebhook) Stream() string { return webhook.Stream(c.WebhookID) }

// Decide records what is new. Of an endpoint that was removed meanwhile there is nothing to record.
func (c RecordWebhook) Decide(s webhook.State) ([]webhook.Fact, error) {
	var facts []webhook.Fact
	if s.Exists && c.Position > s.Position {
		facts = append(facts, webhook.WebhookProgressed{Ref: c.Ref, Position: c.Position})
	}
	if s.Exists && c.Disable != "" && s.Disabled == "" {
		facts = append(facts, webhook.WebhookDisabled{Ref: c.Ref, Reason: c.Disable})
	}
	return facts, nil
}
