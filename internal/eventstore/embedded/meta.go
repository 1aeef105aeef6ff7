package embedded

import (
	"encoding/json"
	"math"
	"time"
)

// streamMeta is what of a stream's metadata ($$stream) the store honours.
type streamMeta struct {
	TruncateBefore *int64  `json:"$tb"`
	MaxAge         *int64  `json:"$maxAge"` // seconds
	MaxCount       *uint64 `json:"$maxCount"`
}

// parseStreamMeta reads metadata leniently: what it does not understand restricts nothing.
func parseStreamMeta(data []byte) streamMeta {
	var m streamMeta
	_ = json.Unmarshal(data, &m)
	return m
}

func (m streamMeta) deleted() bool {
	return m.TruncateBefore != nil && *m.TruncateBefore == deletedFrom
}

// firstRevision is the lowest revision a reader may see, given the stream's last one.
func (m streamMeta) firstRevision(last int64) int64 {
	var first int64
	if m.TruncateBefore != nil {
		first = *m.TruncateBefore
	}
	if m.MaxCount != nil && *m.MaxCount > 0 && *m.MaxCount < math.MaxInt64 {
		first = max(first, last-int64(*m.MaxCount)+1)
	}
	return first
}

// oldest is the creation time (ticks) below which a reader sees nothing.
func (m streamMeta) oldest(now time.Time) int64 {
	if m.MaxAge == nil || *m.MaxAge <= 0 || *m.MaxAge > math.MaxInt64/int64(time.Second) {
		return math.MinInt64
	}
	return ticks(now.Add(-time.Duration(*m.MaxAge) * time.Second))
}

// ticks is a time as the protocol's "created": 100 ns units since 1970.
func ticks(t time.Time) int64 { return t.UnixNano() / 100 }
