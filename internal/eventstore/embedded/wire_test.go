package embedded

import (
	"strconv"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

// TestEncodeEvent holds the hand-written encoding against the generated one.
func TestEncodeEvent(t *testing.T) {
	for name, r := range map[string]*record{
		"an ordinary record": {position: 300, stream: "event-1", revision: 2, id: uuid.New(), typ: "EventCreated", contentType: "application/json", created: 17_000_000_000_000_000, data: []byte(`{}`), metadata: []byte(`{"a":1}`)},
		"extremes":           {position: 1 << 62, stream: strings.Repeat("s", 300), revision: tombstoneRevision, id: uuid.Max, typ: strings.Repeat("t", 200), created: -1, data: make([]byte, 1<<17)},
		"almost nothing":     {position: 1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range []bool{false, true} {
				id := toUUID(r.id)
				if text {
					id = &shared.UUID{Value: &shared.UUID_String_{String_: r.id.String()}}
				}
				pos := uint64(r.position)
				want := &api.ReadResp{Content: &api.ReadResp_Event{Event: &api.ReadResp_ReadEvent{
					Event: &api.ReadResp_ReadEvent_RecordedEvent{
						Id: id, StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(r.stream)},
						StreamRevision: uint64(r.revision), PreparePosition: pos, CommitPosition: pos,
						Metadata:       map[string]string{"type": r.typ, "content-type": r.contentType, "created": strconv.FormatInt(r.created, 10)},
						CustomMetadata: r.metadata, Data: r.data,
					},
					Position: &api.ReadResp_ReadEvent_CommitPosition{CommitPosition: pos},
				}}}
				got := new(api.ReadResp)
				if err := proto.Unmarshal(encodeEvent(r, text), got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
					t.Errorf("text id %v (-want +got):\n%s", text, diff)
				}
			}
		})
	}
}
