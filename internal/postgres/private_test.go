package postgres_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/postgres"
)

var quiet = slog.New(slog.DiscardHandler)

func start(t *testing.T, data string) *postgres.Private {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := postgres.StartPrivate(ctx, data, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ping(t *testing.T, dsn string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	pool, err := postgres.Open(ctx, dsn)
	if err == nil {
		pool.Close()
	}
	return err
}

func TestPrivate(t *testing.T) {
	// Below a 0700 folder, with a path too long for a socket.
	data := filepath.Join(t.TempDir(), strings.Repeat("deep/", 20), "data")
	if err := os.Chmod(filepath.Dir(strings.Split(data, "/deep")[0]), 0o700); err != nil {
		t.Fatal(err)
	}
	first := start(t, data)
	t.Cleanup(func() { _ = first.Remove() })
	if err := ping(t, first.DSN); err != nil {
		t.Fatal(err)
	}

	t.Run("a second process joins it, and ending one does not end the other's server", func(t *testing.T) {
		second := start(t, data)
		second.Close()
		if err := ping(t, first.DSN); err != nil {
			t.Error(err)
		}
		third := start(t, data)
		first.Close() // whoever is last ends it
		if err := ping(t, third.DSN); err != nil {
			t.Error(err)
		}
		third.Close()
		if ping(t, third.DSN) == nil {
			t.Error("the server outlived its last user")
		}
	})
	t.Run("it starts again over the same cluster", func(t *testing.T) {
		again := start(t, data)
		defer again.Close()
		if err := ping(t, again.DSN); err != nil {
			t.Error(err)
		}
	})
}
