package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test binary cis itself when asked to, so that tests can start and kill the program that ships.
func TestMain(m *testing.M) {
	if os.Getenv("CIS_TEST_AS_CIS") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

var quiet = slog.New(slog.DiscardHandler)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// startStage starts an instance for a test.
func startStage(t *testing.T, change map[string]string) *stage {
	t.Helper()
	log := quiet
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	s, err := newStage(within(t, time.Minute), log, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// testWriter sends log lines to the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
