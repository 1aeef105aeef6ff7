// Package logbook is the log's fact about itself.
package logbook

import "github.com/calendar-invite-server/cis/domain/schema"

// Stream holds the one fact of this package.
const Stream = "log"

// Schema lists the facts of this package.
var Schema = schema.New(LogOpened{})

// LogOpened is the first fact of every log: which log it is, and which key made the ids in it. A start with another
// key or against another log is refused instead of mixing ids.
type LogOpened struct {
	LogID          string `json:"log_id"`
	KeyFingerprint string `json:"key_fingerprint"`
}

// FactName is the stored name.
func (LogOpened) FactName() string { return "LogOpened" }
