// Package objstoretest is what every [objstore.Bucket] must pass.
package objstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"origami/internal/objstore"
)

// Run tests the buckets that open returns. Each call must return an empty one.
func Run(t *testing.T, open func() objstore.Bucket) {
	for _, tc := range []struct {
		name string
		test func(*testing.T, objstore.Bucket)
	}{
		{"Absent", testAbsent},
		{"CommitMakesVisible", testCommit},
		{"AbortLeavesNothing", testAbort},
		{"CommitNeverReplaces", testExist},
		{"ReadAt", testReadAt},
		{"Delete", testDelete},
		{"List", testList},
		{"Names", testNames},
		{"Cancelled", testCancelled},
		{"Concurrent", testConcurrent},
		{"ManyObjects", testMany},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.test(t, open()) })
	}
}

func put(t *testing.T, b objstore.Bucket, name string, data []byte) {
	t.Helper()
	if err := tryPut(t.Context(), b, name, data); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

func tryPut(ctx context.Context, b objstore.Bucket, name string, data []byte) error {
	w, err := b.Create(ctx, name)
	if err != nil {
		return err
	}
	half := len(data) / 2
	for _, part := range [][]byte{data[:half], data[half:]} {
		if n, err := w.Write(part); err != nil || n != len(part) {
			return errors.Join(fmt.Errorf("wrote %d bytes: %w", n, err), w.Abort())
		}
	}
	return w.Commit(ctx)
}

func list(t *testing.T, b objstore.Bucket, prefix string) []string {
	t.Helper()
	names := []string{}
	for name, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		names = append(names, name)
	}
	return names
}

func check(t *testing.T, b objstore.Bucket, name string, want []byte) {
	t.Helper()
	size, err := b.Size(t.Context(), name)
	if err != nil || size != int64(len(want)) {
		t.Fatalf("Size(%s) = %d, %v, want %d", name, size, err, len(want))
	}
	got := make([]byte, len(want))
	if err := b.ReadAt(t.Context(), name, got, 0); err != nil {
		t.Fatalf("ReadAt(%s): %v", name, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("ReadAt(%s): wrong contents", name)
	}
}

func wantAbsent(t *testing.T, b objstore.Bucket, name string) {
	t.Helper()
	if _, err := b.Size(t.Context(), name); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("Size(%s): %v, want %v", name, err, objstore.ErrNotExist)
	}
	if err := b.ReadAt(t.Context(), name, make([]byte, 1), 0); !errors.Is(err, objstore.ErrNotExist) {
		t.Errorf("ReadAt(%s): %v, want %v", name, err, objstore.ErrNotExist)
	}
	if slices.Contains(list(t, b, ""), name) {
		t.Errorf("List yields %s", name)
	}
}

func random(n int) []byte {
	data := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	rng.Read(data) // never fails
	return data
}

func testAbsent(t *testing.T, b objstore.Bucket) {
	wantAbsent(t, b, "a/b")
	if got := list(t, b, ""); len(got) != 0 {
		t.Errorf("List of an empty bucket = %q", got)
	}
}

