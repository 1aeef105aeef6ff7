// Package whatif says who would have been treated otherwise: in the past, under another policy; or by a table of people
// before it is sent. Nothing is recorded and nobody is mailed. Decisions are made by the same code as for real.
//
// Start reading at [Replay] and [Table].
package whatif
