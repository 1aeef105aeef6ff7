//go:build race

package ical_test

// slow is how many times longer things may take: the race detector looks at every access, on a busy machine.
const slow = 10
