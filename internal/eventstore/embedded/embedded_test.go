package embedded_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/calendar-invite-server/cis/internal/eventstore/embedded"
	"github.com/calendar-invite-server/cis/internal/eventstore/storetest"
)

func TestContract(t *testing.T) {
	t.Run("over a unix socket", func(t *testing.T) {
		dir := t.TempDir()
		sock := filepath.Join(shortDir(t), "es.sock")
		s := open(t, dir, "unix:"+sock)
		defer s.Close()
		info, err := os.Stat(sock)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("socket: %v, %v", info, err)
		}
		storetest.Run(t, "esdb+unix://"+sock)
	})
	t.Run("over TCP, after a restart", func(t *testing.T) {
		dir := t.TempDir()
		open(t, dir, "127.0.0.1:0").Close()
		s := open(t, dir, "127.0.0.1:0")
		defer s.Close()
		storetest.Run(t, "esdb://"+s.Addr().String()+"?tls=false")
	})
	t.Run("found through gossip", func(t *testing.T) {
		s := open(t, t.TempDir(), "127.0.0.1:0")
		defer s.Close()
		addr := s.Addr().String()
		storetest.Run(t, "esdb://"+addr+","+addr+"?tls=false")
	})
}

func TestOpen(t *testing.T) {
	t.Run("a second process is kept out of the folder", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, "127.0.0.1:0")
		defer s.Close()
		if _, err := embedded.Open(dir, "127.0.0.1:0"); !errors.Is(err, embedded.ErrLocked) {
			t.Errorf("got %v, want ErrLocked", err)
		}
	})
	t.Run("a socket left by a dead process is replaced", func(t *testing.T) {
		sock := filepath.Join(shortDir(t), "es.sock")
		if err := os.WriteFile(sock, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		open(t, t.TempDir(), "unix:"+sock).Close()
	})
	t.Run("a socket path that is too long is refused", func(t *testing.T) {
		long := filepath.Join(t.TempDir(), string(make([]byte, 200)))
		if _, err := embedded.Open(t.TempDir(), "unix:"+long); err == nil {
			t.Error("opened")
		}
	})
}

func open(t *testing.T, dir, listen string) *embedded.Server {
	t.Helper()
	s, err := embedded.Open(dir, listen)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shortDir is a temporary folder whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "es")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
