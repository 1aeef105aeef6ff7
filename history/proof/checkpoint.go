package proof

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/internal/eventstore"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrSignature says that a checkpoint was not signed with the key it should be.
var ErrSignature = errors.New("the checkpoint is not signed with this log's key")

// Leaf is the hash of a record in the tree. It covers the record as it is stored, sealed, and where it stands in its
// stream; its place in the log is its place in the tree. The contents are covered by their own hashes, so that a proof can
// be shown to somebody who is not to see them.
func Leaf(r eventstore.Recorded) tlog.Hash {
	return tlog.RecordHash(fmt.Appendf(nil, "cis-record/1\n%q %d\n%s\n%q\n%s\n%x\n%x\n",
		r.Stream, r.Revision, r.ID, r.Type, r.Created.UTC().Format(time.RFC3339Nano), sha256.Sum256(r.Data), sha256.Sum256(r.Metadata)))
}

// Key is what a log's checkpoints are signed with, and checked.
type Key struct {
	signer   note.Signer // nil: only checks
	verifier note.Verifier
	text     string
}

// origin is the name of a log in its checkpoints.
func origin(logID string) string { return "cis-log-" + logID }

// NewKey makes the key of a log.
func NewKey(logID string, private ed25519.PrivateKey) (Key, error) {
	public, _ := private.Public().(ed25519.PublicKey)
	text, err := note.NewEd25519VerifierKey(origin(logID), public)
	if err != nil {
		return Key{}, err
	}
	k, err := ParseKey(text)
	if err != nil {
		return Key{}, err
	}
	hash := strings.Split(text, "+")[1]
	k.signer, err = note.NewSigner("PRIVATE+KEY+" + origin(logID) + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, private.Seed()...)))
	return k, err
}

// ParseKey reads a key that only checks, as [Key.String] writes it.
func ParseKey(text string) (Key, error) {
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return Key{}, fmt.Errorf("a log's key looks like cis-log-…+hash+base64: %w", err)
	}
	return Key{verifier: v, text: strings.TrimSpace(text)}, nil
}

// String is the public key, to be published: name, hash and key (C2SP signed-note).
func (k Key) String() string { return k.text }

// Checkpoint says what the first records of a log are.
type Checkpoint struct {
	Size int64
	Root tlog.Hash
	At   time.Time
	Note string // signed
}

// Sign makes a checkpoint.
func (k Key) Sign(size int64, root tlog.Hash, at time.Time) (Checkpoint, error) {
	c := Checkpoint{Size: size, Root: root, At: at.UTC().Truncate(time.Second)}
	text := fmt.Sprintf("%s\n%d\n%s\n%s\n", k.verifier.Name(), size, root, c.At.Format(time.RFC3339))
	signed, err := note.Sign(&note.Note{Text: text}, k.signer)
	c.Note = string(signed)
	return c, err
}

// Open reads a checkpoint and checks its signature.
func (k Key) Open(signed string) (c Checkpoint, err error) {
	n, err := note.Open([]byte(signed), note.VerifierList(k.verifier))
	if err != nil {
		return c, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != k.verifier.Name() {
		return c, fmt.Errorf("%w: it is about %s", ErrSignature, lines[0])
	}
	c.Note = signed
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || c.Size < 0 {
		return c, fmt.Errorf("a checkpoint's size: %q", lines[1])
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return c, fmt.Errorf("a checkpoint's root: %w", err)
	}
	if c.At, err = time.Parse(time.RFC3339, lines[3]); err != nil {
		return c, fmt.Errorf("a checkpoint's time: %w", err)
	}
	return c, nil
}
