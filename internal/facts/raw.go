package facts

import (
	"context"
	"errors"
	"fmt"

	"github.com/calendar-invite-server/cis/domain/mail"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
)

// rawChunk is how many bytes of a message, compressed and sealed, one fact holds.
const rawChunk = 512 << 10

// Both are safe for concurrent use with EncodeAll and DecodeAll, and never fail to be made with these options.
var (
	encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(4))
	decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxMemory(64<<20))
)

// AppendRaw stores a message's bytes under a key of their own and returns the number of chunks. Repeating it is safe.
func (l *Log) AppendRaw(ctx context.Context, tenant, mailID string, raw []byte) (int, error) {
	stream := mail.RawStream(mailID)
	packed := encoder.EncodeAll(raw, nil)
	if err := l.vault.Prepare(ctx, mailID); err != nil { // a mail is new, nearly always: no use looking for its key first
		return 0, fmt.Errorf("sealing a message: %w", err)
	}
	meta := fmt.Appendf(nil, `{"tenant":%q}`, tenant)
	const payload = rawChunk - 64 // room for nonce and tag
	n := 0
	for ; n == 0 || n*payload < len(packed); n++ {
		chunk := packed[n*payload : min((n+1)*payload, len(packed))]
		sealed, err := l.vault.Seal(ctx, mailID, rawPlace(mailID, n), chunk)
		if err != nil {
			return 0, fmt.Errorf("sealing a message: %w", err)
		}
		rec := eventstore.Proposed{ID: rawID(mailID, n), Type: mail.RawMailName, Data: sealed, Metadata: meta, Binary: true}
		if _, err := l.store.Append(ctx, stream, eventstore.Revision(n-1), rec); err != nil {
			return 0, fmt.Errorf("storing a message: %w", err)
		}
	}
	return n, nil
}

// LoadRaw returns a message's bytes. It fails with [eventstore.ErrStreamNotFound] when they are no longer kept.
func (l *Log) LoadRaw(ctx context.Context, mailID string) ([]byte, error) {
	records, err := l.store.ReadStream(ctx, mail.RawStream(mailID), 0)
	if err != nil {
		return nil, err
	}
	var packed []byte
	for i, r := range records {
		chunk, err := l.vault.Open(ctx, mailID, rawPlace(mailID, i), r.Data)
		if err != nil {
			return nil, fmt.Errorf("opening message %s: %w", mailID, err)
		}
		packed = append(packed, chunk...)
	}
	raw, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("unpacking message %s", mailID), err)
	}
	return raw, nil
}

func rawPlace(mailID string, n int) string { return fmt.Sprintf("raw/%s/%d", mailID, n) }

// rawID makes a repeated store of the same message the same records.
func rawID(mailID string, n int) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(rawPlace(mailID, n)))
}
