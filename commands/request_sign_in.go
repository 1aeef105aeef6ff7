package commands

import "github.com/calendar-invite-server/cis/domain/signin"

// RequestSignIn asks for a link to sign in with.
type RequestSignIn struct{ Requested signin.SignInRequested }

// Stream is the link's.
func (c RequestSignIn) Stream() string { return signin.Stream(c.Requested.SignInID) }

// Decide makes the link. A code that was given out before is refused: somebody else may hold it.
func (c RequestSignIn) Decide(s signin.State) ([]signin.Fact, error) {
	if s.Requested {
		return nil, signin.ErrUnknown
	}
	return []signin.Fact{c.Requested}, nil
}
