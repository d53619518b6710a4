package blockstore_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami/internal/blockstore"
)

func diff(t *testing.T, w *world, a, b blockstore.Root) []int64 {
	t.Helper()
	blocks := []int64{}
	for c, err := range w.Diff(t.Context(), a, b) {
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, c.Block)
	}
	return blocks
}

// The nodes that Diff reads are those above what has changed: 4 levels on
// either side for one block of 16 TiB, none for equal disks.
func TestDiffReadsOnlyChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const size = 16 << 40
	var writes []write
	for n := range int64(200) {
		writes = append(writes, write{n * (size / 200 / block) * block, pattern(uint64(n)*8, block)})
	}
	base := mustCreate(t, w.Store, size, blockstore.Root{}, writes...)

	for _, k := range []int64{0, 1, 3, 10} {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			var changes []write
			want := []int64{}
			for n := range k {
				off := (n*7919 + 13) * leaf
				changes = append(changes, write{off, pattern(1001, block)})
				want = append(want, off/block)
			}
			next := mustCreate(t, w.Store, size, base, changes...)
			before := w.Stats().NodeReads
			got := diff(t, w, base, next)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if nodes, most := w.Stats().NodeReads-before, 2*4*k; nodes > most {
				t.Errorf("%d nodes read for %d changes, want at most %d", nodes, k, most)
			}
		})
	}
}

func TestDiffSizes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	x, y := pattern(1, block), pattern(2, block)
	one := mustCreate(t, w.Store, 3*block, blockstore.Root{}, write{0, x}, write{2 * block, y})
	grown := mustCreate(t, w.Store, 300*leaf, one)
	more := mustCreate(t, w.Store, 300*leaf, one, write{0, y}, write{299 * leaf, x})
	zero := blockstore.Root{Size: 1 << 40}
	for _, tc := range []struct {
		name string
		a, b blockstore.Root
		want []int64
	}{
		{"grown", one, grown, []int64{}},
		{"grown and changed", one, more, []int64{0, 299 * 256}},
		{"the other way", more, one, []int64{0, 299 * 256}},
		{"with zeros", zero, one, []int64{0, 2}},
		{"with nothing", more, blockstore.Root{}, []int64{0, 2, 299 * 256}},
		{"zeros of two sizes", zero, blockstore.Root{}, []int64{}},
	} {
		if d := cmp.Diff(tc.want, diff(t, w, tc.a, tc.b)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, d)
		}
	}
	for c, err := range w.Diff(t.Context(), more, one) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Block == 299*256 && (c.A.IsZero() || !c.B.IsZero()) {
			t.Errorf("beyond the end: %+v", c)
		}
	}
}

// One changed block costs a leaf and its spine, whatever the size of the disk.
func TestIncrementalCost(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{8 << 30, 8 << 40} {
		w := newWorld(t)
		base := mustCreate(t, w.Store, size, blockstore.Root{}, write{0, pattern(7, 20*block)})
		before := w.Stats()
		mustCreate(t, w.Store, size, base, write{size / 2, []byte("x")})
		after := w.Stats()
		if got := after.StoredBytes - before.StoredBytes; got > 24<<10 {
			t.Errorf("size %d: %d bytes stored for one changed byte", size, got)
		}
		if got := after.NodeReads - before.NodeReads; got > 20 {
			t.Errorf("size %d: %d nodes read for one changed byte", size, got)
		}
	}
}
