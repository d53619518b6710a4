package blockstore_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"origami/internal/blockstore"
	"origami/internal/durable/durabletest"
)

// import5 writes a small disk: several packs, parts of blocks, two leaves.
func import5(s *blockstore.Store, mod *model) (blockstore.Root, error) {
	writes := []write{
		{0, pattern(8, block)}, {block, pattern(1, block)}, {2*block + 5, pattern(2, 1000)},
		{leaf, pattern(3, 2*block)}, {leaf + 3*block, pattern(16, block)},
	}
	for _, w := range writes {
		mod.write(w.data, w.off)
	}
	return create(s, leaf+4*block, blockstore.Root{}, writes...)
}

// Every operation of the file system fails once in the middle of an import. The
// import says so, earlier disks stay readable at once, the next import works,
// and after a crash all that was acknowledged is there.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	ops := []durabletest.Op{
		durabletest.OpCreate, durabletest.OpWrite, durabletest.OpSync,
		durabletest.OpRename, durabletest.OpSyncDir,
	}
	for _, op := range ops {
		for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprintf("%s,%v", op, fault), func(t *testing.T) {
				t.Parallel()
				for n := 1; everyFault(t, op, n, fault); n++ {
				}
			})
		}
	}
}

func everyFault(t *testing.T, op durabletest.Op, n int, fault error) (struck bool) {
	w := openWorld(t, durabletest.New(), small())
	defer func() { w.close(t) }()
	old := newModel(block)
	old.write(pattern(24, block), 0)
	oldRoot := mustCreate(t, w.Store, block, blockstore.Root{}, write{0, pattern(24, block)})

	w.fs.Fail(op, n, fault)
	mod := newModel(leaf + 4*block)
	root, err := import5(w.Store, mod)
	w.fs.ClearFaults()
	if err == nil {
		if n == 1 {
			t.Errorf("%s never happens", op)
		}
		mod.check(t, w.Store, root)
		return false
	}
	if !errors.Is(err, fault) {
		t.Fatalf("%s %d: %v, want %v", op, n, err, fault)
	}
	old.check(t, w.Store, oldRoot)
	mod = newModel(leaf + 4*block)
	root, err = import5(w.Store, mod)
	if err != nil {
		t.Fatalf("%s %d: second import: %v", op, n, err)
	}
	mod.check(t, w.Store, root)

	after := w.fs.Crash(uint64(n))
	w.close(t)
	w = openWorld(t, after, small())
	old.check(t, w.Store, oldRoot)
	mod.check(t, w.Store, root)
	return true
}

// A crash after each operation of an import, with several outcomes each:
// nothing acknowledged is lost, the store opens, and the same import works.
func TestEveryCrash(t *testing.T) {
	t.Parallel()
	crashes := 0
	for steps := 0; ; steps++ {
		w := openWorld(t, durabletest.New(), small())
		old := newModel(block)
		old.write(pattern(24, block), 0)
		oldRoot := mustCreate(t, w.Store, block, blockstore.Root{}, write{0, pattern(24, block)})
		w.fs.StopAfter(steps)
		mod := newModel(leaf + 4*block)
		root, err := import5(w.Store, mod)
		for seed := range uint64(8) {
			crashes++
			after := openWorld(t, w.fs.Crash(seed), small())
			old.check(t, after.Store, oldRoot)
			if err == nil {
				mod.check(t, after.Store, root)
			}
			again, err2 := import5(after.Store, newModel(leaf+4*block))
			if err2 != nil || err == nil && again != root {
				t.Fatalf("steps %d, seed %d: import again: %v, %v, first time %v", steps, seed, again, err2, root)
			}
			mod.check(t, after.Store, again)
			if t.Failed() {
				t.Fatalf("steps %d, seed %d", steps, seed)
			}
			after.close(t)
		}
		w.close(t)
		if err == nil {
			break
		}
	}
	t.Logf("%d crashes", crashes)
	if crashes < 300 {
		t.Errorf("only %d crashes", crashes)
	}
}

// A writer that depends on a pack of another one fails with it.
func TestFailureIsShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := pattern(1, block)
	a, err := w.NewWriter(block, blockstore.Root{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.NewWriter(block, blockstore.Root{})
	if err != nil {
		t.Fatal(err)
	}
	for _, wr := range []*blockstore.Writer{a, b} {
		if _, err := wr.WriteAt(data, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Stats().NewBlocks; got != 0 {
		t.Fatalf("the second writer stored %d blocks", got)
	}
	w.fs.Fail(durabletest.OpSync, 1, syscall.EIO)
	w.fs.Fail(durabletest.OpSync, 2, syscall.EIO)
	errA, errB := a.Commit(t.Context()), b.Commit(t.Context())
	if !errors.Is(errA, syscall.EIO) || !errors.Is(errB, syscall.EIO) {
		t.Errorf("Commit = %v and %v, want %v twice", errA, errB, syscall.EIO)
	}
	w.fs.ClearFaults() // the second pack may not have come to its sync
	mustCreate(t, w.Store, block, blockstore.Root{}, write{0, data})
}

func TestCommitCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	writer, err := w.NewWriter(block, blockstore.Root{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteAt(pattern(1, block), 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := writer.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v, want %v", err, context.Canceled)
	}
	if err := writer.Abort(); err != nil {
		t.Errorf("Abort: %v", err)
	}
	root := mustCreate(t, w.Store, block, blockstore.Root{}, write{0, pattern(1, block)})
	mod := newModel(block)
	mod.write(pattern(1, block), 0)
	mod.check(t, w.Store, root)
}

func TestClosed(t *testing.T) {
	t.Parallel()
	w := openWorld(t, durabletest.New(), small())
	root := mustCreate(t, w.Store, block, blockstore.Root{}, write{0, pattern(1, block)})
	img, err := w.Image(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := w.NewWriter(block, blockstore.Root{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteAt(pattern(2, block), 0); err != nil {
		t.Fatal(err)
	}
	w.close(t)
	if _, err := img.ReadAt(make([]byte, 1), 0); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("ReadAt: %v, want %v", err, blockstore.ErrClosed)
	}
	if err := writer.Commit(t.Context()); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("Commit: %v, want %v", err, blockstore.ErrClosed)
	}
	if _, err := w.NewWriter(block, root); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("NewWriter: %v, want %v", err, blockstore.ErrClosed)
	}
	if err := w.Store.Close(); !errors.Is(err, blockstore.ErrClosed) {
		t.Errorf("second Close: %v, want %v", err, blockstore.ErrClosed)
	}
	if left, err := w.fs.List(".tmp"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
