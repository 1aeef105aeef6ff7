package commands

import (
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/webhook"
)

// ChangeWebhook changes what differs of an endpoint. Nil fields stay as they are.
type ChangeWebhook struct {
	webhook.Ref
	URL      *string
	Types    *[]string
	Enabled  *bool
	Secret   string // a new one; empty: none
	OldUntil time.Time
	By       string
}

// Stream is the endpoint's.
func (c ChangeWebhook) Stream() string { return webhook.Stream(c.WebhookID) }

// Decide changes it.
func (c ChangeWebhook) Decide(s webhook.State) ([]webhook.Fact, error) {
	if !s.Exists || s.Tenant != c.Tenant {
		return nil, webhook.ErrUnknown
	}
	var facts []webhook.Fact
	url, types := s.URL, s.Types
	if c.URL != nil {
		url = *c.URL
	}
	if c.Types != nil {
		types = *c.Types
	}
	if url != s.URL || !slices.Equal(types, s.Types) {
		facts = append(facts, webhook.WebhookChanged{Ref: c.Ref, URL: url, Types: types, By: c.By})
	}
	if c.Secret != "" && c.Secret != s.Secret {
		facts = append(facts, webhook.WebhookSecretRotated{Ref: c.Ref, Secret: c.Secret, OldUntil: c.OldUntil, By: c.By})
	}
	switch {
	case c.Enabled != nil && *c.Enabled && s.Disabled != "":
		facts = append(facts, webhook.WebhookEnabled{Ref: c.Ref, By: c.By})
	case c.Enabled != nil && !*c.Enabled && s.Disabled == "":
		facts = append(facts, webhook.WebhookDisabled{Ref: c.Ref, Reason: "asked", By: c.By})
	}
	return facts, nil
}
