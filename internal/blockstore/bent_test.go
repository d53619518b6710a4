package blockstore_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"origami/internal/blockstore"
	"origami/internal/durable/durabletest"
)

// bent is an index of which one row is wrong.
type bent struct {
	blockstore.Index
	bend func(blockstore.ID, blockstore.Location) blockstore.Location
}

func (b bent) Lookup(ctx context.Context, domain blockstore.Domain, ids []blockstore.ID) ([]blockstore.Location, error) {
	found, err := b.Index.Lookup(ctx, domain, ids)
	for i := range found {
		found[i] = b.bend(ids[i], found[i])
	}
	return found, err
}

// deep writes a disk whose manifest has two levels, which Image, Extents and
// ReadAt all go through.
func deep(t *testing.T, w *world) (blockstore.Root, []byte) {
	t.Helper()
	data := bytes.Repeat([]byte("deep"), block/4)
	other := bytes.Repeat([]byte("down"), block/4)
	root := mustCreate(t, w.Store, 2*leaf, blockstore.Root{}, write{0, data}, write{leaf, other})
	return root, append(data, other...)
}

// readDeep reads the disk of deep past every cache and says whether all went
// well. What goes wrong must say so.
func readDeep(t *testing.T, w *world, index blockstore.Index, root blockstore.Root, data []byte) (ok bool) {
	t.Helper()
	cfg := small()
	cfg.Bucket, cfg.Index = w.bucket, index
	s, err := blockstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	img, err := s.Image(t.Context(), root)
	if err != nil {
		mustBeCorrupt(t, err)
		return false
	}
	ok = true
	for i, off := range []int64{0, leaf} {
		got := make([]byte, block)
		if _, err := img.ReadAt(got, off); err != nil {
			mustBeCorrupt(t, err)
			ok = false
		} else if !bytes.Equal(got, data[i*block:(i+1)*block]) {
			t.Errorf("ReadAt at %d gives bad bytes", off)
		}
	}
	return ok
}

func mustBeCorrupt(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, blockstore.ErrCorrupt) && !errors.Is(err, blockstore.ErrUnsupported) {
		t.Errorf("got %v, want an error about corruption", err)
	}
}

// Every bit of every row of the index is flipped in turn, and rows are taken
// for one another: each time the disk cannot be read, and says so.
func TestEveryBentRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	root, data := deep(t, w)
	var ids []blockstore.ID
	for _, a := range w.index.adds {
		for _, e := range a.Entries {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) < 5 { // two blocks, two leaves, a node above
		t.Fatalf("%d rows test too little", len(ids))
	}
	if !readDeep(t, w, w.index, root, data) {
		t.Fatal("the disk cannot be read")
	}
	flips := 0
	for _, id := range ids {
		for bit := range 8 * (16 + 8 + 4) {
			flips++
			ok := readDeep(t, w, bent{w.index, func(at blockstore.ID, l blockstore.Location) blockstore.Location {
				if at != id {
					return l
				}
				switch {
				case bit < 128:
					l.Pack[bit/8] ^= 1 << (bit % 8)
				case bit < 128+64:
					l.Offset ^= 1 << (bit - 128)
				default:
					l.Length ^= 1 << (bit - 128 - 64)
				}
				return l
			}}, root, data)
			if ok || t.Failed() {
				t.Fatalf("bit %d of the row of %v: read went well: %v", bit, id, ok)
			}
		}
		for _, other := range ids {
			if other == id {
				continue
			}
			found, err := w.index.Lookup(t.Context(), "", []blockstore.ID{other})
			if err != nil {
				t.Fatal(err)
			}
			ok := readDeep(t, w, bent{w.index, func(at blockstore.ID, l blockstore.Location) blockstore.Location {
				if at == id {
					return found[0]
				}
				return l
			}}, root, data)
			if ok || t.Failed() {
				t.Fatalf("the row of %v for that of %v: read went well: %v", other, id, ok)
			}
		}
	}
	t.Logf("%d flips", flips)
}

// Every bit of every byte of the packs that hold manifests of two levels is
// flipped in turn: reading gives the right bytes or ErrCorrupt, and what reading
// does not look at, Verify or a rebuild of the index finds, or it is harmless:
// the index comes out the same.
func TestEveryManifestFlip(t *testing.T) {
	t.Parallel()
	w := openWorld(t, durabletest.New(), small())
	defer w.close(t)
	root, data := deep(t, w)
	meta := make(map[string]bool)
	for _, a := range w.index.adds {
		if a.Pack.Class == blockstore.ClassMeta {
			meta["pack+"+a.Pack.ID.String()] = true
		}
	}
	if len(meta) == 0 {
		t.Fatal("no pack of manifests")
	}
	flips := 0
	for name := range meta {
		for off := range fileSize(t, w.fs, name) {
			for bit := range 8 {
				flips++
				flip(t, w.fs, name, off, 1<<bit)
				noticed := !readDeep(t, w, w.index, root, data)
				if !noticed {
					noticed = !rebuilds(t, w)
				}
				flip(t, w.fs, name, off, 1<<bit)
				if !noticed {
					t.Fatalf("flip of bit %d at %d of %s is found neither by reading nor by rebuilding", bit, off, name)
				}
				if t.Failed() {
					t.Fatalf("flip of bit %d at %d of %s", bit, off, name)
				}
			}
		}
	}
	t.Logf("%d flips", flips)
}

// rebuilds rebuilds the index of a copy and says whether that went well.
func rebuilds(t *testing.T, w *world) (ok bool) {
	t.Helper()
	after := openWorld(t, w.fs.Crash(1), small())
	defer after.close(t)
	err := after.RebuildIndex(t.Context())
	if err != nil {
		mustBeCorrupt(t, err)
	}
	return err == nil
}
