package address_test

import (
	"context"
	"errors"
	"testing"

	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/address"
)

func TestDirectory(t *testing.T) {
	var state tenant.State
	for _, f := range []tenant.Fact{
		tenant.TenantCreated{Tenant: "acme"}, tenant.TenantCreated{Tenant: "other"},
		tenant.TenantConfigured{Tenant: "other", Settings: tenant.Settings{Domain: "old.other.example"}},
		tenant.TenantConfigured{Tenant: "other", Settings: tenant.Settings{Domain: "new.other.example"}},
	} {
		state = tenant.Evolve(state, f)
	}
	away := false
	d := address.NewDirectory(address.NewBook("cis.example", ""), func(context.Context) (tenant.State, error) {
		if away {
			return tenant.State{}, errors.New("the log is away")
		}
		return state, nil
	})
	for range 2 { // the second time with the log away: what is known counts
		for addr, want := range map[string]string{
			"create@cis.example": "default", "CREATE@CIS.Example": "default", "create@acme.cis.example": "acme", "bulk@other.cis.example": "other",
			"rsvp+abc@new.other.example": "other", "rsvp+abc@old.other.example": "other",
			"create@default.cis.example": "", "create@nobody.cis.example": "", "create@acme.elsewhere.example": "", "nobody@cis.example": "", "create@x.acme.cis.example": "", "create": "",
		} {
			code, ok := d.Tenant(addr)
			if !ok {
				code = ""
			}
			if code != want || d.Accepts(addr) != (want != "") {
				t.Errorf("%s: %q, want %q", addr, code, want)
			}
		}
		away = true
	}
	if base, token := d.For("rsvp+abc@old.other.example").Token("rsvp+abc@old.other.example"); base != "rsvp" || token != "abc" {
		t.Errorf("the token of a former address: %q %q", base, token)
	}
	if got := d.Of("other").Create(); got != "create@new.other.example" {
		t.Errorf("where mail goes now: %s", got)
	}
}
