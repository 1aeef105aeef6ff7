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

// TestDeletedData: who deletes the data folder begins anew, also where the cluster lives outside of it.
func TestDeletedData(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Chmod(filepath.Dir(data), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, ended := range []bool{true, false} { // in order, or left running by a process that was killed
		old := start(t, data)
		t.Cleanup(func() { _ = old.Remove() })
		exec(t, old.DSN, "CREATE TABLE relic ()")
		if ended || filepath.Dir(old.Dir()) == data { // a server inside of the deleted folder ends by itself within a minute
			old.Close()
		}
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		fresh := start(t, data)
		exec(t, fresh.DSN, "CREATE TABLE relic ()") // it is not there
		fresh.Close()
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
	}
}

func exec(t *testing.T, dsn, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	pool, err := postgres.Open(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}
