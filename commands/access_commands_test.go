package commands_test

import (
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/decider/decidertest"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/member"
	"github.com/calendar-invite-server/cis/domain/signin"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/domain/webhook"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func TestTenant(t *testing.T) {
	type c = decidertest.Case[tenant.State, tenant.Fact]
	facts := func(f ...tenant.Fact) []tenant.Fact { return f }
	acme := tenant.TenantCreated{Tenant: "acme", Name: "Acme", By: "op"}
	configured := func(code, domain string) tenant.TenantConfigured {
		return tenant.TenantConfigured{Tenant: code, Name: "Acme", Settings: tenant.Settings{Domain: domain}, By: "op"}
	}
	configure := func(code string, s tenant.Settings) commands.ConfigureTenant {
		return commands.ConfigureTenant{Code: code, Name: "Acme", Settings: s, Own: "cis.example", By: "op"}
	}
	few := -1
	decidertest.Run(t, tenant.Evolve,
		c{Name: "a customer is taken on", When: commands.CreateTenant{Code: "acme", Name: "Acme", By: "op"}, Then: facts(acme)},
		c{Name: "once", Given: facts(acme), When: commands.CreateTenant{Code: "acme"}, Err: tenant.ErrExists},
		c{Name: "the default one is always there", When: commands.CreateTenant{Code: tenant.Default}, Err: tenant.ErrExists},
		c{Name: "a code stands in mail addresses", When: commands.CreateTenant{Code: "ac me"}, Err: tenant.ErrCode},
		c{Name: "nobody has no settings", When: configure("acme", tenant.Settings{}), Err: tenant.ErrUnknown},
		c{Name: "a mail domain of its own", Given: facts(acme), When: configure("acme", tenant.Settings{Domain: "invites.acme.example"}), Then: facts(configured("acme", "invites.acme.example"))},
		c{Name: "the same again is nothing", Given: facts(acme, configured("acme", "invites.acme.example")), When: configure("acme", tenant.Settings{Domain: "invites.acme.example"})},
		c{
			Name: "a mail domain is one tenant's", Given: facts(acme, configured("acme", "d.example"), tenant.TenantCreated{Tenant: "other"}),
			When: configure("other", tenant.Settings{Domain: "d.example"}), Err: tenant.ErrDomain,
		},
		c{Name: "and never the installation's", Given: facts(acme), When: configure("acme", tenant.Settings{Domain: "cis.example"}), Err: tenant.ErrDomain},
		c{Name: "that are a word of ours or none", Given: facts(acme), When: configure("acme", tenant.Settings{LegacyInvite: "perhaps"}), Err: tenant.ErrSettings},
		c{Name: "an origin has no path", Given: facts(acme), When: configure("acme", tenant.Settings{Origins: []string{"https://x.example/y"}}), Err: tenant.ErrSettings},
		c{Name: "a limit is no debt", Given: facts(acme), When: configure("acme", tenant.Settings{Events: &few}), Err: tenant.ErrSettings},
		c{Name: "suspended", Given: facts(acme), When: commands.JudgeTenant{Code: "acme", Suspend: true, By: "op"}, Then: facts(tenant.TenantSuspended{Tenant: "acme", By: "op"})},
		c{Name: "once", Given: facts(acme, tenant.TenantSuspended{Tenant: "acme"}), When: commands.JudgeTenant{Code: "acme", Suspend: true}},
		c{Name: "and back", Given: facts(acme, tenant.TenantSuspended{Tenant: "acme"}), When: commands.JudgeTenant{Code: "acme", By: "op"}, Then: facts(tenant.TenantReinstated{Tenant: "acme", By: "op"})},
	)
}

