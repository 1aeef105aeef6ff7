// Package history holds what is done with the whole of the log, beside the daily work: people are erased from what is
// kept of it, its records are proven not to have been changed.
package history
