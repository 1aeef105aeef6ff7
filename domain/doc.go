// Package domain holds what the system knows and decides, and nothing else: facts, the states they add up to, values
// and refusals, one package per aggregate. It is pure: standard library only, no clock, no randomness, no I/O, no
// logging (deps_test.go says so to the compiler).
//
// An event is what people attend; a fact is what the log holds.
//
// Start reading at event/facts.go and invitation/state.go; the decisions themselves are in the package commands.
package domain
