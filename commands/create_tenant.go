package commands

import "github.com/calendar-invite-server/cis/domain/tenant"

// CreateTenant takes a customer on.
type CreateTenant struct {
	Code string
	Name string
	By   string
}

// Stream is the one all tenants live on.
func (c CreateTenant) Stream() string { return tenant.Stream }

// Decide creates it unless there is one.
func (c CreateTenant) Decide(s tenant.State) ([]tenant.Fact, error) {
	if !tenant.ValidCode(c.Code) {
		return nil, tenant.ErrCode
	}
	if _, known := s.Of(c.Code); known {
		return nil, tenant.ErrExists
	}
	return []tenant.Fact{tenant.TenantCreated{Tenant: c.Code, Name: c.Name, By: c.By}}, nil
}
