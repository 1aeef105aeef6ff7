// Package ical reads iCalendar tolerantly and writes it strictly (RFC 5545), over the model and encoder of
// emersion/go-ical.
//
// Reading never panics and is bounded in time and memory: the lines are split, unfolded and checked here, and what is
// broken is dropped with a note instead of failing the whole file. A time whose zone cannot be resolved is reported as
// such, never taken for UTC.
//
// Writing escapes, folds at 75 octets on a character's boundary, and lets nothing out of a value or parameter that
// could start a line of its own.
//
// Start reading at [Read] and [Write].
package ical
