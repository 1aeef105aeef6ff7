// Package decider says what a decision is: a pure function from a state to the facts that follow.
package decider

// Decision is a command that can be decided. No facts and no error means that what is asked for is true already.
type Decision[State, Fact any] interface {
	Decide(State) ([]Fact, error)
}

// Fold adds facts up to a state. evolve must not share memory with its input and never refuses.
func Fold[State, Fact any](s State, evolve func(State, Fact) State, facts ...Fact) State {
	for _, f := range facts {
		s = evolve(s, f)
	}
	return s
}
