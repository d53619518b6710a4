package blockstore_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"origami/internal/blockstore"
	"origami/internal/durable/durabletest"
)

// TestShares compares the shares of random families of disks with what a model
// finds out disk by disk, and what deleting any of the disks would free.
func TestShares(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{cfg: small(), domains: domains[:1], w: openWorld(t, durabletest.New(), small())}
		defer func() { m.w.close(t) }()
		for range rapid.IntRange(1, 8).Draw(t, "disks") {
			m.write(t)
		}
		var roots []blockstore.Root
		for _, d := range m.disks {
			roots = append(roots, d.root)
		}
		if len(roots) > 0 && rapid.Bool().Draw(t, "twins") {
			roots = append(roots, roots[0])
		}
		shares, hidden, err := m.w.Shares(context.Background(), roots)
		if err != nil || len(hidden) > 0 {
			t.Fatalf("hidden %v, %v", hidden, err)
		}
		var holds []map[blockstore.ID]record
		for _, r := range roots {
			holds = append(holds, recordsOf(t, m.w, r))
		}
		deleted := make([]bool, len(roots))
		for i := range deleted {
			deleted[i] = rapid.Bool().Draw(t, "deleted")
		}
		var got freed
		for i, s := range shares {
			if i > 0 && slices.Compare(shares[i-1].Disks, s.Disks) >= 0 || len(s.Disks) == 0 || !slices.IsSorted(s.Disks) {
				t.Fatalf("shares out of order: %+v", shares)
			}
			if !slices.ContainsFunc(s.Disks, func(d int) bool { return !deleted[d] }) {
				got.blocks += s.Blocks
				got.data += s.DataBytes
				got.stored += s.StoredBytes
			}
		}
		if want := freedBy(holds, deleted); got != want {
			t.Errorf("deleting %v of %d disks frees %+v, want %+v", deleted, len(roots), got, want)
		}
	})
}

type freed struct{ blocks, data, stored int64 }

// freedBy counts what only deleted disks hold.
func freedBy(holds []map[blockstore.ID]record, deleted []bool) freed {
	kept := make(map[blockstore.ID]bool)
	for i, ids := range holds {
		for id := range ids {
			kept[id] = kept[id] || !deleted[i]
		}
	}
	all := make(map[blockstore.ID]record)
	for _, ids := range holds {
		for id, r := range ids {
			all[id] = r
		}
	}
	var f freed
	for id, r := range all {
		if kept[id] {
			continue
		}
		f.stored += r.length
		if r.block {
			f.blocks++
			f.data += block
		}
	}
	return f
}

// record is a record of a disk.
type record struct {
	block  bool
	length int64
}

// recordsOf finds the records of a disk: its blocks by comparing it with
// nothing, its nodes by making them anew as docs/design/manifest.md says, and
// their lengths in the index.
func recordsOf(t *rapid.T, w *world, root blockstore.Root) map[blockstore.ID]record {
	level := make(map[int64]blockstore.ID) // by number
	all := make(map[blockstore.ID]record)
	for c, err := range w.Diff(context.Background(), blockstore.Root{}, root) {
		if err != nil {
			t.Fatal(err)
		}
		level[c.Block] = c.B
		all[c.B] = record{block: true}
	}
	top := 0
	for n := (root.Size + block - 1) / block; n > 256; n = (n + 255) / 256 {
		top++
	}
	for l := 0; l <= top && len(level) > 0; l++ {
		nodes := make(map[int64][]byte)
		for n, id := range level {
			b := nodes[n/256]
			if b == nil {
				b = append([]byte("ONod\x01\x00"), byte(l))
				b = append(b, make([]byte, 9+256*32)...)
				nodes[n/256] = b
			}
			copy(b[16+n%256*32:], id[:])
		}
		level = make(map[int64]blockstore.ID)
		for n, b := range nodes {
			id := blockstore.ID(sha256.Sum256(b))
			level[n] = id
			all[id] = record{}
		}
	}
	if level[0] != root.ID {
		t.Fatalf("the tree made anew has the top %v, want %v", level[0], root.ID)
	}
	for id, r := range all {
		locs, err := w.index.Lookup(context.Background(), "", []blockstore.ID{id})
		if err != nil || locs[0].IsZero() {
			t.Fatalf("record %v has no location: %v", id, err)
		}
		r.length = int64(locs[0].Length)
		all[id] = r
	}
	return all
}

func TestSharesRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if s, _, err := w.Shares(t.Context(), nil); err != nil || len(s) > 0 {
		t.Errorf("Shares of nothing = %+v, %v", s, err)
	}
	if s, _, err := w.Shares(t.Context(), []blockstore.Root{{Size: leaf}, {}}); err != nil || len(s) > 0 {
		t.Errorf("Shares of disks of zeros = %+v, %v", s, err)
	}
	missing := blockstore.Root{ID: blockstore.ID{1}, Size: leaf}
	if s, _, err := w.Shares(t.Context(), []blockstore.Root{missing}); err == nil {
		t.Errorf("Shares of a disk that is not there = %+v", s)
	}
}

// TestSharesWithoutKeys leaves out the disks whose key is away, and is exact about
// the rest.
func TestSharesWithoutKeys(t *testing.T) {
	t.Parallel()
	w, ring := keyedWorld(t, small())
	var roots []blockstore.Root
	for _, d := range []blockstore.Domain{keyA, "", keyB, keyA, "arn:aws:kms:none", keyB} {
		if d == "arn:aws:kms:none" {
			roots = append(roots, blockstore.Root{ID: blockstore.ID{1}, Size: leaf, Domain: d})
			continue
		}
		roots = append(roots, mustCreate(t, w.Store, leaf, blockstore.Root{Domain: d}, write{0, pattern(uint64(len(roots))*8+23, block)}, write{block, pattern(15, block)}))
	}
	key, _ := ring.DomainKey(t.Context(), keyA)
	ring.set(keyA, nil)
	count := func() (map[string]int64, []int) {
		shares, hidden, err := w.Shares(t.Context(), roots)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int64)
		for _, s := range shares {
			got[fmt.Sprint(s.Disks)] = s.Blocks
		}
		return got, hidden
	}
	got, hidden := count()
	if d := cmp.Diff(map[string]int64{"[1]": 2, "[2]": 1, "[2 5]": 1, "[5]": 1}, got); d != "" || fmt.Sprint(hidden) != "[0 3 4]" {
		t.Errorf("hidden %v, shares (-want +got):\n%s", hidden, d)
	}
	ring.set(keyA, &key)
	got, hidden = count()
	if d := cmp.Diff(map[string]int64{"[0]": 1, "[0 3]": 1, "[3]": 1, "[1]": 2, "[2]": 1, "[2 5]": 1, "[5]": 1}, got); d != "" || fmt.Sprint(hidden) != "[4]" {
		t.Errorf("with the key: hidden %v, shares (-want +got):\n%s", hidden, d)
	}
}

// Disks of different domains have nothing in common.
func TestSharesOfDomains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var roots []blockstore.Root
	for _, d := range domains {
		roots = append(roots,
			mustCreate(t, w.Store, leaf, blockstore.Root{Domain: d}, write{0, pattern(7, 2*block)}),
			mustCreate(t, w.Store, leaf, blockstore.Root{Domain: d}, write{0, pattern(7, 2*block)}, write{2 * block, pattern(15, block)}))
	}
	shares, _, err := w.Shares(t.Context(), roots)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	for _, s := range shares {
		got[fmt.Sprint(s.Disks)] = s.Blocks
	}
	// Besides the blocks, each disk has a leaf of its own.
	want := map[string]int64{"[0]": 0, "[0 1]": 2, "[1]": 1, "[2]": 0, "[2 3]": 2, "[3]": 1, "[4]": 0, "[4 5]": 2, "[5]": 1}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("shares (-want +got):\n%s", d)
	}
}
