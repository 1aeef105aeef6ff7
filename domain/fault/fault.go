// Package fault is how the domain refuses: typed, comparable, with words for people. Adapters map a Kind to HTTP and
// SMTP replies in one place each and never look at the text.
package fault

import "errors"

// Kind says what sort of refusal it is, and with it whether trying again can help.
type Kind int

const (
	// Invalid: the input itself is wrong.
	Invalid Kind = iota + 1
	// NotFound: what the command is about does not exist.
	NotFound
	// Forbidden: the caller may not do this.
	Forbidden
	// Conflict: the state of things rules it out.
	Conflict
)

// Error is a refusal. Two refusals are the same (errors.Is) when their codes are, whatever the detail.
type Error struct {
	Kind   Kind
	Code   string // stable, kebab-case, for machines: "event-cancelled"
	Title  string // one sentence for people, the same every time
	Detail string // what was wrong this time; may be empty
}

// Error returns the title, with the detail if there is one.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Title
	}
	return e.Title + ": " + e.Detail
}

// Is compares codes.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error) //nolint:errorlint // errors.Is has unwrapped the chain already
	return ok && other.Code == e.Code
}

// With returns the same refusal with a detail.
func (e *Error) With(detail string) *Error {
	out := *e
	out.Detail = detail
	return &out
}

// From returns the refusal in err's chain, if there is one.
func From(err error) (*Error, bool) {
	var f *Error
	ok := errors.As(err, &f)
	return f, ok
}
