// Package signin is the links that people sign in with instead of a password. A link holds a short code, by which what
// it stands for is looked up; it is good once, and for a day.
package signin

import (
	"time"

	"github.com/calendar-invite-server/cis/domain/fault"
	"github.com/calendar-invite-server/cis/domain/schema"
)

// Fact is something that happened to a link.
type Fact interface {
	schema.Fact
	signinFact()
}

// Schema lists the facts of this package.
var Schema = schema.New(SignInRequested{}, SignInFailed{}, SignedIn{})

// Lifetime is how long a link is good.
const Lifetime = 24 * time.Hour

// MaxTries is how many wrong addresses end a link.
const MaxTries = 5

// ErrUnknown refuses a link that is not, or no longer, good for anything. It never says which.
var ErrUnknown = &fault.Error{Kind: fault.NotFound, Code: "sign-in-unknown", Title: "this link is not good any more: ask for a new one"}

// SignInRequested: somebody asked for a link to their address.
type SignInRequested struct {
	Tenant   string    `json:"tenant"`
	SignInID string    `json:"sign_in_id"` // made from the code, which cannot be told from it
	PersonID string    `json:"person_id"`
	Address  string    `json:"address" pii:"PersonID"`
	Code     string    `json:"code" pii:"PersonID" secret:"true"`
	Browser  string    `json:"browser,omitempty" secret:"true"` // hash of what the browser that asked was given to know it by
	Expires  time.Time `json:"expires"`
}

// SignInFailed: somebody had the link but did not know whose it is.
type SignInFailed struct {
	Tenant   string `json:"tenant"`
	SignInID string `json:"sign_in_id"`
}

// SignedIn: a session began, and the link is used up.
type SignedIn struct {
	Tenant   string `json:"tenant"`
	SignInID string `json:"sign_in_id"`
	PersonID string `json:"person_id"`
	Via      string `json:"via"` // link, oidc
}

// FactName is the stored name.
func (SignInRequested) FactName() string { return "SignInRequested" }

// FactName is the stored name.
func (SignInFailed) FactName() string { return "SignInFailed" }

// FactName is the stored name.
func (SignedIn) FactName() string { return "SignedIn" }

func (SignInRequested) signinFact() {}
func (SignInFailed) signinFact()    {}
func (SignedIn) signinFact()        {}

// State is what a link's facts add up to.
type State struct {
	Requested bool
	Used      bool
	Tries     int
	Tenant    string
	PersonID  string
	Address   string
	Code      string
	Browser   string
	Expires   time.Time
}

// Good says whether the link can still be used.
func (s State) Good(now time.Time) bool {
	return s.Requested && !s.Used && s.Tries < MaxTries && now.Before(s.Expires)
}

// Evolve adds one fact.
func Evolve(s State, fact Fact) State {
	switch f := fact.(type) {
	case SignInRequested:
		return State{Requested: true, Tenant: f.Tenant, PersonID: f.PersonID, Address: f.Address, Code: f.Code, Browser: f.Browser, Expires: f.Expires}
	case SignInFailed:
		s.Tries++
	case SignedIn:
		s.Used = true
	}
	return s
}

// StreamPrefix starts the names of streams of links.
const StreamPrefix = "signin-"

// Stream is the name of a link's stream.
func Stream(id string) string { return StreamPrefix + id }
