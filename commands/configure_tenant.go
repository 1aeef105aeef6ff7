package commands

import (
	"net/url"
	"reflect"
	"slices"

	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/internal/address"
)

// ConfigureTenant gives a tenant other settings.
type ConfigureTenant struct {
	Code     string
	Name     string
	Settings tenant.Settings
	Own      string // the installation's mail domain, which is nobody's
	By       string
}

// Stream is the one all tenants live on.
func (c ConfigureTenant) Stream() string { return tenant.Stream }

// Decide changes what differs. A mail domain belongs to one tenant.
func (c ConfigureTenant) Decide(s tenant.State) ([]tenant.Fact, error) {
	t, known := s.Of(c.Code)
	if !known {
		return nil, tenant.ErrUnknown
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if d := c.Settings.Domain; d != "" && (d == c.Own || s.At(d) != "" && s.At(d) != c.Code) {
		return nil, tenant.ErrDomain.With(d)
	}
	if t.Name == c.Name && reflect.DeepEqual(t.Settings, c.Settings) {
		return nil, nil
	}
	return []tenant.Fact{tenant.TenantConfigured{Tenant: c.Code, Name: c.Name, Settings: c.Settings, By: c.By}}, nil
}

// check refuses settings that nothing could work with.
func (c ConfigureTenant) check() error {
	s := c.Settings
	switch {
	case s.Domain != "" && !address.Valid("x@"+s.Domain):
		return tenant.ErrSettings.With("the domain is not a mail domain")
	case s.Domain != "" && c.Code == tenant.Default:
		return tenant.ErrSettings.With("the default tenant's domain is CIS_DOMAIN")
	case !slices.Contains([]string{"", tenant.LegacyOn, tenant.LegacyConfirm, tenant.LegacyOff}, s.LegacyInvite):
		return tenant.ErrSettings.With("legacy_invite is on, confirm or off")
	case s.RatePerMin < 0, s.Events != nil && *s.Events < 0, s.Invites != nil && *s.Invites < 0:
		return tenant.ErrSettings.With("a limit is a number from 0 on")
	}
	for _, o := range s.Origins {
		if u, err := url.Parse(o); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
			return tenant.ErrSettings.With("an origin is like https://www.example.com")
		}
	}
	if u, err := url.Parse(s.Landing); s.Landing != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		return tenant.ErrSettings.With("landing is an http or https address")
	}
	return nil
}
