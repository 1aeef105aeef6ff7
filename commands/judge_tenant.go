package commands

import "github.com/calendar-invite-server/cis/domain/tenant"

// JudgeTenant suspends a tenant or reinstates it.
type JudgeTenant struct {
	Code    string
	Suspend bool
	Reason  string
	By      string
}

// Stream is the one all tenants live on.
func (c JudgeTenant) Stream() string { return tenant.Stream }

// Decide changes what is not so already.
func (c JudgeTenant) Decide(s tenant.State) ([]tenant.Fact, error) {
	t, known := s.Of(c.Code)
	switch {
	case !known:
		return nil, tenant.ErrUnknown
	case t.Suspended == c.Suspend:
		return nil, nil
	case c.Suspend:
		return []tenant.Fact{tenant.TenantSuspended{Tenant: c.Code, Reason: c.Reason, By: c.By}}, nil
	}
	return []tenant.Fact{tenant.TenantReinstated{Tenant: c.Code, By: c.By}}, nil
}
