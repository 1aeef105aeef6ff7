package event

import "time"

// Revision orders iTIP messages about the same event: SEQUENCE first, then DTSTAMP (RFC 5546 §2.1.5).
type Revision struct {
	Sequence int       `json:"sequence"`
	DTStamp  time.Time `json:"dtstamp"`
}

// NewerThan says whether r supersedes o. A message is not newer than itself.
func (r Revision) NewerThan(o Revision) bool {
	if r.Sequence != o.Sequence {
		return r.Sequence > o.Sequence
	}
	return r.DTStamp.After(o.DTStamp)
}

// IsZero says that there was no message yet.
func (r Revision) IsZero() bool { return r.Sequence == 0 && r.DTStamp.IsZero() }
