package embedded

import (
	"encoding/binary"
	"strconv"

	"github.com/google/uuid"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers the codec that is wrapped here
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// encoded is a ReadResp in its wire form.
type encoded []byte

// codec is gRPC's protobuf codec, except that events arrive encoded: a catch-up reader gets hundreds of thousands a
// second, and reflection over a map of metadata would be most of the server's work.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal passes encoded messages through.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.(encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.CodecV2.Marshal(v)
}

// encodeEvent writes ReadResp{event: ReadEvent{event: RecordedEvent{…}, commit_position}} of streams.proto. The client
// kills its process over a malformed "created".
func encodeEvent(r *record, textID bool) []byte {
	pos := uint64(r.position)
	ev := make([]byte, 0, 224+len(r.stream)+len(r.typ)+len(r.data)+len(r.metadata))
	ev = appendMessage(ev, 1, encodeUUID(r.id, textID))
	ev = appendMessage(ev, 2, protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), r.stream))
	ev = appendUint(ev, 3, uint64(r.revision))
	ev = appendUint(ev, 4, pos) // prepare
	ev = appendUint(ev, 5, pos) // commit
	ev = appendEntry(ev, "type", r.typ)
	ev = appendEntry(ev, "content-type", r.contentType)
	ev = appendEntry(ev, "created", strconv.FormatInt(r.created, 10))
	ev = appendMessage(ev, 7, r.metadata)
	ev = appendMessage(ev, 8, r.data)

	size := protowire.SizeTag(1) + protowire.SizeBytes(len(ev)) + protowire.SizeTag(3) + protowire.SizeVarint(pos)
	out := make([]byte, 0, size+16)
	out = protowire.AppendTag(out, 1, protowire.BytesType)
	out = protowire.AppendVarint(out, uint64(size))
	out = appendMessage(out, 1, ev)
	return appendUint(out, 3, pos)
}

func encodeUUID(id uuid.UUID, text bool) []byte {
	if text {
		return protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), id.String())
	}
	var s [24]byte
	structured := appendUint(s[:0], 1, binary.BigEndian.Uint64(id[:8]))
	structured = appendUint(structured, 2, binary.BigEndian.Uint64(id[8:]))
	return appendMessage(make([]byte, 0, 28), 1, structured)
}

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendMessage(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

// appendEntry adds an entry to RecordedEvent's map of system metadata.
func appendEntry(b []byte, key, value string) []byte {
	b = protowire.AppendTag(b, 6, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(2+protowire.SizeBytes(len(key))+protowire.SizeBytes(len(value))))
	b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), key)
	return protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), value)
}
