package proof_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/calendar-invite-server/cis/domain/logbook"
	"github.com/calendar-invite-server/cis/history/proof"
	"github.com/calendar-invite-server/cis/internal/eventstore"
	"github.com/google/uuid"
)

const logID = "0f1e2d3c"

func newKey(t *testing.T, seed string) proof.Key {
	t.Helper()
	sum := sha256.Sum256([]byte(seed))
	k, err := proof.NewKey(logID, ed25519.NewKeyFromSeed(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// world is a log of records with a checkpoint after every tenth, and the tree made of them.
type world struct {
	t       *testing.T
	key     proof.Key
	dir     string
	records []eventstore.Recorded
	signed  []proof.Checkpoint
}

func newWorld(t *testing.T, n int) *world {
	w := &world{t: t, key: newKey(t, "a"), dir: t.TempDir()}
	tree, err := proof.OpenTree(w.dir, logID, true)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	add := func(r eventstore.Recorded) {
		r.ID, r.Created = uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, len(w.records))), time.Unix(int64(1_800_000_000+len(w.records)), 123456700)
		w.records = append(w.records, r)
		if err := tree.Add(proof.Leaf(r), uint64(len(w.records))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		add(eventstore.Recorded{Stream: fmt.Sprintf("event-%d", i%3), Revision: uint64(i / 3), Type: "EventCreated", Data: fmt.Appendf(nil, `{"n":%d}`, i), Metadata: []byte(`{}`)})
		if i%10 != 9 {
			continue
		}
		root, err := tree.Root(tree.Size())
		if err != nil {
			t.Fatal(err)
		}
		c, err := w.key.Sign(tree.Size(), root, time.Unix(1_800_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		w.signed = append(w.signed, c)
		data, _ := json.Marshal(logbook.CheckpointSigned{Size: c.Size, Root: c.Root.String(), Note: c.Note})
		add(eventstore.Recorded{Stream: logbook.Checkpoints, Revision: uint64(i / 10), Type: "CheckpointSigned", Data: data, Metadata: []byte(`{}`)})
	}
	if err := tree.Commit(); err != nil {
		t.Fatal(err)
	}
	return w
}

func of(records []eventstore.Recorded) proof.Source {
	return func(_ context.Context, each func(eventstore.Recorded) error) error {
		for _, r := range records {
			if err := each(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func (w *world) verify(records []eventstore.Recorded, withTree bool, elsewhere ...proof.Checkpoint) proof.Report {
	w.t.Helper()
	var tree *proof.Tree
	if withTree {
		var err error
		if tree, err = proof.OpenTree(w.dir, logID, false); err != nil {
			w.t.Fatal(err)
		}
		defer tree.Close()
	}
	r, err := proof.Verify(context.Background(), of(records), w.key, tree, elsewhere, func(int64) {})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func kinds(r proof.Report) (out []string) {
	for _, f := range r.Findings {
		out = append(out, fmt.Sprintf("%s %d", f.Kind, f.Record))
	}
	return out
}

// TestVerify: a log that was changed in every way is found out, with names where the hashes are at hand.
func TestVerify(t *testing.T) {
	w := newWorld(t, 35) // 38 records: checkpoints are 10, 21, 32
	change := func(f func(r []eventstore.Recorded) []eventstore.Recorded) []eventstore.Recorded {
		return f(slices.Clone(w.records))
	}
	edited := func(r []eventstore.Recorded) []eventstore.Recorded {
		r[13].Data = []byte(`{"n":99}`)
		return r
	}
	for name, c := range map[string]struct {
		records   []eventstore.Recorded
		named     []string // with the tree
		signed    []string // without
		elsewhere []proof.Checkpoint
	}{
		"as it was":         {records: w.records},
		"and newer records": {records: append(slices.Clone(w.records), eventstore.Recorded{Stream: "event-new", Type: "EventCreated"})},
		"changed":           {records: change(edited), named: []string{"changed 13", "differs 21"}, signed: []string{"differs 21"}},
		"changed time": {records: change(func(r []eventstore.Recorded) []eventstore.Recorded {
			r[3].Created = r[3].Created.Add(time.Hour)
			return r
		}), named: []string{"changed 3", "differs 10"}, signed: []string{"differs 10"}},
		"changed metadata": {records: change(func(r []eventstore.Recorded) []eventstore.Recorded { r[3].Metadata = nil; return r }), named: []string{"changed 3", "differs 10"}, signed: []string{"differs 10"}},
		"removed":          {records: change(func(r []eventstore.Recorded) []eventstore.Recorded { return slices.Delete(r, 13, 14) }), named: []string{"broken 15", "differs 20", "removed 13"}, signed: []string{"broken 15", "differs 20"}},
		"added": {records: change(func(r []eventstore.Recorded) []eventstore.Recorded {
			return slices.Insert(r, 13, eventstore.Recorded{Stream: "event-x", Type: "EventCreated"})
		}), named: []string{"added 13", "differs 21"}, signed: []string{"differs 21"}},
		"reordered":          {records: change(func(r []eventstore.Recorded) []eventstore.Recorded { r[13], r[14] = r[14], r[13]; return r }), named: []string{"differs 21", "moved 14"}, signed: []string{"differs 21"}},
		"cut":                {records: w.records[:36], named: []string{"removed 36", "removed 37"}},
		"cut before signed":  {records: w.records[:30], named: []string{"removed 30", "removed 31", "removed 32", "removed 33", "removed 34", "removed 35", "removed 36", "removed 37", "removed 30"}, signed: []string{"removed 30"}, elsewhere: w.signed[2:]},
		"begun anew":         {records: change(func(r []eventstore.Recorded) []eventstore.Recorded { return edited(r)[:20] }), named: nil, signed: []string{"differs 10"}, elsewhere: nil},
		"checkpoint removed": {records: change(func(r []eventstore.Recorded) []eventstore.Recorded { return slices.Delete(r, 10, 11) }), named: []string{"broken 20", "differs 20", "removed 10"}, signed: nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.verify(c.records, true, slices.Clone(c.elsewhere)...)
			sorted := slices.Sorted(slices.Values(kinds(got)))
			if name == "begun anew" || name == "checkpoint removed" { // what matters is that it is found
				if len(got.Findings) == 0 {
					t.Error("nothing found")
				}
				return
			}
			if want := slices.Sorted(slices.Values(c.named)); !slices.Equal(sorted, want) || !got.Named {
				t.Errorf("with the tree: %v, want %v (%v)", sorted, want, got.Findings)
			}
			got = w.verify(c.records, false, slices.Clone(c.elsewhere)...)
			if want := slices.Sorted(slices.Values(c.signed)); !slices.Equal(slices.Sorted(slices.Values(kinds(got))), want) {
				t.Errorf("without: %v, want %v (%v)", kinds(got), want, got.Findings)
			}
		})
	}
	clean := w.verify(w.records, true, w.signed[1])
	if clean.Checkpoints != 4 || clean.Signed != 32 || clean.Records != 38 {
		t.Errorf("%+v", clean)
	}

	// Who changes the kept hashes, too, cannot sign.
	if err := os.Truncate(filepath.Join(w.dir, "hashes"), 0); err != nil {
		t.Fatal(err)
	}
	records := change(edited)
	tree, err := proof.OpenTree(w.dir, logID, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if err := tree.Add(proof.Leaf(r), uint64(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Commit(); err != nil {
		t.Fatal(err)
	}
	tree.Close()
	if got := w.verify(records, true); !slices.Equal(kinds(got), []string{"differs 21"}) || got.Named {
		t.Errorf("with forged hashes: %v, named: %v", kinds(got), got.Named)
	}
	// Nor can they with another key.
	forged := slices.Clone(w.records)
	c, err := newKey(t, "b").Sign(10, w.signed[0].Root, time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	forged[10].Data, _ = json.Marshal(logbook.CheckpointSigned{Size: 10, Root: c.Root.String(), Note: c.Note})
	if got := w.verify(forged, false); len(got.Findings) != 2 || got.Findings[0].Kind != proof.Unsigned || got.Findings[1].Kind != proof.Differs {
		t.Errorf("signed with another key: %v", got.Findings)
	}
}

// TestExport: an export is verified as the log is, by whoever has the public key.
func TestExport(t *testing.T) {
	w := newWorld(t, 35)
	var out bytes.Buffer
	n, err := proof.Export(context.Background(), &out, w.key, of(w.records), func(int64) {})
	if err != nil || n != 38 {
		t.Fatal(n, err)
	}
	verify := func(text string) proof.Report {
		source, key, err := proof.FromExport(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if key.String() != w.key.String() {
			t.Errorf("%s, want %s", key, w.key)
		}
		r, err := proof.Verify(context.Background(), source, key, nil, nil, func(int64) {})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := verify(out.String()); len(r.Findings) != 0 || r.Signed != 32 {
		t.Errorf("%+v", r)
	}
	lines := strings.SplitAfter(out.String(), "\n")
	if r := verify(strings.Join(slices.Delete(lines, 6, 7), "")); len(r.Findings) == 0 {
		t.Error("a line is missing, and nothing was found")
	}
	for _, bad := range []string{"", "{}", `{"format":"cis-records/1","key":"x"}`} {
		if _, _, err := proof.FromExport(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was taken for an export", bad)
		}
	}
}

// TestTree: what was not committed is forgotten, one process keeps it, and another log's is not taken for this one's.
func TestTree(t *testing.T) {
	w := newWorld(t, 35)
	open := func(write bool) *proof.Tree {
		t.Helper()
		tree, err := proof.OpenTree(w.dir, logID, write)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	tree := open(true)
	if _, err := proof.OpenTree(w.dir, logID, true); !errors.Is(err, proof.ErrTaken) {
		t.Errorf("a second one: %v", err)
	}
	root, err := tree.Root(38)
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Add(proof.Leaf(w.records[0]), 39); err != nil {
		t.Fatal(err)
	}
	tree.Close()
	tree = open(false)
	defer tree.Close()
	if again, err := tree.Root(38); err != nil || again != root || tree.Size() != 38 || tree.Position() != 38 {
		t.Errorf("%v %v, %d records at %d", again, err, tree.Size(), tree.Position())
	}
	if _, err := tree.Root(39); err == nil {
		t.Error("it has a root of more records than it has")
	}
	other, err := proof.OpenTree(w.dir, "another", false)
	if err != nil || other.Size() != 0 {
		t.Errorf("another log's: %v, %v", other, err)
	}
}
