package blockstore_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami/internal/blockstore"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
)

// packFiles are the files of the packs of a store.
func packFiles(t *testing.T, fsys durable.FS) []string {
	t.Helper()
	names, err := fsys.List(".")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, "pack+") })
}

// flip inverts bits of one byte of a file.
func flip(t *testing.T, fsys durable.FS, name string, off int64, bits byte) {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	b[0] ^= bits
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func fileSize(t *testing.T, fsys durable.FS, name string) int64 {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// A flipped bit in any byte of any pack is harmless or found: a read gives the
// right bytes or ErrCorrupt, and so it is again after the index was rebuilt,
// which itself reports damage or gives the index that was.
func TestEveryFlip(t *testing.T) {
	t.Parallel()
	for _, frames := range []bool{false, true} {
		cfg := small()
		cfg.SubFrames = frames
		w := openWorld(t, durabletest.New(), cfg)
		data := append(bytes.Repeat([]byte("one "), block/4), bytes.Repeat([]byte("two "), block/4)...)
		root := mustCreate(t, w.Store, 2*block, blockstore.Root{}, write{0, data})
		rows := w.index.mem.Rows()
		w.close(t)

		silent := 0
		for _, name := range packFiles(t, w.fs) {
			for off := range fileSize(t, w.fs, name) {
				flip(t, w.fs, name, off, 1<<(off%8))
				if !checkFlipped(t, w.fs, cfg, root, data, rows) {
					silent++
				}
				flip(t, w.fs, name, off, 1<<(off%8))
				if t.Failed() {
					t.Fatalf("frames %v: flip at %d of %s", frames, off, name)
				}
			}
		}
		if silent > 0 {
			t.Errorf("frames %v: %d flips were found neither by reading nor by rebuilding", frames, silent)
		}
	}
}

// checkFlipped reads all, rebuilds the index, and reads again. It says whether
// the flip was noticed.
func checkFlipped(t *testing.T, fsys *durabletest.CrashFS, cfg blockstore.Config, root blockstore.Root, data []byte, rows any) bool {
	t.Helper()
	w := openWorld(t, fsys.Crash(1), cfg) // a copy: rebuilding changes it
	defer w.close(t)
	noticed := !readFlipped(t, w, root, data)
	err := w.RebuildIndex(context.Background())
	if err != nil && !errors.Is(err, blockstore.ErrCorrupt) && !errors.Is(err, blockstore.ErrUnsupported) {
		t.Errorf("RebuildIndex: %v", err)
	}
	if err == nil && !cmp.Equal(w.index.mem.Rows(), rows) {
		t.Error("RebuildIndex gives another index, and no error")
	}
	return !readFlipped(t, w, root, data) || noticed || err != nil
}

// readFlipped reads the disk in whole blocks and in small parts, and says
// whether all went well.
func readFlipped(t *testing.T, w *world, root blockstore.Root, data []byte) (ok bool) {
	t.Helper()
	img, err := w.Image(context.Background(), root)
	if err != nil {
		if !errors.Is(err, blockstore.ErrCorrupt) && !errors.Is(err, blockstore.ErrUnsupported) {
			t.Errorf("Image: %v", err)
		}
		return false
	}
	ok = true
	for _, size := range []int{block, 1000} {
		for off := 0; off < len(data); off += block / 4 {
			if size == block && off%block != 0 {
				continue
			}
			got := make([]byte, size)
			n, err := img.ReadAt(got, int64(off))
			switch {
			case err != nil && !errors.Is(err, blockstore.ErrCorrupt) && !errors.Is(err, blockstore.ErrUnsupported):
				t.Errorf("ReadAt: %v", err)
			case err == nil && !bytes.Equal(got, data[off:off+size]):
				t.Errorf("ReadAt of %d bytes at %d gives bad bytes", size, off)
			case err != nil && n == 0 && !bytes.Equal(got, make([]byte, size)):
				t.Errorf("ReadAt leaves bad bytes behind")
			}
			ok = ok && err == nil
		}
	}
	return ok
}

func TestVerify(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root := mustCreate(t, w.Store, 2*leaf, blockstore.Root{},
		write{0, pattern(7, 3*block)}, write{leaf + block, pattern(15, block)})
	if damage, err := w.Verify(t.Context(), root); err != nil || len(damage) > 0 {
		t.Fatalf("Verify of a sound disk = %v, %v", damage, err)
	}
	var bad []int64
	for _, a := range w.index.adds {
		if a.Pack.Class != blockstore.ClassData {
			continue
		}
		// Three blocks share the first disk's packs; damage two records.
		for i, e := range a.Entries {
			if len(bad) < 2 && i == 0 {
				flip(t, w.fs, "pack+"+a.Pack.ID.String(), e.Offset+500, 4)
				bad = append(bad, e.Offset)
			}
		}
	}
	damage, err := w.Verify(t.Context(), root)
	if err != nil || len(damage) != len(bad) {
		t.Fatalf("Verify = %v, %v, want %d pieces of damage", damage, err, len(bad))
	}
	for i, d := range damage {
		var ce *blockstore.CorruptError
		if !errors.As(d.Err, &ce) || ce.Pack == (blockstore.PackID{}) {
			t.Errorf("damage %v does not name a pack", d.Err)
		}
		if i > 0 && damage[i-1].Block >= d.Block {
			t.Errorf("damage is not sorted: %v", damage)
		}
	}

	for _, name := range packFiles(t, w.fs) {
		if err := w.fs.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	again := openWorld(t, w.fs, small())
	defer again.close(t)
	damage, err = again.Verify(t.Context(), root)
	if err != nil || len(damage) != 1 || !errors.Is(damage[0].Err, blockstore.ErrCorrupt) {
		t.Errorf("Verify without packs = %v, %v", damage, err)
	}
}

func TestRebuildIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mod := newModel(leaf + 4*block)
	root, err := import5(w.Store, mod)
	if err != nil {
		t.Fatal(err)
	}
	want, stats := w.index.mem.Rows(), w.Stats()
	wantPacks := packsOf(w)
	if len(want) < 8 || len(wantPacks) < 3 {
		t.Fatalf("index of %d rows and %d packs tests nothing", len(want), len(wantPacks))
	}
	if err := w.index.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.RebuildIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, w.index.mem.Rows()); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if d := cmp.Diff(wantPacks, packsOf(w)); d != "" {
		t.Errorf("packs (-want +got):\n%s", d)
	}
	if got := w.Stats(); got.Packs != stats.Packs || got.StoredBytes != stats.StoredBytes || got.Garbage != 0 {
		t.Errorf("Stats = %+v, want as before: %+v", got, stats)
	}
	mod.check(t, w.Store, root)
}

// Without their footers, packs still give their records.
func TestRebuildWithoutFooters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mod := newModel(leaf + 4*block)
	root, err := import5(w.Store, mod)
	if err != nil {
		t.Fatal(err)
	}
	want := w.index.mem.Rows()
	for _, name := range packFiles(t, w.fs) {
		flip(t, w.fs, name, fileSize(t, w.fs, name)-20, 1)
	}
	if err := w.RebuildIndex(t.Context()); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("RebuildIndex: %v, want %v", err, blockstore.ErrCorrupt)
	}
	if d := cmp.Diff(want, w.index.mem.Rows()); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	mod.check(t, w.Store, root)
}

func packsOf(w *world) []blockstore.Pack {
	var all []blockstore.Pack
	for p := range w.index.Packs(context.Background()) {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b blockstore.Pack) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return all
}

// A pack that became durable, but not known, is garbage: counted, and used by a
// rebuild.
func TestGarbage(t *testing.T) {
	t.Parallel()
	w := openWorld(t, durabletest.New(), small())
	root := mustCreate(t, w.Store, block, blockstore.Root{}, write{0, pattern(1, block)})
	w.close(t)
	if err := w.fs.Remove(indexFile); err != nil {
		t.Fatal(err)
	}
	w = openWorld(t, w.fs, small())
	defer w.close(t)
	if got := w.Stats(); got.Garbage != 2 || got.Packs != 0 {
		t.Errorf("Stats = %+v, want 2 packs of garbage", got)
	}
	if _, err := w.Image(t.Context(), root); !errors.Is(err, blockstore.ErrCorrupt) {
		t.Errorf("Image of a disk that the index does not know: %v, want %v", err, blockstore.ErrCorrupt)
	}
	if err := w.RebuildIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.Stats(); got.Garbage != 0 || got.Packs != 2 {
		t.Errorf("Stats after RebuildIndex = %+v, want 2 packs", got)
	}
}
