package eventstore

import (
	"errors"
	"time"

	"github.com/google/uuid"
)

// Recorded is an immutable record of the log.
type Recorded struct {
	ID       uuid.UUID
	Stream   string
	Revision uint64 // within its stream, from 0
	Position uint64 // in the whole log; rises, but not by one
	Type     string // the fact's stored name
	Created  time.Time
	Data     []byte
	Metadata []byte
	Binary   bool // the data is not JSON
}

// Proposed is a record to be appended.
type Proposed struct {
	ID       uuid.UUID // makes a repeated append harmless; must be set
	Type     string
	Data     []byte
	Metadata []byte
	Binary   bool      // the data is not JSON
	Created  time.Time // of a record that moves here from another store; zero: now
}

// Appended says where an append landed.
type Appended struct {
	Revision uint64 // of the last record appended
	Position uint64 // of the last record appended
}

// Revision is the revision a stream is expected to have: that of its last record, or one of the constants.
type Revision int64

const (
	// NoStream expects that the stream does not exist.
	NoStream Revision = -1
	// Any expects nothing. Repeats are recognised only while the server remembers them.
	Any Revision = -2
)

// MaxAppendBytes is what one append may hold, data and metadata of all its records together.
const MaxAppendBytes = 1 << 20

var (
	// ErrWrongRevision says that the stream is not at the expected revision: somebody else was faster.
	ErrWrongRevision = errors.New("eventstore: the stream is not at the expected revision")
	// ErrStreamNotFound says that the stream does not exist, or no longer.
	ErrStreamNotFound = errors.New("eventstore: stream not found")
	// ErrTooLarge says that an append exceeds [MaxAppendBytes].
	ErrTooLarge = errors.New("eventstore: append exceeds 1 MiB")
	// ErrUnavailable says that the server could not be reached before the context ended. The outcome of an append is
	// then unknown; repeating it with the same ids and revision is safe.
	ErrUnavailable = errors.New("eventstore: the event store is not reachable")
)
