package proof

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/tlog"
)

var (
	// ErrChanged says that the log is not the one that was signed. Nothing more is signed until somebody has looked.
	ErrChanged = errors.New("the log is not what was signed; `cis audit verify` says where")
	// ErrShort says that the log is shorter than the tree.
	ErrShort = errors.New("the log ends before records that it had; was an older copy brought back? `cis audit verify` says what is missing")
)

// Notary keeps the tree in step with the log, and signs.
type Notary struct {
	Log     *facts.Log
	LogID   string // in this store: what positions belong to
	Key     Key
	Dir     string        // of the tree
	Every   time.Duration // how often it signs, if there is anything new
	Publish []Publisher   // where checkpoints go besides the log
	Logger  *slog.Logger
	signed  prometheus.Gauge
	broken  prometheus.Gauge
}

// Publisher sends a checkpoint elsewhere, so that who can change the log cannot change all that was signed.
type Publisher func(ctx context.Context, c Checkpoint) error

// Measure has metrics say how far the log is signed.
func (n *Notary) Measure(reg prometheus.Registerer) {
	n.signed = prometheus.NewGauge(prometheus.GaugeOpts{Name: "cis_proof_signed_records", Help: "Records of the log before the last signed checkpoint."})
	n.broken = prometheus.NewGauge(prometheus.GaugeOpts{Name: "cis_proof_broken", Help: "1: nothing is signed, because the log is not what was signed; `cis audit verify` says where."})
	reg.MustRegister(n.signed, n.broken)
}

// Run signs until ctx ends. Where another process keeps the same tree, it waits until that ends.
func (n *Notary) Run(ctx context.Context) error {
	ticker := time.NewTicker(n.Every)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		c, err := n.Sign(ctx)
		changed := errors.Is(err, ErrChanged) || errors.Is(err, ErrShort)
		if n.broken != nil {
			n.broken.Set(map[bool]float64{true: 1}[changed])
			if err == nil {
				n.signed.Set(float64(c.Size))
			}
		}
		switch {
		case err == nil:
			said = ""
		case errors.Is(err, ErrTaken) || ctx.Err() != nil:
		case err.Error() != said:
			said = err.Error()
			n.Logger.Error("proof: no checkpoint", "error", err)
		}
	}
}

// Sign brings the tree to where the log is and signs a checkpoint, unless nothing is new but the last checkpoint, which is
// then returned.
func (n *Notary) Sign(ctx context.Context) (Checkpoint, error) {
	tree, err := OpenTree(n.Dir, n.LogID, true)
	if err != nil {
		return Checkpoint{}, err
	}
	defer tree.Close()
	last, err := n.catchUp(ctx, tree)
	if err != nil {
		return Checkpoint{}, err
	}
	checkpoint, revision, err := n.latest(ctx)
	if err != nil {
		return Checkpoint{}, err
	}
	if checkpoint.Size > 0 && last == logbook.Checkpoints && checkpoint.Size == tree.Size()-1 {
		return checkpoint, nil
	}
	root, err := tree.Root(tree.Size())
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := n.Key.Sign(tree.Size(), root, time.Now())
	if err != nil {
		return Checkpoint{}, err
	}
	f := logbook.CheckpointSigned{Size: c.Size, Root: c.Root.String(), Note: c.Note}
	if _, err := n.Log.Append(ctx, logbook.Checkpoints, revision, facts.Meta{Command: uuid.New(), Actor: "system"}, f); err != nil {
		return Checkpoint{}, fmt.Errorf("recording a checkpoint: %w", err)
	}
	for _, publish := range n.Publish {
		if err := publish(ctx, c); err != nil {
			n.Logger.Warn("proof: a checkpoint could not be sent elsewhere; the next one will be", "error", err)
		}
	}
	return c, nil
}

// commitEvery is how many records are added to the tree at a time.
const commitEvery = 20_000

// catchUp adds what is new to the tree, and returns the stream of the last record. Checkpoints in the log that it does not
// agree with end it.
func (n *Notary) catchUp(ctx context.Context, tree *Tree) (last string, err error) {
	head, err := n.Log.Store().Head(ctx)
	if err != nil {
		return "", err
	}
	if tree.Position() > head {
		return "", ErrShort
	}
	added := 0
	err = n.Log.Store().Follow(ctx, facts.Streams(), tree.Position(), 1000, func(page eventstore.Page) error {
		for _, r := range page.Records {
			if r.Stream == logbook.Checkpoints {
				if err := n.agrees(tree, r); err != nil {
					return err
				}
			}
			if err := tree.Add(Leaf(r), r.Position); err != nil {
				return err
			}
			added++
			last = r.Stream
		}
		if added >= commitEvery || page.CaughtUp && added > 0 {
			added = 0
			if err := tree.Commit(); err != nil {
				return err
			}
		}
		if page.CaughtUp {
			return eventstore.ErrDone
		}
		return nil
	})
	if err == nil && last == "" {
		last = logbook.Checkpoints // nothing is new since this process, or another, signed
	}
	return last, err
}

