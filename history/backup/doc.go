// Package backup makes copies of the log and of the keys while everything runs, and brings them back.
//
// The log is copied first, the keys then: a key is durable before anything is sealed under it, so the copy of the keys
// opens all that is in the copy of the log. Log and keys can be kept apart, and the keys for less long: what was erased
// must not live on in an old copy of the keys. The database is derived and is not copied.
//
// Start reading at [Take] and [Restore].
package backup
