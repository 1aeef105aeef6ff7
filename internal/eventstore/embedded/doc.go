// Package embedded is an event store inside the process: a gRPC server that speaks the EventStoreDB protocol
// (streams, server features, gossip) over one SQLite file, so that one machine needs no other server and the
// official client runs the same code against it as against a cluster.
//
// It promises what an EventStoreDB node promises to that client: atomic appends with optimistic concurrency and
// idempotent repeats, ordered reads, catch-up subscriptions with filters, checkpoints and CaughtUp, soft deletes,
// tombstones, $maxAge, $maxCount and $tb. An append is answered after it is on disk (WAL, synchronous=FULL); what
// queues up meanwhile is committed together.
//
// It does not offer persistent subscriptions, server-side projections, $ce- streams, ACLs, links, scavenging or
// clustering.
//
// Start reading at [Open], then log.go (the file and its single writer), append.go (the rules of expected
// revisions), read.go and subscribe.go.
package embedded
