package backup

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/internal/durable"
	_ "modernc.org/sqlite" // the database/sql driver "sqlite"
)

// Format is what a manifest says it is.
const Format = "cis-backup/1"

const (
	manifestName = "manifest.json"
	eventsName   = "events.db"
	vaultName    = "vault.db"
	secretName   = "secret"
	vaultKeyName = "vault.key"
	partial      = ".partial"
)

// Manifest says what a backup is. There is one beside the log, and one beside the keys.
type Manifest struct {
	Format         string    `json:"format"`
	LogID          string    `json:"log_id"`
	KeyFingerprint string    `json:"key_fingerprint"` // of the secret it can be read with
	Taken          time.Time `json:"taken"`
	Position       uint64    `json:"position,omitempty"`   // where the log ended
	Checkpoint     string    `json:"checkpoint,omitempty"` // the last one that was signed before
	Files          []File    `json:"files"`
}

// File is a file of a backup.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Options are what is copied, and where to.
type Options struct {
	Data           string // CIS_DATA, with an embedded store
	To             string // folder that gets a folder per backup
	Keys           string // the same for the keys; empty: in the folder of the log's copy
	Secret         string // file with the secret, to be copied beside the keys; empty: it is not
	VaultKey       string // the same with the key that wraps the vault's keys, if it was rotated
	LogID          string
	KeyFingerprint string
	Position       uint64 // where the log ends, at least
	Checkpoint     string
	Now            time.Time
	Tell           func(phase string)
}

// Taken is where a backup was put.
type Taken struct {
	Log      string   `json:"log"`
	Keys     string   `json:"keys"`
	Manifest Manifest `json:"manifest"`
}

// Take makes a backup. What an interrupted one left is removed.
func Take(ctx context.Context, o Options) (t Taken, err error) {
	name := o.Now.UTC().Format("20060102T150405Z")
	t.Log = filepath.Join(o.To, name)
	t.Keys = filepath.Join(t.Log, "keys")
	if o.Keys != "" {
		t.Keys = filepath.Join(o.Keys, name)
	}
	for _, dir := range []string{o.To, o.Keys} {
		if dir != "" {
			if err := clear(dir); err != nil {
				return t, err
			}
		}
	}
	m := Manifest{Format: Format, LogID: o.LogID, KeyFingerprint: o.KeyFingerprint, Taken: o.Now.UTC().Truncate(time.Second), Position: o.Position, Checkpoint: o.Checkpoint}
	o.Tell("copying the log")
	log, err := begin(t.Log)
	if err != nil {
		return t, err
	}
	defer func() { _ = os.RemoveAll(log) }()
	if err := snapshot(ctx, filepath.Join(o.Data, "eventstore", eventsName), filepath.Join(log, eventsName)); err != nil {
		return t, fmt.Errorf("copying the log: %w", err)
	}
	o.Tell("copying the keys")
	keys := filepath.Join(log, "keys")
	if o.Keys != "" {
		if keys, err = begin(t.Keys); err != nil {
			return t, err
		}
		defer func() { _ = os.RemoveAll(keys) }()
	} else if err := os.Mkdir(keys, 0o700); err != nil {
		return t, err
	}
	if err := snapshot(ctx, filepath.Join(o.Data, vaultName), filepath.Join(keys, vaultName)); err != nil {
		return t, fmt.Errorf("copying the keys: %w", err)
	}
	held := []string{vaultName}
	for _, f := range []struct{ from, name string }{{o.Secret, secretName}, {o.VaultKey, vaultKeyName}} {
		if f.from == "" {
			continue
		}
		if err := copyFile(f.from, filepath.Join(keys, f.name)); err != nil {
			return t, err
		}
		held = append(held, f.name)
	}
	o.Tell("hashing")
	if err := finish(keys, m, held...); err != nil {
		return t, err
	}
	if o.Keys != "" { // the keys first: a log's copy that is there has its keys
		if err := durable.Rename(keys, t.Keys); err != nil {
			return t, err
		}
	}
	if err := finish(log, m, eventsName); err != nil {
		return t, err
	}
	if t.Manifest, err = readManifest(log); err != nil {
		return t, err
	}
	return t, durable.Rename(log, t.Log)
}

// clear removes what interrupted backups left.
func clear(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, "*"+partial))
	for _, l := range left {
		err = errors.Join(err, os.RemoveAll(l))
	}
	return err
}

func begin(dir string) (string, error) {
	if _, err := os.Lstat(dir); err == nil {
		return "", fmt.Errorf("%s is there already: one backup a second is enough", dir)
	}
	return dir + partial, os.MkdirAll(dir+partial, 0o700)
}

// snapshot copies an SQLite file as it is at one moment, while others write. What was deleted in it is not in the copy.
func snapshot(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+from+"?_pragma=busy_timeout(10000)&_pragma=query_only(0)")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, to); err != nil {
		return err
	}
	return os.Chmod(to, 0o600)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// finish makes the files durable and writes the manifest, which is what makes a folder a backup.
func finish(dir string, m Manifest, names ...string) error {
	m.Files = nil
	for _, name := range names {
		f, err := describe(dir, name)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, f)
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, manifestName), append(raw, '\n'))
}

// describe hashes a file, and makes it durable.
func describe(dir, name string) (File, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return File{}, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return File{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, errors.Join(err, f.Sync())
}

// ErrDamaged says that a backup is not what it was when it was made.
var ErrDamaged = errors.New("the backup is damaged")

// Read checks a backup in a folder: its manifest, and every file against it.
func Read(dir string) (Manifest, error) {
	m, err := readManifest(dir)
	if err != nil {
		return m, err
	}
	for _, want := range m.Files {
		if strings.ContainsAny(want.Name, `/\`) {
			return m, fmt.Errorf("%w: a file named %q", ErrDamaged, want.Name)
		}
		got, err := describe(dir, want.Name)
		if err != nil {
			return m, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if got != want {
			return m, fmt.Errorf("%w: %s is not the file that was backed up", ErrDamaged, filepath.Join(dir, want.Name))
		}
	}
	return m, nil
}

func readManifest(dir string) (m Manifest, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s is no backup, or one that was interrupted: there is no %s in it", dir, manifestName)
	}
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(raw, &m); err != nil || m.Format != Format {
		return m, fmt.Errorf("%w: %s does not say %s", ErrDamaged, filepath.Join(dir, manifestName), Format)
	}
	return m, nil
}