func TestKey(t *testing.T) {
	type c = decidertest.Case[key.State, key.Fact]
	facts := func(f ...key.Fact) []key.Fact { return f }
	k := key.KeyIssued{Tenant: "t", KeyID: "k", Name: "n", Hash: "h", Scopes: []key.Scope{key.EventsRead}, By: "op"}
	issue := func(change func(*key.KeyIssued), rights ...key.Scope) commands.IssueKey {
		out := k
		if change != nil {
			change(&out)
		}
		return commands.IssueKey{Key: out, Rights: rights, Now: noon}
	}
	rotated := key.KeyRotated{Tenant: "t", KeyID: "k", Hash: "h2", OldUntil: noon}
	decidertest.Run(t, key.Evolve,
		c{Name: "made", When: issue(nil, key.EventsRead), Then: facts(k)},
		c{Name: "once", Given: facts(k), When: issue(nil, key.EventsRead)},
		c{Name: "nobody gives a right they do not have", When: issue(nil, key.KeysWrite), Err: key.ErrGrant},
		c{Name: "a right there is", When: issue(func(k *key.KeyIssued) { k.Scopes = []key.Scope{"all"} }, "all"), Err: key.ErrScope},
		c{Name: "one at least", When: issue(func(k *key.KeyIssued) { k.Scopes = nil }), Err: key.ErrScope},
		c{Name: "that is not over already", When: issue(func(k *key.KeyIssued) { k.Expires = noon }, key.EventsRead), Err: key.ErrExpiry},
		c{Name: "rotated", Given: facts(k), When: commands.RotateKey{Tenant: "t", Rotated: rotated}, Then: facts(rotated)},
		c{Name: "not another tenant's", Given: facts(k), When: commands.RotateKey{Tenant: "other", Rotated: rotated}, Err: key.ErrUnknown},
		c{Name: "not a revoked one", Given: facts(k, key.KeyRevoked{}), When: commands.RotateKey{Tenant: "t", Rotated: rotated}, Err: key.ErrRevoked},
		c{Name: "revoked", Given: facts(k), When: commands.RevokeKey{Tenant: "t", KeyID: "k", By: "op"}, Then: facts(key.KeyRevoked{Tenant: "t", KeyID: "k", By: "op"})},
		c{Name: "not by another tenant", Given: facts(k), When: commands.RevokeKey{Tenant: "other", KeyID: "k"}, Err: key.ErrUnknown},
		c{Name: "used for the first time on a day", Given: facts(k), When: commands.UseKey{KeyID: "k", Now: noon}, Then: facts(key.KeyUsed{Tenant: "t", KeyID: "k", Day: "2026-12-01"})},
		c{Name: "and again", Given: facts(k, key.KeyUsed{Day: "2026-12-01"}), When: commands.UseKey{KeyID: "k", Now: noon}},
	)
	s := key.Evolve(key.Evolve(key.State{}, k), key.KeyRotated{Hash: "h2", OldUntil: noon.Add(time.Hour)})
	for _, c := range []struct {
		what, hash string
		at         time.Time
		want       bool
	}{
		{"the new secret", "h2", noon, true}, {"the old one for a while", "h", noon, true}, {"and not longer", "h", noon.Add(2 * time.Hour), false},
		{"another", "x", noon, false}, {"none", "", noon, false},
	} {
		if got := s.Opens(c.hash, c.at); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestMember(t *testing.T) {
	type c = decidertest.Case[member.State, member.Fact]
	facts := func(f ...member.Fact) []member.Fact { return f }
	change := func(r member.Role) commands.ChangeRole {
		return commands.ChangeRole{Tenant: "t", PersonID: "p", Address: "ada@example.com", Role: r, By: "op"}
	}
	granted := member.RoleGranted{Tenant: "t", PersonID: "p", Address: "ada@example.com", Role: member.Auditor, By: "op"}
	decidertest.Run(t, member.Evolve,
		c{Name: "granted", When: change(member.Auditor), Then: facts(granted)},
		c{Name: "once", Given: facts(granted), When: change(member.Auditor)},
		c{Name: "taken away", Given: facts(granted), When: change(""), Then: facts(member.RoleRevoked{Tenant: "t", PersonID: "p", By: "op"})},
		c{Name: "organizers are not told", When: change(member.Organizer), Err: member.ErrRole},
		c{Name: "signed out", When: commands.SignOut{Tenant: "t", PersonID: "p", Now: noon}, Then: facts(member.SignedOut{Tenant: "t", PersonID: "p", At: noon})},
		c{Name: "an older wish", Given: facts(member.SignedOut{At: noon}), When: commands.SignOut{Now: noon.Add(-time.Minute)}},
	)
}

func TestSignInLink(t *testing.T) {
	type c = decidertest.Case[signin.State, signin.Fact]
	facts := func(f ...signin.Fact) []signin.Fact { return f }
	asked := signin.SignInRequested{Tenant: "t", SignInID: "s", PersonID: "p", Address: "ann@example.com", Code: "K7QX2M", Browser: "b", Expires: noon.Add(time.Hour)}
	use := func(browser, addr string) commands.CompleteSignIn {
		return commands.CompleteSignIn{Tenant: "t", SignInID: "s", Browser: browser, Address: addr, Now: noon}
	}
	in, failed := signin.SignedIn{Tenant: "t", SignInID: "s", PersonID: "p", Via: "link"}, signin.SignInFailed{Tenant: "t", SignInID: "s"}
	late := use("b", "")
	late.Now = noon.Add(2 * time.Hour)
	decidertest.Run(t, signin.Evolve,
		c{Name: "asked for", When: commands.RequestSignIn{Requested: asked}, Then: facts(asked)},
		c{Name: "a code is given out once", Given: facts(asked), When: commands.RequestSignIn{Requested: asked}, Err: signin.ErrUnknown},
		c{Name: "in the browser that asked", Given: facts(asked), When: use("b", ""), Then: facts(in)},
		c{Name: "elsewhere by who knows whose it is", Given: facts(asked), When: use("other", " Ann@Example.com "), Then: facts(in)},
		c{Name: "not by who does not", Given: facts(asked), When: use("other", "eve@example.com"), Then: facts(failed)},
		c{Name: "nor by who says nothing", Given: facts(asked), When: use("", ""), Then: facts(failed)},
		c{Name: "once", Given: facts(asked, in), When: use("b", ""), Err: signin.ErrUnknown},
		c{Name: "not after a day", Given: facts(asked), When: late, Err: signin.ErrUnknown},
		c{Name: "not after five wrong guesses", Given: facts(asked, failed, failed, failed, failed, failed), When: use("b", ""), Err: signin.ErrUnknown},
		c{Name: "not one that never was", When: use("", ""), Err: signin.ErrUnknown},
	)
	erased := asked
	erased.Address, erased.Browser = "", ""
	decidertest.Run(t, signin.Evolve,
		c{Name: "an erased person's link is nobody's", Given: facts(erased), When: use("", ""), Then: facts(failed)},
	)
}

func TestWebhook(t *testing.T) {
	type c = decidertest.Case[webhook.State, webhook.Fact]
	facts := func(f ...webhook.Fact) []webhook.Fact { return f }
	ref := webhook.Ref{Tenant: "t", WebhookID: "w"}
	made := webhook.WebhookRegistered{Ref: ref, URL: "https://a.example", Secret: "one", After: 7, By: "op"}
	elsewhere, off, on := "https://b.example", false, true
	removed := webhook.WebhookRemoved{Ref: ref, By: "op"}
	decidertest.Run(t, webhook.Evolve,
		c{Name: "registered", When: commands.RegisterWebhook{Webhook: made}, Then: facts(made)},
		c{Name: "once", Given: facts(made), When: commands.RegisterWebhook{Webhook: made}},
		c{Name: "moved", Given: facts(made), When: commands.ChangeWebhook{Ref: ref, URL: &elsewhere, By: "op"}, Then: facts(webhook.WebhookChanged{Ref: ref, URL: elsewhere, By: "op"})},
		c{Name: "not by another tenant", Given: facts(made), When: commands.ChangeWebhook{Ref: webhook.Ref{Tenant: "other", WebhookID: "w"}, URL: &elsewhere}, Err: webhook.ErrUnknown},
		c{Name: "turned off", Given: facts(made), When: commands.ChangeWebhook{Ref: ref, Enabled: &off, By: "op"}, Then: facts(webhook.WebhookDisabled{Ref: ref, Reason: "asked", By: "op"})},
		c{Name: "and on", Given: facts(made, webhook.WebhookDisabled{Ref: ref, Reason: "gone"}), When: commands.ChangeWebhook{Ref: ref, Enabled: &on, By: "op"}, Then: facts(webhook.WebhookEnabled{Ref: ref, By: "op"})},
		c{Name: "told up to somewhere", Given: facts(made), When: commands.RecordWebhook{Ref: ref, Position: 9}, Then: facts(webhook.WebhookProgressed{Ref: ref, Position: 9})},
		c{Name: "never back", Given: facts(made), When: commands.RecordWebhook{Ref: ref, Position: 7}},
		c{
			Name: "gone", Given: facts(made), When: commands.RecordWebhook{Ref: ref, Position: 9, Disable: "gone"},
			Then: facts(webhook.WebhookProgressed{Ref: ref, Position: 9}, webhook.WebhookDisabled{Ref: ref, Reason: "gone"}),
		},
		c{Name: "removed", Given: facts(made), When: commands.RemoveWebhook{Ref: ref, By: "op"}, Then: facts(removed)},
		c{Name: "once", Given: facts(made, removed), When: commands.RemoveWebhook{Ref: ref}},
		c{Name: "then there is nothing to record", Given: facts(made, removed), When: commands.RecordWebhook{Ref: ref, Position: 9, Disable: "gone"}},
		c{Name: "nor to change", Given: facts(made, removed), When: commands.ChangeWebhook{Ref: ref, URL: &elsewhere}, Err: webhook.ErrUnknown},
	)
}

func TestChangeVisibility(t *testing.T) {
	type c = decidertest.Case[event.State, event.Fact]
	made := event.EventCreated{Tenant: "t", UID: "e"}
	shown := event.VisibilityChanged{Tenant: "t", UID: "e", Public: true}
	decidertest.Run(t, event.Evolve,
		c{Name: "shown", Given: []event.Fact{made}, When: commands.ChangeVisibility{UID: "e", Public: true}, Then: []event.Fact{shown}},
		c{Name: "once", Given: []event.Fact{made, shown}, When: commands.ChangeVisibility{UID: "e", Public: true}},
		c{Name: "not what is not there", When: commands.ChangeVisibility{UID: "e", Public: true}, Err: event.ErrUnknown},
	)
}
