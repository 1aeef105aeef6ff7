// Package member is the people who sign in, and what they may do. Who has an organizer's account is an organizer
// without being told so; the other roles are granted.
package member

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/key"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to a member.
type Fact interface {
	schema.Fact
	memberFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(RoleGranted{}, RoleRevoked{}, SignedOut{})

// Refusals.
var (
	ErrRole    = &fault.Error{Kind: fault.Invalid, Code: "role-unknown", Title: "the roles are administrator, auditor and analyst"}
	ErrUnknown = &fault.Error{Kind: fault.NotFound, Code: "member-unknown", Title: "there is no such member"}
)

// Role is what somebody is to a tenant.
type Role string

// The roles.
const (
	Administrator Role = "administrator" // everything of the tenant
	Auditor       Role = "auditor"       // sees everything, changes nothing
	Analyst       Role = "analyst"       // sees numbers and what happened, but nobody's address
	Organizer     Role = "organizer"     // their own events; never granted
)

// Scopes are what a role may do.
func (r Role) Scopes() []key.Scope {
	switch r {
	case Administrator:
		return key.Scopes
	case Auditor:
		return []key.Scope{
			key.EventsRead, key.AttendeesRead, key.OrganizersRead, key.RecipientsRead, key.MailsRead, key.WebhooksRead, key.KeysRead, key.MembersRead,
			key.SystemRead, key.HistoryRead,
		}
	case Analyst:
		return []key.Scope{key.EventsRead, key.SystemRead}
	case Organizer:
		return []key.Scope{key.EventsRead, key.EventsWrite, key.AttendeesRead, key.InvitesWrite}
	}
	return nil
}

// RoleGranted: somebody has a role.
type RoleGranted struct {
	Tenant   string `json:"tenant"`
	PersonID string `json:"person_id"`
	Address  string `json:"address" pii:"PersonID"`
	Role     Role   `json:"role"`
	By       string `json:"by"`
}

// RoleRevoked: they have none any more.
type RoleRevoked struct {
	Tenant   string `json:"tenant"`
	PersonID string `json:"person_id"`
	By       string `json:"by"`
}

// SignedOut: every session of theirs that began before is over.
type SignedOut struct {
	Tenant   string    `json:"tenant"`
	PersonID string    `json:"person_id"`
	At       time.Time `json:"at"`
}

// FactName is the stored name.
func (RoleGranted) FactName() string { return "RoleGranted" }

// FactName is the stored name.
func (RoleRevoked) FactName() string { return "RoleRevoked" }

// FactName is the stored name.
func (SignedOut) FactName() string { return "SignedOut" }

func (RoleGranted) memberFact() {}
func (RoleRevoked) memberFact() {}
func (SignedOut) memberFact()   {}

// State is what a member's facts add up to.
type State struct {
	Role    Role // empty: none was granted
	Address string
	Out     time.Time // sessions from before are over
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case RoleGranted:
		s.Role, s.Address = f.Role, f.Address
	case RoleRevoked:
		s.Role = ""
	case SignedOut:
		s.Out = f.At
	}
	return s
}

// StreamPrefix starts the names of streams of members.
const StreamPrefix = "member-"

// Stream is the name of a member's stream.
func Stream(personID string) string { return StreamPrefix + personID }