// agrees compares a checkpoint in the log with the tree.
func (n *Notary) agrees(tree *Tree, r eventstore.Recorded) error {
	c, err := n.open(r)
	if err != nil {
		return err
	}
	root, err := tree.Root(c.Size)
	if err != nil || root != c.Root {
		return fmt.Errorf("%w: %s@%d, signed at %s", ErrChanged, r.Stream, r.Revision, c.At.Format(time.RFC3339))
	}
	return nil
}

// latest is the last checkpoint in the log; its size is 0 if there is none.
func (n *Notary) latest(ctx context.Context) (c Checkpoint, revision eventstore.Revision, err error) {
	r, err := n.Log.Store().ReadLast(ctx, logbook.Checkpoints)
	if errors.Is(err, eventstore.ErrStreamNotFound) {
		return c, eventstore.NoStream, nil
	}
	if err != nil {
		return c, 0, err
	}
	c, err = n.open(r)
	return c, eventstore.Revision(r.Revision), err
}

// open reads the checkpoint in a record.
func (n *Notary) open(r eventstore.Recorded) (Checkpoint, error) {
	rec, err := facts.Decode(r)
	if err != nil {
		return Checkpoint{}, err
	}
	f, ok := rec.Fact.(logbook.CheckpointSigned)
	if !ok {
		return Checkpoint{}, fmt.Errorf("%w: %s@%d is a %s", ErrChanged, r.Stream, r.Revision, r.Type)
	}
	c, err := n.Key.Open(f.Note)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %s@%d: %w", ErrChanged, r.Stream, r.Revision, err)
	}
	return c, nil
}

// Latest is the last checkpoint in the log; its size is 0 if there is none yet.
func (n *Notary) Latest(ctx context.Context) (Checkpoint, error) {
	c, _, err := n.latest(ctx)
	return c, err
}

// Inclusion proves that a record is in the log, in one file.
type Inclusion struct {
	Format     string   `json:"format"`
	Key        string   `json:"key"`        // compare it with the one that was published
	Checkpoint string   `json:"checkpoint"` // signed
	Index      int64    `json:"index"`      // the record's number in the log
	Record     exported `json:"record"`     // as it is stored: personal data sealed
	Hashes     []string `json:"hashes"`     // RFC 9162 §2.1.3
}

// inclusionFormat is what such a file says it is.
const inclusionFormat = "cis-inclusion/1"

// ErrNotYet says that a record is newer than the last checkpoint.
var ErrNotYet = errors.New("no checkpoint covers this record yet; one is signed every few minutes")

// Prove makes the proof for a record.
func (n *Notary) Prove(ctx context.Context, r eventstore.Recorded) (p Inclusion, err error) {
	c, _, err := n.latest(ctx)
	if err != nil {
		return p, err
	}
	tree, err := OpenTree(n.Dir, n.LogID, false)
	if err != nil {
		return p, fmt.Errorf("%w (%w)", ErrNotYet, err)
	}
	defer tree.Close()
	if c.Size == 0 || tree.Size() < c.Size {
		return p, ErrNotYet
	}
	leaf, index := Leaf(r), int64(-1)
	if err := tree.leaves(func(i int64, h tlog.Hash) bool {
		if h == leaf && i < c.Size {
			index = i
		}
		return index < 0 && i < c.Size
	}); err != nil {
		return p, err
	}
	if index < 0 {
		return p, ErrNotYet
	}
	hashes, err := tlog.ProveRecord(c.Size, index, tree)
	if err != nil {
		return p, err
	}
	p = Inclusion{Format: inclusionFormat, Key: n.Key.String(), Checkpoint: c.Note, Index: index, Record: export(r)}
	for _, h := range hashes {
		p.Hashes = append(p.Hashes, h.String())
	}
	return p, p.Check(n.Key)
}

// Check says whether the proof holds, with the key that was published: nothing but this file is needed.
func (p Inclusion) Check(key Key) error {
	if p.Format != inclusionFormat {
		return fmt.Errorf("this is no proof of `cis audit prove`: it does not say %s", inclusionFormat)
	}
	c, err := key.Open(p.Checkpoint)
	if err != nil {
		return err
	}
	proof := make(tlog.RecordProof, len(p.Hashes))
	for i, h := range p.Hashes {
		if proof[i], err = tlog.ParseHash(h); err != nil {
			return fmt.Errorf("hash %d: %w", i, err)
		}
	}
	if err := tlog.CheckRecord(proof, c.Size, c.Root, p.Index, Leaf(p.Record.record())); err != nil {
		return fmt.Errorf("the record is not in the log that was signed: %w", err)
	}
	return nil
}
