// Package decidertest runs tables of given facts, a command, and the facts or the refusal that must follow.
package decidertest

import (
	"errors"
	"testing"

	"github.com/calendar-invite-server/cis/domain/decider"
	"github.com/google/go-cmp/cmp"
)

// Case is one row: given these facts, when this is asked, then these facts follow, or this error.
type Case[State, Fact any] struct {
	Name  string // a sentence
	Given []Fact
	When  decider.Decision[State, Fact]
	Then  []Fact
	Err   error
}

// Run checks every case as a subtest.
func Run[State, Fact any](t *testing.T, evolve func(State, Fact) State, cases ...Case[State, Fact]) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Helper()
			var zero State
			got, err := c.When.Decide(decider.Fold(zero, evolve, c.Given...))
			if !errors.Is(err, c.Err) {
				t.Fatalf("got error %v, want %v", err, c.Err)
			}
			if len(got) == 0 && len(c.Then) == 0 {
				return
			}
			if diff := cmp.Diff(c.Then, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}
