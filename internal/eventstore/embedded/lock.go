package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLocked says that another process has the folder's event store open.
var ErrLocked = errors.New("the event store is in use by another process")

// lockFolder takes the exclusive lock that keeps a second process out of the folder; closing the file releases it.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the event store's lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (folder %s)", ErrLocked, dir)
		}
		return nil, fmt.Errorf("locking the event store's folder: %w", err)
	}
	return f, nil
}
