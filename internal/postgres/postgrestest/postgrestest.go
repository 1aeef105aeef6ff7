// Package postgrestest gives tests a real PostgreSQL: one private server per test binary, one database per test.
package postgrestest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/internal/postgres"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

var (
	once    sync.Once
	server  *postgres.Private
	dataDir string
	failed  error
	count   atomic.Int64
)

// Main runs a package's tests and ends the server they started. Use it as TestMain's whole body.
func Main(m *testing.M) {
	code := m.Run()
	if server != nil {
		server.Close()
		_ = server.Remove()
		_ = os.RemoveAll(dataDir)
	}
	os.Exit(code)
}

// DSN makes an empty database and returns how to connect to it.
func DSN(t testing.TB) string {
	t.Helper()
	once.Do(start)
	if failed != nil {
		t.Fatalf("no PostgreSQL for tests: %v", failed)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	name := fmt.Sprintf("test%d", count.Add(1))
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+name); err != nil {
		t.Fatal(err)
	}
	return server.DSN + " dbname=" + name
}

// Pool connects to an empty database for the time of the test.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(context.Background(), DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func start() {
	if dataDir, failed = os.MkdirTemp("", "cis-test-pg"); failed != nil {
		return
	}
	// A folder the server's user can enter, so that nothing is left under /var/lib.
	if failed = os.Chmod(dataDir, 0o755); failed != nil {
		return
	}
	server, failed = postgres.StartPrivate(context.Background(), dataDir, slog.New(slog.DiscardHandler))
}
