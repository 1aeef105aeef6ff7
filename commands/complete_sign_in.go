package commands

import (
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/domain/signin"
)

// CompleteSignIn uses a link. Whoever has it must be in the browser that asked for it, or know whose it is: six
// characters could be guessed.
type CompleteSignIn struct {
	Tenant   string
	SignInID string
	Browser  string // hash of what this browser was given
	Address  string // that somebody says is theirs
	Now      time.Time
}

// Stream is the link's.
func (c CompleteSignIn) Stream() string { return signin.Stream(c.SignInID) }

// Decide uses the link up, or counts a failure; the caller learns from [signin.State] which.
func (c CompleteSignIn) Decide(s signin.State) ([]signin.Fact, error) {
	switch {
	case !s.Good(c.Now), s.Tenant != c.Tenant:
		return nil, signin.ErrUnknown
	case s.Browser != "" && s.Browser == c.Browser, strings.EqualFold(s.Address, strings.TrimSpace(c.Address)) && s.Address != "":
		return []signin.Fact{signin.SignedIn{Tenant: s.Tenant, SignInID: c.SignInID, PersonID: s.PersonID, Via: "link"}}, nil
	}
	return []signin.Fact{signin.SignInFailed{Tenant: s.Tenant, SignInID: c.SignInID}}, nil
}

// RecordSignIn records that an identity provider vouched for somebody.
type RecordSignIn struct{ SignedIn signin.SignedIn }

// Stream is one of its own.
func (c RecordSignIn) Stream() string { return signin.Stream(c.SignedIn.SignInID) }

// Decide records it once.
func (c RecordSignIn) Decide(s signin.State) ([]signin.Fact, error) {
	if s.Used {
		return nil, nil
	}
	return []signin.Fact{c.SignedIn}, nil
}
