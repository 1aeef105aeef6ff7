// Package disclosure is who was shown what is personal.
package disclosure

import "github.com/calendar-invite-server/cis/domain/schema"

// Schema lists the facts of this package.
var Schema = schema.New(PersonalDataRead{})

// PersonalDataRead: somebody was shown addresses, names or comments in full. The same again, within ten minutes, is not
// recorded again.
type PersonalDataRead struct {
	Tenant string `json:"tenant"`
	By     string `json:"by"`              // key:ID, member:PERSON, an operator's name on the machine
	What   string `json:"what"`            // the operation of the API, or the command
	About  string `json:"about,omitempty"` // the event, person or mail; empty: anything
}

// FactName is the stored name.
func (PersonalDataRead) FactName() string { return "PersonalDataRead" }

// StreamPrefix starts the names of streams of this package.
const StreamPrefix = "reads-"

// Stream is the name of a tenant's stream.
func Stream(tenant string) string { return StreamPrefix + tenant }
