package eventstore

import (
	"testing"
	"time"
)

func TestMovedCreated(t *testing.T) {
	at := time.Date(2026, 11, 21, 16, 0, 0, 123456700, time.UTC)
	for _, meta := range []string{``, `{"a":1}`, `{"a":"x\"}"}`, `{"$created":1}`} {
		kept, err := keepCreated([]byte(meta), at)
		if err != nil {
			t.Fatal(err)
		}
		rest, got, ok := created(kept)
		if !ok || !got.Equal(at) || string(rest) != meta {
			t.Errorf("%q → %q → %q, %v, %v", meta, kept, rest, got, ok)
		}
		if rest, _, ok := created([]byte(meta)); ok || string(rest) != meta {
			t.Errorf("%q has no time", meta)
		}
	}
	for _, meta := range []string{`{}`, `x`, `}`, `[1}`} {
		if kept, err := keepCreated([]byte(meta), at); err == nil {
			t.Errorf("%q → %q", meta, kept)
		}
	}
}
