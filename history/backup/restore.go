package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/calendar-invite-server/cis/internal/durable"
)

// ErrThere says that there is a log already where one should be brought back.
var ErrThere = errors.New("there is a log in CIS_DATA already: name an empty folder")

// ErrApart says that a copy of the log and one of the keys do not belong together.
var ErrApart = errors.New("the keys are not this log's")

// Restore puts a backup's files into an empty data folder. keys is where the copy of the keys is; empty: beside the log's.
// The log itself comes last, so that a server cannot start on half of it; fence is called before, with the folder that
// has everything, and must have the log say that it was brought back.
func Restore(data, from, keys string, fence func(staged string, m Manifest) error) (Manifest, error) {
	if keys == "" {
		keys = filepath.Join(from, "keys")
	}
	m, err := Read(from)
	if err != nil {
		return m, err
	}
	k, err := Read(keys)
	switch {
	case err != nil:
		return m, err
	case k.LogID != m.LogID:
		return m, fmt.Errorf("%w: they are of log %s, this is %s", ErrApart, k.LogID, m.LogID)
	case k.Taken.Before(m.Taken):
		return m, fmt.Errorf("%w: they are older, of %s; facts since then could not be read", ErrApart, k.Taken)
	}
	staged := filepath.Join(data, Staged)
	if err := empty(data, staged); err != nil {
		return m, err
	}
	if err := errors.Join(os.RemoveAll(staged), os.MkdirAll(filepath.Join(staged, "eventstore"), 0o700)); err != nil {
		return m, err
	}
	if err := errors.Join(
		copyFile(filepath.Join(from, eventsName), filepath.Join(staged, "eventstore", eventsName)),
		copyFile(filepath.Join(keys, vaultName), filepath.Join(staged, vaultName)),
	); err != nil {
		return m, err
	}
	for _, name := range []string{secretName, vaultKeyName} {
		if _, err := os.Stat(filepath.Join(keys, name)); err != nil {
			continue
		}
		if err := copyFile(filepath.Join(keys, name), filepath.Join(staged, name)); err != nil {
			return m, err
		}
	}
	if err := fence(staged, m); err != nil {
		return m, err
	}
	return m, install(staged, data)
}

// Staged is the name of the folder, in the data folder, of a restore that is under way, or was interrupted.
const Staged = "restore" + partial

// empty refuses a folder with a log, or with a database that was filled from one. What an interrupted restore had put in
// place is taken away again.
func empty(data, staged string) error {
	_, whole := os.Lstat(filepath.Join(data, "eventstore"))
	if _, err := os.Lstat(staged); err == nil && errors.Is(whole, fs.ErrNotExist) {
		if err := os.Remove(filepath.Join(data, vaultName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, name := range []string{"eventstore", vaultName, "postgres", "postgres.path"} {
		if _, err := os.Lstat(filepath.Join(data, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w (there is %s)", ErrThere, filepath.Join(data, name))
		}
	}
	return nil
}

// install moves what is whole to its place; the log comes last.
func install(staged, data string) error {
	for _, name := range []string{secretName, vaultKeyName, vaultName, "eventstore"} {
		from := filepath.Join(staged, name)
		if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if name == secretName || name == vaultKeyName {
			if _, err := os.Lstat(filepath.Join(data, name)); err == nil {
				continue // the operator's own; that it fits was checked
			}
		}
		if err := durable.Rename(from, filepath.Join(data, name)); err != nil {
			return err
		}
	}
	return os.RemoveAll(staged)
}
