package eventstore

import (
	"bytes"
	"fmt"
	"regexp"
	"time"
)

// A store gives every record the time it has then. A record that moved from another store keeps its own: it stands at the
// end of its metadata, which must be a JSON object, and is taken out again when it is read.
var movedCreated = regexp.MustCompile(`,?"\$created":"([^"]+)"\}$`)

// keepCreated adds a time to metadata.
func keepCreated(metadata []byte, created time.Time) ([]byte, error) {
	text := fmt.Appendf(nil, `"$created":"%s"}`, created.UTC().Format(time.RFC3339Nano))
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

// created takes the time out of metadata, if there is one.
func created(metadata []byte) (rest []byte, at time.Time, ok bool) {
	if !bytes.HasSuffix(metadata, []byte(`"}`)) {
		return metadata, at, false
	}
	m := movedCreated.FindSubmatchIndex(metadata)
	if m == nil {
		return metadata, at, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(metadata[m[2]:m[3]]))
	if err != nil {
		return metadata, at, false
	}
	if m[0] == 1 { // there was none
		return nil, at, true
	}
	return append(bytes.Clone(metadata[:m[0]]), '}'), at, true
}
