// Package whatif says who would have been treated otherwise: in the past, under another policy; or by a table of people
// before it is sent. Nothing is recorded and nobody is mailed. What organizers and rows of a
// table get is decided by the same code as for real; what else another policy means is said in [Replay].
//
// Start reading at [Replay] and [Table].
package whatif
