// Package postgres is the read side's database: a pool for a server that DATABASE_URL names, or for a private one that
// this process starts from the machine's binaries, takes over after a crash, and ends with itself.
//
// Everything in it can be rebuilt from the log.
//
// Start reading at [Open] and private.go.
package postgres
