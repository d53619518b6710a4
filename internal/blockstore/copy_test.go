package blockstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"origami/internal/blockstore"
	"origami/internal/durable/durabletest"
)

func TestCopy(t *testing.T) {
	t.Parallel()
	for name, cfg := range configs() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openWorld(t, durabletest.New(), cfg)
			defer w.close(t)
			mod := newModel(2*leaf + 3*block + 512)
			mod.write(pattern(7, 3*block), block)
			mod.write(pattern(1, 3*block), leaf-block)
			mod.write(pattern(15, 512), mod.size-512)
			for _, from := range domains {
				writer, err := w.NewWriter(mod.size, blockstore.Root{Domain: from})
				if err != nil {
					t.Fatal(err)
				}
				for n, b := range mod.blocks {
					if _, err := writer.WriteAt(b[:min(block, mod.size-n*block)], n*block); err != nil {
						t.Fatal(err)
					}
				}
				if err := writer.Commit(t.Context()); err != nil {
					t.Fatal(err)
				}
				src := writer.Root()
				for _, to := range domains {
					testCopy(t, w, mod, src, to)
				}
			}
		})
	}
}

func testCopy(t *testing.T, w *world, mod *model, src blockstore.Root, to blockstore.Domain) {
	t.Helper()
	last, want := int64(-1), int64(len(mod.blocks))*block
	root, err := w.Copy(t.Context(), src, to, blockstore.CopyOptions{Progress: func(done, total int64) error {
		if done < last || done > total || total != want {
			t.Errorf("progress %d of %d after %d, want a total of %d", done, total, last, want)
		}
		last = done
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	mod.check(t, w.Store, root)
	if (root == src) != (to == src.Domain) || root.Domain != to || root.Size != src.Size {
		t.Errorf("copy of %v into %q is %v", src, to, root)
	}
	if to != src.Domain && last != want {
		t.Errorf("progress ends at %d of %d", last, want)
	}
	if damage, err := w.Verify(t.Context(), root); err != nil || len(damage) > 0 {
		t.Errorf("Verify of the copy = %v, %v", damage, err)
	}
	before := w.Stats().BytesStored
	if again, err := w.Copy(t.Context(), src, to, blockstore.CopyOptions{}); err != nil || again != root {
		t.Errorf("second copy = %v, %v, want %v", again, err, root)
	}
	if got := w.Stats().BytesStored - before; got != 0 {
		t.Errorf("second copy stores %d bytes", got)
	}
}

// A copy of a disk that was made from one which is there already stores what is
// new: no more than writing that stored in the first place.
func TestCopyOfDerived(t *testing.T) {
	t.Parallel()
	w := openWorld(t, durabletest.New(), blockstore.Config{Keys: newKeyring()})
	defer w.close(t)
	stores := func(f func() error) int64 {
		t.Helper()
		before := w.Stats().BytesStored
		if err := f(); err != nil {
			t.Fatal(err)
		}
		return w.Stats().BytesStored - before
	}
	for n, tt := range []struct{ from, to blockstore.Domain }{{"", keyA}, {keyA, ""}, {keyA, keyB}} {
		write := func(base blockstore.Root, data []byte, at int64) (root blockstore.Root, stored int64) {
			stored = stores(func() error {
				writer, err := w.NewWriter(leaf+10*block, base)
				if err != nil {
					return err
				}
				if _, err := writer.WriteAt(data, at); err != nil {
					return err
				}
				err = writer.Commit(t.Context())
				root = writer.Root()
				return err
			})
			return root, stored
		}
		copied := func(root blockstore.Root) int64 {
			return stores(func() error {
				_, err := w.Copy(t.Context(), root, tt.to, blockstore.CopyOptions{})
				return err
			})
		}
		seed := uint64(8*n + 7) // of what does not compress
		base, _ := write(blockstore.Root{Domain: tt.from}, pattern(seed, 8*block), 0)
		derived, fresh := write(base, pattern(seed+80, 2*block), leaf-block)
		if whole := copied(base); whole < 8*block {
			t.Errorf("%q to %q: the copy of the base stores %d bytes", tt.from, tt.to, whole)
		}
		got, want := copied(derived), fresh+fresh/20+derived.Size/1000
		if got > want {
			t.Errorf("%q to %q: the copy stores %d bytes, want at most %d: what is new took %d", tt.from, tt.to, got, want, fresh)
		}
	}
}

// A copy goes on from each of its checkpoints, after a crash as well, and comes
// out the same.
func TestCopyResumes(t *testing.T) {
	t.Parallel()
	w := openWorld(t, durabletest.New(), small())
	mod := newModel(6 * leaf)
	var writes []write
	for n := range int64(6) {
		data := pattern(8*uint64(n), 2*block)
		writes = append(writes, write{n*leaf + n*block, data})
		mod.write(data, n*leaf+n*block)
	}
	src := mustCreate(t, w.Store, mod.size, blockstore.Root{}, writes...)
	want, err := w.Copy(t.Context(), src, keyA, blockstore.CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var points []blockstore.Checkpoint
	stop := errors.New("stop")
	for n := 0; ; n++ {
		o := blockstore.CopyOptions{Every: 1}
		if n > 0 {
			o.From = points[n-1]
		}
		o.Save = func(c blockstore.Checkpoint) error {
			points = append(points, c)
			return stop
		}
		root, err := w.Copy(t.Context(), src, keyB, o)
		if err == nil {
			if root.ID == want.ID {
				t.Error("copies into two domains have one identity")
			}
			mod.check(t, w.Store, root)
			break
		}
		if !errors.Is(err, stop) || n > 10 {
			t.Fatalf("copy %d: %v", n, err)
		}
		after := w.fs.Crash(uint64(n))
		w.close(t)
		w = openWorld(t, after, small())
	}
	defer w.close(t)
	if len(points) < 3 {
		t.Errorf("%d checkpoints test nothing", len(points))
	}
	for _, p := range points {
		var first int64 = -1
		o := blockstore.CopyOptions{From: p, Progress: func(done, _ int64) error {
			if first < 0 {
				first = done
			}
			return nil
		}}
		reads := w.Stats().BlocksRead
		root, err := w.Copy(t.Context(), src, keyB, o)
		if err != nil {
			t.Fatal(err)
		}
		mod.check(t, w.Store, root)
		if first == 0 || w.Stats().BlocksRead-reads == 0 && p.Block < 5*256 {
			t.Errorf("copy from block %d begins at %d", p.Block, first)
		}
	}
	for _, bad := range []blockstore.Checkpoint{
		{Root: blockstore.Root{Domain: keyA, Size: mod.size}, Block: 256},
		{Root: blockstore.Root{Domain: keyB, Size: block}, Block: 256},
		{Root: blockstore.Root{Domain: keyB, Size: mod.size}, Block: -1},
	} {
		if _, err := w.Copy(t.Context(), src, keyB, blockstore.CopyOptions{From: bad}); err == nil {
			t.Errorf("the checkpoint %v was taken", bad)
		}
	}
}

func TestCopyIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	src := mustCreate(t, w.Store, 3*leaf, blockstore.Root{}, write{0, pattern(7, 8*block)}, write{leaf, pattern(15, 8*block)})
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	calls := 0
	_, err := w.Copy(ctx, src, keyA, blockstore.CopyOptions{Progress: func(int64, int64) error {
		if calls++; calls == 2 {
			cancel(cause)
		}
		return nil
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled copy: %v", err)
	}
	if root, err := w.Copy(t.Context(), src, keyA, blockstore.CopyOptions{}); err != nil || root.Domain != keyA {
		t.Errorf("copy afterwards = %v, %v", root, err)
	}
}

// Damage in the source is found before it is copied.
func TestCopyOfDamage(t *testing.T) {
	t.Parallel()
	for _, from := range domains {
		w := newWorld(t)
		src := mustCreate(t, w.Store, 2*block, blockstore.Root{Domain: from}, write{0, pattern(7, 2*block)})
		for _, a := range w.index.adds {
			if a.Pack.Class == blockstore.ClassData {
				flip(t, w.fs, "pack+"+a.Pack.ID.String(), a.Entries[0].Offset+1000, 1)
				break
			}
		}
		to := keyB
		if from == keyB {
			to = keyA
		}
		var ce *blockstore.CorruptError
		if _, err := w.Copy(t.Context(), src, to, blockstore.CopyOptions{}); !errors.As(err, &ce) {
			t.Errorf("copy of a damaged disk from %q: %v", from, err)
		}
	}
}

// Every failure of the file system ends a copy, and none leaves a root of
// which something is missing.
func TestCopyFaults(t *testing.T) {
	t.Parallel()
	for n := 0; ; n++ {
		w := openWorld(t, durabletest.New(), small())
		mod := newModel(2 * leaf)
		mod.write(pattern(7, 2*block), 0)
		mod.write(pattern(15, block), leaf)
		src := mustCreate(t, w.Store, mod.size, blockstore.Root{}, write{0, pattern(7, 2*block)}, write{leaf, pattern(15, block)})
		var saved atomic.Pointer[blockstore.Checkpoint]
		o := blockstore.CopyOptions{Every: 1, Save: func(c blockstore.Checkpoint) error { saved.Store(&c); return nil }}
		w.fs.StopAfter(n)
		_, err := w.Copy(t.Context(), src, keyA, o)
		after := w.fs.Crash(uint64(n))
		w.close(t)
		w = openWorld(t, after, small())
		if p := saved.Load(); p != nil {
			o.From = *p
		}
		root, againErr := w.Copy(t.Context(), src, keyA, o)
		if againErr != nil {
			t.Fatalf("copy after a crash at change %d: %v", n, againErr)
		}
		mod.check(t, w.Store, root)
		w.close(t)
		if err == nil {
			t.Log(fmt.Sprint(n, " crash points"))
			return
		}
	}
}
