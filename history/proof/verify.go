package proof

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/calendar-invite-server/cis/internal/facts"
	"golang.org/x/mod/sumdb/tlog"
)

// Kind is what is wrong.
type Kind string

const (
	// Changed: a record is not what it was.
	Changed Kind = "changed"
	// Removed: a record is not there any more.
	Removed Kind = "removed"
	// Added: a record stands among older ones and was not there.
	Added Kind = "added"
	// Moved: a record stands elsewhere in the log.
	Moved Kind = "moved"
	// Broken: a stream's records are not numbered one after the other.
	Broken Kind = "broken"
	// Unsigned: a checkpoint is not signed with the log's key.
	Unsigned Kind = "unsigned"
	// Differs: the records before a checkpoint are not those that were signed.
	Differs Kind = "differs"
)

// Finding is something that is wrong with a log.
type Finding struct {
	Kind     Kind   `json:"kind"`
	Record   int64  `json:"record"`             // number in the log, from 0: of a record that is there, or where one should be
	Stream   string `json:"stream,omitempty"`   // empty: nothing tells
	Revision uint64 `json:"revision,omitempty"` // in the stream
	Type     string `json:"type,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// String says it in words.
func (f Finding) String() string {
	where := fmt.Sprintf("record %d", f.Record)
	if f.Stream != "" {
		where += fmt.Sprintf(" (%s@%d)", f.Stream, f.Revision)
	}
	if f.Type != "" {
		where += " " + f.Type
	}
	return fmt.Sprintf("%s: %s: %s", f.Kind, where, f.Detail)
}

// Report is what came of a verification.
type Report struct {
	Records     int64      `json:"records"`
	Checkpoints int        `json:"checkpoints"` // compared
	Signed      int64      `json:"signed"`      // records before the last of them
	At          *time.Time `json:"at,omitempty"`
	Named       bool       `json:"named"`    // the hashes of all records were at hand, so that what is wrong could be named
	Findings    []Finding  `json:"findings"` // at most 1,000
}

// maxFindings is how many are reported.
const maxFindings = 1_000

// Verify compares all records of a log with the checkpoints that it holds and with others that were kept elsewhere. With
// the tree that was made when the records were new, it names what was changed; without, it says between which checkpoints.
func Verify(ctx context.Context, source Source, key Key, tree *Tree, elsewhere []Checkpoint, tell func(n int64)) (Report, error) {
	v := verification{key: key, tree: tree, streams: map[string]uint64{}, elsewhere: elsewhere}
	v.report.Findings = []Finding{}
	slices.SortFunc(v.elsewhere, func(a, b Checkpoint) int { return int(a.Size - b.Size) })
	if tree != nil {
		v.known = make([]tlog.Hash, 0, tree.Size())
		if err := tree.leaves(func(_ int64, leaf tlog.Hash) bool { v.known = append(v.known, leaf); return true }); err != nil {
			return v.report, err
		}
		v.report.Named = true
	}
	if err := source(ctx, func(r eventstore.Recorded) error {
		v.record(r)
		if v.n++; v.n%1000 == 0 {
			tell(v.n)
		}
		return nil
	}); err != nil {
		return v.report, err
	}
	v.end()
	v.report.Records = v.n
	return v.report, nil
}

// verification is one that is under way.
type verification struct {
	key       Key
	tree      *Tree
	elsewhere []Checkpoint
	report    Report

	n       int64
	tail    tail
	streams map[string]uint64 // next revision of each

	known   []tlog.Hash // of all records when they were new
	index   map[tlog.Hash]int64
	next    int64     // the first of them that was not found
	strange []strange // records that are none of the known ones, since the last that is
	ahead   map[int64]bool

	before string // the known record that was found last

	last   Checkpoint  // that the log agrees with
	failed *Checkpoint // the first it does not
}

// strange is where a record stands that is none of the known ones.
type strange struct {
	at       int64
	stream   string
	revision uint64
	name     string
}

func (v *verification) find(f Finding) {
	if len(v.report.Findings) < maxFindings {
		v.report.Findings = append(v.report.Findings, f)
	}
}

func (v *verification) record(r eventstore.Recorded) {
	leaf := Leaf(r)
	if want := v.streams[r.Stream]; r.Revision != want {
		v.find(Finding{Broken, v.n, r.Stream, r.Revision, r.Type, fmt.Sprintf("the stream should go on with revision %d", want)})
	}
	v.streams[r.Stream] = r.Revision + 1
	if v.tree != nil {
		v.compare(leaf, r)
	}
	if r.Stream == logbook.Checkpoints {
		v.checkpoint(r)
	}
	v.tail.add(leaf)
	for len(v.elsewhere) > 0 && v.elsewhere[0].Size == v.n+1 {
		root, _ := v.tail.root(v.n + 1)
		v.check(v.elsewhere[0], root, "kept elsewhere")
		v.elsewhere = v.elsewhere[1:]
	}
}

// checkpoint compares a checkpoint in the log with the records before it.
func (v *verification) checkpoint(r eventstore.Recorded) {
	rec, err := facts.Decode(r)
	var c Checkpoint
	if f, ok := rec.Fact.(logbook.CheckpointSigned); err == nil && ok {
		c, err = v.key.Open(f.Note)
	}
	if err != nil {
		v.find(Finding{Unsigned, v.n, r.Stream, r.Revision, r.Type, err.Error()})
		return
	}
	root, ok := v.tail.root(c.Size)
	if !ok && v.failed != nil {
		return // what follows differs, too
	}
	if !ok {
		v.failed = &c
		v.find(Finding{Differs, v.n, r.Stream, r.Revision, r.Type, fmt.Sprintf("it is about %d records, and stands behind %d", c.Size, v.n)})
		return
	}
	v.check(c, root, fmt.Sprintf("%s@%d", r.Stream, r.Revision))
}

func (v *verification) check(c Checkpoint, root tlog.Hash, which string) {
	v.report.Checkpoints++
	if root != c.Root {
		if v.failed != nil {
			return // what follows differs, too
		}
		v.failed = &c
		since := "the beginning"
		if v.last.Size > 0 {
			since = fmt.Sprintf("record %d", v.last.Size)
		}
		v.find(Finding{Kind: Differs, Record: c.Size, Detail: fmt.Sprintf("the records from %s up to here are not those that were signed at %s (%s)", since, c.At.Format(time.RFC3339), which)})
		return
	}
	if c.Size > v.last.Size {
		v.last, v.report.Signed, v.report.At = c, c.Size, &c.At
	}
}

// compare holds a record against the hashes of when all were new.
func (v *verification) compare(leaf tlog.Hash, r eventstore.Recorded) {
	if v.next < int64(len(v.known)) && v.known[v.next] == leaf {
		v.settle(v.next)
		v.next++
		v.before = name(r)
		return
	}
	if v.next >= int64(len(v.known)) && len(v.strange) == 0 && v.index == nil {
		return // newer than the tree
	}
	if v.index == nil {
		v.index, v.ahead = make(map[tlog.Hash]int64, len(v.known)), map[int64]bool{}
		for i, h := range v.known {
			v.index[h] = int64(i)
		}
	}
	i, ok := v.index[leaf]
	switch {
	case !ok && v.next >= int64(len(v.known)):
		return
	case !ok:
		v.strange = append(v.strange, strange{v.n, r.Stream, r.Revision, r.Type})
	case i < v.next: // it was passed over as missing
		v.ahead[i] = true
		v.find(Finding{Moved, v.n, r.Stream, r.Revision, r.Type, fmt.Sprintf("it was record %d", i)})
	default:
		v.settle(i)
		v.next = i + 1
		v.before = name(r)
	}
}

func name(r eventstore.Recorded) string { return fmt.Sprintf("%s@%d", r.Stream, r.Revision) }

// settle says what became of the known records before i that were not found, and of the strange ones there.
func (v *verification) settle(i int64) {
	for ; v.next < i || len(v.strange) > 0; v.next++ {
		switch {
		case v.next < i && len(v.strange) > 0:
			s := v.strange[0]
			v.strange = v.strange[1:]
			v.find(Finding{Changed, s.at, s.stream, s.revision, s.name, "it is not what it was when it was new"})
		case v.next < i:
			v.find(Finding{Kind: Removed, Record: v.next, Detail: "it is not there any more; it stood behind " + v.before})
		default:
			s := v.strange[0]
			v.strange = v.strange[1:]
			v.find(Finding{Added, s.at, s.stream, s.revision, s.name, "it was not there when what follows was new"})
			v.next-- // no known record stands for it
		}
	}
}

// end looks for what is missing at the end.
func (v *verification) end() {
	if v.tree != nil {
		missing := int64(len(v.known)) - v.next
		v.strange = v.strange[:min(missing, int64(len(v.strange)))] // what follows is newer than the tree
		v.settle(int64(len(v.known)))
		// What was passed over as removed and came later was only moved.
		v.report.Findings = slices.DeleteFunc(v.report.Findings, func(f Finding) bool { return f.Kind == Removed && v.ahead[f.Record] })
	}
	if v.tree != nil && v.failed != nil {
		root, err := v.tree.Root(v.failed.Size)
		v.report.Named = err == nil && root == v.failed.Root // the hashes themselves are what was signed
	}
	for _, c := range v.elsewhere {
		v.find(Finding{Kind: Removed, Record: v.n, Detail: fmt.Sprintf("the log ends here, and had %d records when a checkpoint was signed at %s", c.Size, c.At.Format(time.RFC3339))})
	}
}

// window is how many records may come between a checkpoint's last one and the checkpoint itself, at least.
const window = 50_000

// tail knows the roots of the last trees.
type tail struct {
	base   compact
	leaves []tlog.Hash // behind it
}

func (t *tail) add(leaf tlog.Hash) {
	if len(t.leaves) == 2*window {
		for _, h := range t.leaves[:window] {
			t.base.add(h)
		}
		t.leaves = append(t.leaves[:0], t.leaves[window:]...)
	}
	t.leaves = append(t.leaves, leaf)
}

// root is that of the first records, if it is not too long ago.
func (t *tail) root(size int64) (tlog.Hash, bool) {
	n := size - t.base.size
	if n < 0 || n > int64(len(t.leaves)) {
		return tlog.Hash{}, false
	}
	c := compact{t.base.size, slices.Clone(t.base.edges)}
	for _, h := range t.leaves[:n] {
		c.add(h)
	}
	return c.root(), true
}

// compact is the right edge of a tree: enough to go on, and to know the root.
type compact struct {
	size  int64
	edges []tlog.Hash // roots of the complete subtrees, the largest first
}

func (c *compact) add(leaf tlog.Hash) {
	c.edges = append(c.edges, leaf)
	for n := c.size; n&1 == 1; n >>= 1 {
		last := len(c.edges) - 1
		c.edges = append(c.edges[:last-1], tlog.NodeHash(c.edges[last-1], c.edges[last]))
	}
	c.size++
}

func (c *compact) root() tlog.Hash {
	if len(c.edges) == 0 {
		root, _ := tlog.TreeHash(0, nil) // needs no hashes
		return root
	}
	root := c.edges[len(c.edges)-1]
	for i := len(c.edges) - 2; i >= 0; i-- {
		root = tlog.NodeHash(c.edges[i], root)
	}
	return root
}
