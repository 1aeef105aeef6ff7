package proof

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/google/uuid"
)

// Source goes through all records of a log, in order.
type Source func(ctx context.Context, each func(eventstore.Recorded) error) error

// FromStore reads the records that are in a store now.
func FromStore(store *eventstore.Client) Source {
	return func(ctx context.Context, each func(eventstore.Recorded) error) error {
		return store.Scan(ctx, facts.Streams(), func(records []eventstore.Recorded) error {
			for _, r := range records {
				if err := each(r); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// exported is a line of an export: a record as it is stored, sealed.
type exported struct {
	Stream   string    `json:"stream"`
	Revision uint64    `json:"revision"`
	ID       uuid.UUID `json:"id"`
	Type     string    `json:"type"`
	Created  time.Time `json:"created"`
	Data     []byte    `json:"data"`
	Metadata []byte    `json:"metadata"`
}

func export(r eventstore.Recorded) exported {
	return exported{r.Stream, r.Revision, r.ID, r.Type, r.Created.UTC(), r.Data, r.Metadata}
}

func (e exported) record() eventstore.Recorded {
	return eventstore.Recorded{Stream: e.Stream, Revision: e.Revision, ID: e.ID, Type: e.Type, Created: e.Created, Data: e.Data, Metadata: e.Metadata}
}

// exportFormat is what the first line of an export says.
const exportFormat = "cis-records/1"

type exportHeader struct {
	Format string `json:"format"`
	Key    string `json:"key"` // that its checkpoints are checked with; compare it with the one that was published
}

// Export writes all records of a source as lines of JSON, contents sealed, and returns how many there are.
func Export(ctx context.Context, w io.Writer, key Key, source Source, tell func(n int64)) (n int64, err error) {
	out := bufio.NewWriterSize(w, 1<<20)
	enc := json.NewEncoder(out)
	if err := enc.Encode(exportHeader{exportFormat, key.String()}); err != nil {
		return 0, err
	}
	if err := source(ctx, func(r eventstore.Recorded) error {
		if n++; n%1000 == 0 {
			tell(n)
		}
		return enc.Encode(export(r))
	}); err != nil {
		return n, err
	}
	return n, out.Flush()
}

// FromExport reads the records of an export, and the key it says it was made with. The source can be used once.
func FromExport(r io.Reader) (Source, Key, error) {
	dec := json.NewDecoder(bufio.NewReaderSize(r, 1<<20))
	var h exportHeader
	if err := dec.Decode(&h); err != nil || h.Format != exportFormat {
		return nil, Key{}, fmt.Errorf("this is no export of `cis audit export`: its first line does not say %s", exportFormat)
	}
	key, err := ParseKey(h.Key)
	if err != nil {
		return nil, Key{}, err
	}
	return func(_ context.Context, each func(eventstore.Recorded) error) error {
		for line := 2; ; line++ {
			var e exported
			err := dec.Decode(&e)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = each(e.record())
			}
			if err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
	}, key, nil
}
