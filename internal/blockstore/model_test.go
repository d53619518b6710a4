package blockstore_test

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"origami/internal/blockstore"
	"origami/internal/durable/durabletest"
)

// sizes have trees of one to four levels, and ends inside a block.
var sizes = []int64{1, 512, block, 3*block + 100, leaf, leaf + 5*block, 300 * leaf, 64 << 40}

// committed is a committed disk and what it must hold.
type committed struct {
	root  blockstore.Root
	model *model
}

// TestModel does random operations on a store and on a model of it, and
// compares. The operations include crashes, at the end of an operation or in
// the middle of a commit: whatever was committed must still be there.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := small()
		cfg.SubFrames = rapid.Bool().Draw(t, "frames")
		cfg.Codec = rapid.SampledFrom([]blockstore.Codec{blockstore.CodecZstd, blockstore.CodecS2, blockstore.CodecRaw}).Draw(t, "codec")
		m := &machine{cfg: cfg, domains: domains, w: openWorld(t, durabletest.New(), cfg)}
		defer func() { m.w.close(t) }()
		for range rapid.IntRange(1, 15).Draw(t, "ops") {
			m.step(t)
		}
		for _, d := range m.disks {
			d.model.check(t, m.w.Store, d.root)
		}
	})
}

type machine struct {
	cfg     blockstore.Config
	domains []blockstore.Domain // of new disks
	w       *world
	disks   []committed
}

func (m *machine) step(t *rapid.T) {
	switch rapid.SampledFrom([]string{"write", "write", "write", "crash", "reopen", "diff", "rebuild", "copy"}).Draw(t, "op") {
	case "write":
		m.write(t)
	case "crash":
		m.crash(t)
	case "reopen":
		m.w.close(t)
		m.w = openWorld(t, m.w.fs, m.cfg)
	case "diff":
		m.diff(t)
	case "copy":
		m.copy(t)
	case "rebuild":
		if err := m.w.RebuildIndex(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// crash replaces the world by what a crash leaves.
func (m *machine) crash(t *rapid.T) {
	after := m.w.fs.Crash(rapid.Uint64().Draw(t, "seed"))
	m.w.close(t)
	m.w = openWorld(t, after, m.cfg)
	for _, d := range m.disks {
		d.model.check(t, m.w.Store, d.root)
	}
}

// write makes a new disk, perhaps over an older one, perhaps cut off.
func (m *machine) write(t *rapid.T) {
	size := rapid.SampledFrom(sizes).Draw(t, "size")
	var base committed
	if len(m.disks) > 0 && rapid.Bool().Draw(t, "over a base") {
		base = rapid.SampledFrom(m.disks).Draw(t, "base")
		size = max(size, base.root.Size)
	}
	mod := newModel(size)
	if base.model != nil {
		mod = base.model.clone(size)
	} else {
		base.root.Domain = rapid.SampledFrom(m.domains).Draw(t, "domain")
	}
	w, err := m.w.NewWriter(size, base.root)
	if err != nil {
		t.Fatal(err)
	}
	cutOff := rapid.IntRange(0, 3).Draw(t, "cut off") == 0
	if cutOff {
		m.w.fs.StopAfter(rapid.IntRange(0, 40).Draw(t, "after"))
	}
	for range rapid.IntRange(0, 6).Draw(t, "writes") {
		if err := change(t, w, mod); err != nil && !cutOff {
			t.Fatal(err)
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "abort") == 0 {
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
		m.w.fs.ClearFaults()
		return
	}
	err = w.Commit(context.Background())
	if err == nil {
		m.disks = append(m.disks, committed{w.Root(), mod})
		mod.check(t, m.w.Store, w.Root())
	} else if !cutOff {
		t.Fatal(err)
	}
	if cutOff {
		m.crash(t)
	}
}

// change writes or zeroes once, in the disk and in the model.
func change(t *rapid.T, w *blockstore.Writer, mod *model) error {
	around := rapid.SampledFrom([]int64{0, block, 2 * block, leaf - block, leaf, 256 * leaf, mod.size - 2*block, mod.size - 700}).Draw(t, "around")
	off := min(max(0, around), mod.size)
	if rapid.Bool().Draw(t, "unaligned") {
		off = min(off+rapid.Int64Range(0, block).Draw(t, "by"), mod.size)
	}
	length := rapid.SampledFrom([]int64{1, 512, 4096, block / 2, block, block + 1, 3 * block}).Draw(t, "length")
	if rapid.IntRange(0, 3).Draw(t, "zero") == 0 {
		length = min(length*rapid.SampledFrom([]int64{1, 300, 1 << 20}).Draw(t, "times"), mod.size-off)
		mod.zero(off, length)
		return w.Zero(off, length)
	}
	data := pattern(rapid.Uint64Range(0, 9).Draw(t, "data"), int(min(length, mod.size-off)))
	mod.write(data, off)
	_, err := w.WriteAt(data, off)
	return err
}

// copy copies a disk into a domain, perhaps the one that it is in.
func (m *machine) copy(t *rapid.T) {
	if len(m.disks) == 0 {
		return
	}
	d := rapid.SampledFrom(m.disks).Draw(t, "disk")
	to := rapid.SampledFrom(domains).Draw(t, "domain")
	root, err := m.w.Copy(context.Background(), d.root, to, blockstore.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if root.Domain != to || to == d.root.Domain && root != d.root {
		t.Fatalf("copy of %v into %q is %v", d.root, to, root)
	}
	m.disks = append(m.disks, committed{root, d.model})
	d.model.check(t, m.w.Store, root)
}

// diff compares two disks with each other and with their models.
func (m *machine) diff(t *rapid.T) {
	if len(m.disks) == 0 {
		return
	}
	a := rapid.SampledFrom(m.disks).Draw(t, "a")
	b := rapid.SampledFrom(m.disks).Draw(t, "b")
	if a.root.Domain != b.root.Domain {
		for _, err := range m.w.Diff(context.Background(), a.root, b.root) {
			if err == nil {
				t.Fatal("Diff compares disks of different domains")
			}
		}
		return
	}
	want := make(map[int64]bool)
	for n := range union(a.model.blocks, b.model.blocks) {
		want[n] = string(padded(a.model.blocks[n])) != string(padded(b.model.blocks[n]))
	}
	last := int64(-1)
	for c, err := range m.w.Diff(context.Background(), a.root, b.root) {
		if err != nil {
			t.Fatal(err)
		}
		if !want[c.Block] || c.Block <= last {
			t.Fatalf("Diff yields block %d after %d", c.Block, last)
		}
		last = c.Block
		delete(want, c.Block)
	}
	for n, differs := range want {
		if differs {
			t.Fatalf("Diff does not yield block %d", n)
		}
	}
}

func union(a, b map[int64][]byte) map[int64]bool {
	all := make(map[int64]bool)
	for n := range a {
		all[n] = true
	}
	for n := range b {
		all[n] = true
	}
	return all
}

func padded(b []byte) []byte {
	if b == nil {
		return make([]byte, block)
	}
	return b
}
