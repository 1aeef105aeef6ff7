// Package logbook is what the log says about itself: which log it is, and signed statements about all that is in it.
package logbook

import "github.com/calendar-invite-server/cis/domain/schema"

const (
	// Stream holds the log's first fact. The names of all streams of this package begin with it.
	Stream = "log"
	// Checkpoints is the stream of signed checkpoints.
	Checkpoints = "log-checkpoints"
)

// Schema lists the facts of this package.
var Schema = schema.New(LogOpened{}, CheckpointSigned{})

// LogOpened is the first fact of every log: which log it is, and which key made the ids in it. A start with another
// key or against another log is refused instead of mixing ids.
type LogOpened struct {
	LogID          string `json:"log_id"`
	KeyFingerprint string `json:"key_fingerprint"`
}

// CheckpointSigned: the first records of the log are those of a Merkle tree (RFC 9162 §2.1) whose root was signed.
type CheckpointSigned struct {
	Size int64  `json:"size"` // how many
	Root string `json:"root"` // of their tree, base64
	Note string `json:"note"` // C2SP tlog-checkpoint: the same, signed
}

// FactName is the stored name.
func (LogOpened) FactName() string { return "LogOpened" }

// FactName is the stored name.
func (CheckpointSigned) FactName() string { return "CheckpointSigned" }
