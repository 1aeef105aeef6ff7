// Package projector keeps tables in Postgres in step with the log.
//
// A projection's rows and its checkpoint change in one transaction, so every fact counts exactly once whatever
// crashes. One process leads a projection (an advisory lock elects it), but what protects is the checkpoint's
// compare-and-set: a page that does not start where the checkpoint stands rolls back. Live and rebuild run the same
// code. Every rebuild fills a generation of its own, in its own Postgres schema, and takes over with one row.
//
// A page that fails is halved until the one bad fact stands alone; everything before it is kept, and the projection
// stops there, loudly. Facts are never skipped.
//
// Start reading at [Projection] and [Runner.Run].
package projector
