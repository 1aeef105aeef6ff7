// Package tenant is the customers of an installation, each with a wall around what is theirs. All of them live on one
// stream, because a mail domain may belong to one of them only, and because they are few.
package tenant

import (
	"maps"
	"slices"
	"strings"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to a tenant.
type Fact interface {
	schema.Fact
	tenantFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(TenantCreated{}, TenantConfigured{}, TenantSuspended{}, TenantReinstated{})

// Refusals.
var (
	ErrUnknown   = &fault.Error{Kind: fault.NotFound, Code: "tenant-unknown", Title: "there is no such tenant"}
	ErrExists    = &fault.Error{Kind: fault.Conflict, Code: "tenant-exists", Title: "there is a tenant with this code"}
	ErrCode      = &fault.Error{Kind: fault.Invalid, Code: "tenant-code-invalid", Title: "a tenant's code has 2 to 20 characters of a-z and 0-9 and begins with a letter"}
	ErrDomain    = &fault.Error{Kind: fault.Conflict, Code: "tenant-domain-taken", Title: "this mail domain belongs to another tenant, or to the installation"}
	ErrSettings  = &fault.Error{Kind: fault.Invalid, Code: "tenant-settings-invalid", Title: "these settings cannot be"}
	ErrSuspended = &fault.Error{Kind: fault.Forbidden, Code: "tenant-suspended", Title: "this tenant is suspended"}
)

// Default is the tenant that every installation has. Its settings are the environment's where it has none of its own.
const Default = "default"

// How the published invite link acts.
const (
	LegacyOn      = "on"      // at once, as published
	LegacyConfirm = "confirm" // after somebody pressed a button on a page
	LegacyOff     = "off"     // not at all
)

// Settings are what a tenant has of its own. The zero value of a field means: as the installation has it.
type Settings struct {
	Domain       string   `json:"domain,omitempty"`        // of mail to and from its events, lower case; empty: the installation's, by sub-address
	Sender       string   `json:"sender,omitempty"`        // name that our own notices come from
	Language     string   `json:"language,omitempty"`      // of mails
	Footer       string   `json:"footer,omitempty"`        // who is behind it, at the end of every mail
	Events       *int     `json:"events,omitempty"`        // of an organizer nobody pays for; 0: any number
	Invites      *int     `json:"invites,omitempty"`       // bulk invitations to an event; 0: any number
	Landing      string   `json:"landing,omitempty"`       // page after an invite link
	LandingHosts []string `json:"landing_hosts,omitempty"` // further hosts that a link may name
	LegacyInvite string   `json:"legacy_invite,omitempty"` // on, confirm, off
	RatePerMin   int      `json:"rate_per_min,omitempty"`  // requests to the API
	Origins      []string `json:"origins,omitempty"`       // web origins whose pages may call the API
}

// TenantCreated: an operator took a customer on.
type TenantCreated struct {
	Tenant string `json:"tenant"`
	Name   string `json:"name"`
	By     string `json:"by"`
}

// TenantConfigured: a tenant has other settings; these are all of them.
type TenantConfigured struct {
	Tenant   string   `json:"tenant"`
	Name     string   `json:"name"`
	Settings Settings `json:"settings"`
	By       string   `json:"by"`
}

// TenantSuspended: nobody of the tenant may do anything for now.
type TenantSuspended struct {
	Tenant string `json:"tenant"`
	Reason string `json:"reason,omitempty"`
	By     string `json:"by"`
}

// TenantReinstated: they may again.
type TenantReinstated struct {
	Tenant string `json:"tenant"`
	By     string `json:"by"`
}

// FactName is the stored name.
func (TenantCreated) FactName() string { return "TenantCreated" }

// FactName is the stored name.
func (TenantConfigured) FactName() string { return "TenantConfigured" }

// FactName is the stored name.
func (TenantSuspended) FactName() string { return "TenantSuspended" }

// FactName is the stored name.
func (TenantReinstated) FactName() string { return "TenantReinstated" }

func (TenantCreated) tenantFact()    {}
func (TenantConfigured) tenantFact() {}
func (TenantSuspended) tenantFact()  {}
func (TenantReinstated) tenantFact() {}

// Tenant is one of them.
type Tenant struct {
	Code      string
	Name      string
	Suspended bool
	Settings  Settings
	Former    []string // mail domains it had: answers to what was sent from there still come
}

// State is all tenants, by code.
type State struct{ Tenants map[string]Tenant }

// Of is a tenant as it is. The default one is always there.
func (s State) Of(code string) (Tenant, bool) {
	t, known := s.Tenants[code]
	if !known && code == Default {
		return Tenant{Code: Default, Name: "Default"}, true
	}
	return t, known
}

// All lists them by code.
func (s State) All() []Tenant {
	def, _ := s.Of(Default)
	out := []Tenant{def}
	for _, code := range slices.Sorted(maps.Keys(s.Tenants)) {
		if code != Default {
			out = append(out, s.Tenants[code])
		}
	}
	return out
}

// At is the tenant that a mail domain belongs to, or belonged to; empty if it is nobody's.
func (s State) At(domain string) (code string) {
	for c, t := range s.Tenants {
		if t.Settings.Domain != "" && t.Settings.Domain == domain {
			return c
		}
		if slices.Contains(t.Former, domain) {
			code = c
		}
	}
	return code
}

// ValidCode says whether s can name a tenant. The code becomes part of mail addresses.
func ValidCode(s string) bool {
	return len(s) >= 2 && len(s) <= 20 && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case TenantCreated:
		return s.with(f.Tenant, func(t *Tenant) { t.Name = f.Name })
	case TenantConfigured:
		return s.with(f.Tenant, func(t *Tenant) {
			if d := t.Settings.Domain; d != "" && d != f.Settings.Domain && !slices.Contains(t.Former, d) {
				t.Former = append(slices.Clip(t.Former), d)
			}
			t.Name, t.Settings = f.Name, f.Settings
		})
	case TenantSuspended:
		return s.with(f.Tenant, func(t *Tenant) { t.Suspended = true })
	case TenantReinstated:
		return s.with(f.Tenant, func(t *Tenant) { t.Suspended = false })
	}
	return s
}

// with changes a copy: states share no memory.
func (s State) with(code string, change func(*Tenant)) State {
	t, _ := s.Of(code)
	t.Code = code
	change(&t)
	all := maps.Clone(s.Tenants)
	if all == nil {
		all = map[string]Tenant{}
	}
	all[code] = t
	return State{all}
}

// Stream is the one that all tenants live on.
const Stream = "tenants"