func testCommit(t *testing.T, b objstore.Bucket) {
	data := random(100_000)
	w, err := b.Create(t.Context(), "pack/1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, b, "pack/1")
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(t, b, "pack/1", data)
	if _, err := w.Write(data); err == nil {
		t.Error("Write after Commit succeeded")
	}
	put(t, b, "empty", nil)
	check(t, b, "empty", nil)
}

func testAbort(t *testing.T, b objstore.Bucket) {
	w, err := b.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(random(1000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, b, "a")
	put(t, b, "a", []byte("second"))
	check(t, b, "a", []byte("second"))
}

func testExist(t *testing.T, b objstore.Bucket) {
	first, err := b.Create(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	put(t, b, "a", []byte("early"))
	if err := first.Commit(t.Context()); !errors.Is(err, objstore.ErrExist) {
		t.Errorf("Commit of a taken name: %v, want %v", err, objstore.ErrExist)
	}
	if err := first.Abort(); err != nil {
		t.Errorf("Abort after a failed Commit: %v", err)
	}
	check(t, b, "a", []byte("early"))
}

func testReadAt(t *testing.T, b objstore.Bucket) {
	data := random(10_000)
	put(t, b, "a", data)
	for _, tc := range []struct {
		off int64
		n   int
		err bool
	}{
		{0, 1, false}, {0, 10_000, false}, {9_999, 1, false}, {4_321, 1_234, false},
		{10_000, 0, false},
		{9_999, 2, true}, {10_000, 1, true}, {1 << 40, 1, true}, {0, 10_001, true},
	} {
		p := make([]byte, tc.n)
		err := b.ReadAt(t.Context(), "a", p, tc.off)
		if tc.err {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("ReadAt(%d bytes at %d): %v, want %v", tc.n, tc.off, err, io.ErrUnexpectedEOF)
			}
			continue
		}
		if err != nil {
			t.Errorf("ReadAt(%d bytes at %d): %v", tc.n, tc.off, err)
		} else if !bytes.Equal(p, data[tc.off:tc.off+int64(tc.n)]) {
			t.Errorf("ReadAt(%d bytes at %d): wrong contents", tc.n, tc.off)
		}
	}
	if err := b.ReadAt(t.Context(), "a", make([]byte, 1), -1); err == nil {
		t.Error("ReadAt at -1 succeeded")
	}
}

func testDelete(t *testing.T, b objstore.Bucket) {
	put(t, b, "a", []byte("one"))
	put(t, b, "b", []byte("two"))
	check(t, b, "a", []byte("one")) // opens it
	for range 2 {
		if err := b.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
	}
	wantAbsent(t, b, "a")
	check(t, b, "b", []byte("two"))
	put(t, b, "a", []byte("three"))
	check(t, b, "a", []byte("three"))
}

func testList(t *testing.T, b objstore.Bucket) {
	all := []string{"a", "a-1", "a.1", "a/1", "a/b/2", "a1", "b/1"}
	for _, i := range []int{3, 0, 6, 2, 5, 4, 1} {
		put(t, b, all[i], []byte("x"))
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "b/", "c"} {
		want := []string{}
		for _, name := range all {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		if got := list(t, b, prefix); !slices.Equal(got, want) {
			t.Errorf("List(%q) = %q, want %q", prefix, got, want)
		}
	}
	for range b.List(t.Context(), "") {
		break // an abandoned iteration is fine
	}
}

func testNames(t *testing.T, b objstore.Bucket) {
	for _, name := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", ".a", "a/.b",
		"A", "a b", "a+b", "a_b", "ä", "a\x00", "a\\b", strings.Repeat("a", 1025),
	} {
		if w, err := b.Create(t.Context(), name); err == nil {
			t.Errorf("Create(%q) succeeded", name)
			if err := w.Abort(); err != nil {
				t.Error(err)
			}
		}
		if err := b.ReadAt(t.Context(), name, make([]byte, 1), 0); err == nil {
			t.Errorf("ReadAt(%q) succeeded", name)
		}
	}
}

func testCancelled(t *testing.T, b objstore.Bucket) {
	put(t, b, "a", []byte("x"))
	w, err := b.Create(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v, want %v", err, context.Canceled)
	}
	wantAbsent(t, b, "b")
	if _, err := b.Create(ctx, "c"); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v, want %v", err, context.Canceled)
	}
	if err := b.ReadAt(ctx, "a", make([]byte, 1), 0); !errors.Is(err, context.Canceled) {
		t.Errorf("ReadAt: %v, want %v", err, context.Canceled)
	}
	if err := b.Delete(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete: %v, want %v", err, context.Canceled)
	}
	check(t, b, "a", []byte("x"))
}

// Many writers of one name: exactly one wins, and readers see all of it or
// nothing.
func testConcurrent(t *testing.T, b objstore.Bucket) {
	const writers = 8
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			errs[i] = tryPut(t.Context(), b, "a", bytes.Repeat([]byte{byte(i)}, 50_000))
		})
		wg.Go(func() {
			p := make([]byte, 50_000)
			err := b.ReadAt(t.Context(), "a", p, 0)
			if err == nil && bytes.Count(p, p[:1]) != len(p) {
				t.Error("ReadAt saw a mixture")
			}
			if err != nil && !errors.Is(err, objstore.ErrNotExist) {
				t.Errorf("ReadAt: %v", err)
			}
		})
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case err == nil:
			t.Errorf("writers %d and %d both committed", winner, i)
		case !errors.Is(err, objstore.ErrExist):
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody committed")
	}
	check(t, b, "a", bytes.Repeat([]byte{byte(winner)}, 50_000))
}

// More objects than anybody keeps open, read from several sides.
func testMany(t *testing.T, b objstore.Bucket) {
	const objects = 300
	for i := range objects {
		put(t, b, fmt.Sprintf("o/%03d", i), fmt.Append(nil, "contents ", i))
	}
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(k), 0))
			for range 500 {
				i := rng.IntN(objects)
				want := fmt.Append(nil, "contents ", i)
				got := make([]byte, len(want))
				if err := b.ReadAt(t.Context(), fmt.Sprintf("o/%03d", i), got, 0); err != nil {
					t.Error(err)
				} else if !bytes.Equal(got, want) {
					t.Errorf("object %d reads %q", i, got)
				}
			}
		})
	}
	wg.Wait()
}
