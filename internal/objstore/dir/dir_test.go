package dir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/objstore"
	"origami/internal/objstore/dir"
	"origami/internal/objstore/objstoretest"
)

func open(t *testing.T, fsys durable.FS) *dir.Bucket {
	t.Helper()
	b, err := dir.Open(fsys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("os", func(t *testing.T) {
		objstoretest.Run(t, func() objstore.Bucket {
			fsys, err := durable.OS(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return open(t, fsys)
		})
	})
	t.Run("crashfs", func(t *testing.T) {
		objstoretest.Run(t, func() objstore.Bucket { return open(t, durabletest.New()) })
	})
}

func put(ctx context.Context, b objstore.Bucket, name string, data []byte) error {
	w, err := b.Create(ctx, name)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(data, 5000) {
		if _, err := w.Write(part); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	return w.Commit(ctx)
}

func has(t *testing.T, b objstore.Bucket, name string, data []byte) bool {
	t.Helper()
	size, err := b.Size(t.Context(), name)
	if errors.Is(err, objstore.ErrNotExist) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, size)
	if err := b.ReadAt(t.Context(), name, got, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, data) {
		t.Fatalf("%s is visible with the wrong contents", name)
	}
	return true
}

// Cut off after each step, and crashed there in many ways, an object is whole
// or absent, whole if Commit returned, and nothing else is left.
func TestCrash(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("origami "), 3000)
	for steps := 0; ; steps++ {
		fsys := durabletest.New()
		b := open(t, fsys)
		if err := put(t.Context(), b, "old", data); err != nil {
			t.Fatal(err)
		}
		fsys.StopAfter(steps)
		err := put(t.Context(), b, "new", data)
		for seed := range uint64(30) {
			after := fsys.Crash(seed)
			b := open(t, after)
			if !has(t, b, "old", data) {
				t.Fatalf("steps %d, seed %d: an object is lost", steps, seed)
			}
			if !has(t, b, "new", data) && err == nil {
				t.Fatalf("steps %d, seed %d: a committed object is lost", steps, seed)
			}
			if left, err := after.List(".tmp"); err != nil || len(left) != 0 {
				t.Fatalf("steps %d, seed %d: left after Open: %q, %v", steps, seed, left, err)
			}
		}
		if err == nil {
			return
		}
	}
}

// Each operation fails once: the error comes back, the object is not visible,
// nothing is left behind, and the bucket goes on.
func TestFaults(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("origami "), 3000)
	for _, op := range []durabletest.Op{durabletest.OpCreate, durabletest.OpWrite, durabletest.OpSync, durabletest.OpRename, durabletest.OpSyncDir} {
		for n := 1; ; n++ {
			fsys := durabletest.New()
			b := open(t, fsys)
			fsys.Fail(op, n, syscall.ENOSPC)
			err := put(t.Context(), b, "a", data)
			if err == nil {
				if n == 1 {
					t.Errorf("%s: no fault struck", op)
				}
				break
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("%s %d: %v, want %v", op, n, err, syscall.ENOSPC)
			}
			if has(t, b, "a", data) {
				t.Errorf("%s %d: visible after an error", op, n)
			}
			if names, err := fsys.List("."); err != nil || fmt.Sprint(names) != "[.tmp]" {
				t.Errorf("%s %d: left behind: %q, %v", op, n, names, err)
			}
			if names, err := fsys.List(".tmp"); err != nil || len(names) != 0 {
				t.Errorf("%s %d: left behind: %q, %v", op, n, names, err)
			}
			if err := put(t.Context(), b, "a", data); err != nil {
				t.Errorf("%s %d: second attempt: %v", op, n, err)
			}
			if !has(t, b, "a", data) {
				t.Errorf("%s %d: not visible after the second attempt", op, n)
			}
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	b, err := dir.Open(durabletest.New())
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), b, "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.ReadAt(t.Context(), "a", make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("ReadAt after Close: %v, want %v", err, fs.ErrClosed)
	}
}
