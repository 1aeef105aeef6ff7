// Package factstest gives tests a log of their own: an embedded event store on loopback and a vault, both in temporary
// folders.
package factstest

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/calendar-invite-server/cis/internal/vault"
)

// NewLog returns an empty log that lasts as long as the test.
func NewLog(t testing.TB) *facts.Log {
	t.Helper()
	s, err := embedded.Open(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := eventstore.Dial("esdb://"+s.Addr().String()+"?tls=false", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	v, err := vault.Open(filepath.Join(t.TempDir(), "vault.db"), bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return facts.NewLog(c, v)
}
