// Package commands is the catalogue of what can be asked: one file per command with its struct and its pure decision.
// handler.go is the only place with I/O and the only one that retries.
package commands
