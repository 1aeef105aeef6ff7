package proof

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/calendar-invite-server/cis/internal/durable"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrTaken says that another process keeps the tree.
var ErrTaken = errors.New("another process keeps the tree of hashes")

// Tree is the hashes of the log's records, in a folder: `hashes` in the order of [tlog.StoredHashIndex], and `tree.json`,
// which says how many records they are of. It is derived: lost, it is made again from the log, and compared with the
// checkpoints.
type Tree struct {
	dir    string
	hashes *os.File
	lock   *os.File // nil: only read
	state  treeState

	pending []tlog.Hash // behind what is in the file
	stored  int64       // hashes in the file
}

type treeState struct {
	LogID    string `json:"log_id"`
	Size     int64  `json:"size"`     // records
	Position uint64 `json:"position"` // of the last of them in the store
}

// OpenTree opens a log's tree to add to it, making it if there is none, or only to read it.
func OpenTree(dir, logID string, write bool) (_ *Tree, err error) {
	t := &Tree{dir: dir}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	mode := os.O_RDONLY
	if write {
		mode = os.O_RDWR | os.O_CREATE
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		if t.lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(t.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return nil, ErrTaken
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "tree.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist) && write:
		t.state.LogID = logID
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(raw, &t.state); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "tree.json"), err)
		}
	}
	if t.state.LogID != logID { // of a log that was in the same place
		t.state = treeState{LogID: logID}
	}
	if t.hashes, err = os.OpenFile(filepath.Join(dir, "hashes"), mode, 0o600); err != nil {
		return nil, err
	}
	t.stored = tlog.StoredHashCount(t.state.Size)
	info, err := t.hashes.Stat()
	if err == nil && info.Size() < t.stored*tlog.HashSize {
		t.state, t.stored = treeState{LogID: logID}, 0 // damaged: it is made again
	}
	return t, err
}

// Close ends it; what was not committed is forgotten.
func (t *Tree) Close() {
	for _, f := range []*os.File{t.hashes, t.lock} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// Size is how many records it is of.
func (t *Tree) Size() int64 { return t.state.Size }

// Position is that of the last of them in the store.
func (t *Tree) Position() uint64 { return t.state.Position }

// Add adds a record's hash.
func (t *Tree) Add(leaf tlog.Hash, position uint64) error {
	hashes, err := tlog.StoredHashesForRecordHash(t.state.Size, leaf, t)
	if err != nil {
		return err
	}
	t.pending = append(t.pending, hashes...)
	t.state.Size, t.state.Position = t.state.Size+1, position
	return nil
}

// Commit makes durable what was added.
func (t *Tree) Commit() error {
	raw := make([]byte, 0, len(t.pending)*tlog.HashSize)
	for _, h := range t.pending {
		raw = append(raw, h[:]...)
	}
	if _, err := t.hashes.WriteAt(raw, t.stored*tlog.HashSize); err != nil {
		return err
	}
	if err := t.hashes.Sync(); err != nil {
		return err
	}
	t.stored, t.pending = t.stored+int64(len(t.pending)), t.pending[:0]
	state, err := json.Marshal(t.state)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(t.dir, "tree.json"), state)
}

// ReadHashes is for [tlog].
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at >= t.stored {
			if at-t.stored >= int64(len(t.pending)) {
				return nil, fmt.Errorf("the tree has no hash %d", at)
			}
			out[i] = t.pending[at-t.stored]
			continue
		}
		if _, err := t.hashes.ReadAt(out[i][:], at*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("the tree's hash %d: %w", at, err)
		}
	}
	return out, nil
}

// Root is that of the first records.
func (t *Tree) Root(size int64) (tlog.Hash, error) {
	if size > t.state.Size {
		return tlog.Hash{}, fmt.Errorf("the tree has %d records, not %d", t.state.Size, size)
	}
	return tlog.TreeHash(size, t)
}

// leaves goes through the hashes of all records in order, until f says that it is enough.
func (t *Tree) leaves(f func(i int64, leaf tlog.Hash) (more bool)) error {
	r := bufio.NewReaderSize(io.NewSectionReader(t.hashes, 0, t.stored*tlog.HashSize), 1<<20)
	var h tlog.Hash
	next, want := int64(0), int64(0)
	for i := int64(0); i < t.state.Size; i++ {
		for want = tlog.StoredHashIndex(0, i); next <= want; next++ {
			if _, err := io.ReadFull(r, h[:]); err != nil {
				return fmt.Errorf("the tree's hash %d: %w", next, err)
			}
		}
		if !f(i, h) {
			return nil
		}
	}
	return nil
}
