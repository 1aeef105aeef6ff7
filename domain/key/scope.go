package key

import "slices"

// Scope is a right to use a part of the API.
type Scope string

// The scopes. Reading attendees in full needs a scope of its own; everybody else sees them masked.
const (
	EventsRead       Scope = "events:read"
	EventsWrite      Scope = "events:write"
	AttendeesRead    Scope = "attendees:read"
	InvitesWrite     Scope = "invites:write"
	OrganizersRead   Scope = "organizers:read"
	OrganizersWrite  Scope = "organizers:write"
	RecipientsRead   Scope = "recipients:read"
	RecipientsWrite  Scope = "recipients:write"
	MailsRead        Scope = "mails:read"
	MailsWrite       Scope = "mails:write"
	WebhooksRead     Scope = "webhooks:read"
	WebhooksWrite    Scope = "webhooks:write"
	KeysRead         Scope = "keys:read"
	KeysWrite        Scope = "keys:write"
	MembersRead      Scope = "members:read"
	MembersWrite     Scope = "members:write"
	SystemRead       Scope = "system:read"
	HistoryRead      Scope = "history:read"
	ProjectionsRead  Scope = "projections:read"
	ProjectionsWrite Scope = "projections:write"
	TenantsRead      Scope = "tenants:read"
	TenantsWrite     Scope = "tenants:write"
)

// Scopes lists what anybody within a tenant can be allowed.
var Scopes = []Scope{
	EventsRead, EventsWrite, AttendeesRead, InvitesWrite, OrganizersRead, OrganizersWrite, RecipientsRead, RecipientsWrite, MailsRead, MailsWrite,
	WebhooksRead, WebhooksWrite, KeysRead, KeysWrite, MembersRead, MembersWrite, SystemRead, HistoryRead,
}

// Installation lists what reaches beyond a tenant; only who runs the server has it.
var Installation = []Scope{ProjectionsRead, ProjectionsWrite, TenantsRead, TenantsWrite}

// Known says whether there is such a scope.
func Known(s Scope) bool { return slices.Contains(Scopes, s) || slices.Contains(Installation, s) }
