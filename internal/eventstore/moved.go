package eventstore

import (
	"bytes"
	"fmt"
	"time"
)

// A store gives every record the time it has then. A record that moved from another store keeps its own: it stands at the
// end of its metadata, which must be a JSON object, and is taken out again when it is read.
const movedCreated = `"$created":"`

// keepCreated adds a time to metadata.
func keepCreated(metadata []byte, created time.Time) ([]byte, error) {
	text := fmt.Appendf(nil, `%s%s"}`, movedCreated, created.UTC().Format(time.RFC3339Nano))
	body, ok := bytes.CutSuffix(metadata, []byte("}"))
	switch {
	case len(metadata) == 0:
		return append([]byte("{"), text...), nil
	case !ok || len(body) == 0 || body[0] != '{' || len(body) == 1:
		return nil, fmt.Errorf("eventstore: a time cannot be kept in the metadata %q", metadata)
	default:
		return append(append(bytes.Clone(body), ','), text...), nil
	}
}

// created takes the time out of metadata, if there is one. Every record that is read passes through here.
func created(metadata []byte) (rest []byte, at time.Time, ok bool) {
	body, ok := bytes.CutSuffix(metadata, []byte(`"}`))
	if !ok {
		return metadata, at, false
	}
	const longest = len(movedCreated) + len(time.RFC3339Nano)
	tail := max(0, len(body)-longest)
	start := bytes.Index(body[tail:], []byte(movedCreated))
	if start < 0 {
		return metadata, at, false
	}
	start += tail
	at, err := time.Parse(time.RFC3339Nano, string(body[start+len(movedCreated):]))
	switch {
	case err != nil || start == 0:
		return metadata, time.Time{}, false
	case start == 1: // there was none
		return nil, at, true
	case body[start-1] != ',':
		return metadata, time.Time{}, false
	default:
		return append(bytes.Clone(body[:start-1]), '}'), at, true
	}
}
