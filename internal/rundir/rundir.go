// Package rundir finds short, private folders for sockets. A unix socket's path may have 107 bytes, which a data
// folder deep in a tree exceeds; the folder made here is named by a hash of the data folder, so that every process
// with the same CIS_DATA finds the same sockets.
package rundir

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Path is the folder for sockets of a kind that belong to a data folder. It may not exist.
func Path(data, kind string) (string, error) {
	abs, err := filepath.Abs(data)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	sum := sha256.Sum256([]byte(abs))
	return filepath.Join("/tmp", "cis-"+kind+"-"+hex.EncodeToString(sum[:6])), nil
}

// Make makes the folder, mode 0700, owned by uid and gid. A folder that is there and belongs to somebody else is
// refused: in /tmp anybody can get there first.
func Make(path string, uid, gid int) error {
	err := os.Mkdir(path, 0o700)
	if err == nil {
		err = os.Chown(path, uid, gid)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making the run folder: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("the run folder: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != uid {
		return fmt.Errorf("the run folder %s exists and does not belong to user %d: remove it", path, uid)
	}
	return os.Chmod(path, 0o700)
}
