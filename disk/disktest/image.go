package disktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"origami/disk"
)

// TestImage checks that m behaves as [disk.Image] demands and holds exactly
// the bytes want. It does not close m.
func TestImage(t *testing.T, m disk.Image, want []byte) {
	t.Helper()
	if got, want := m.Size(), int64(len(want)); got != want {
		t.Fatalf("Size() = %d, want %d", got, want)
	}
	t.Run("ReadAt", func(t *testing.T) { testReadAt(t, m, want) })
	t.Run("Whole", func(t *testing.T) { testWhole(t, m, want) })
	t.Run("Random", func(t *testing.T) { testRandom(t, m, want) })
	t.Run("Concurrent", func(t *testing.T) { testConcurrent(t, m, want) })
	t.Run("Extents", func(t *testing.T) { testExtents(t, m, want) })
	t.Run("ExtentsCancelled", func(t *testing.T) { testExtentsCancelled(t, m) })
}

// testReadAt reads around the ends of the disk.
func testReadAt(t *testing.T, m disk.Image, want []byte) {
	size := m.Size()
	for _, c := range []struct {
		off int64
		n   int
		eof bool // must be said; at exactly the end it may be said
	}{
		{0, 0, false}, {0, 1, false}, {1, 511, false}, {size - 1, 1, false},
		{size - 1, 2, true}, {size - 700, 1400, true}, {size, 1, true}, {size + 1, 1, true}, {1 << 62, 10, true},
	} {
		if c.off < 0 || (!c.eof && c.off+int64(c.n) > size) {
			continue // the disk is too small for this one
		}
		p := bytes.Repeat([]byte{0xa5}, c.n)
		n, err := m.ReadAt(p, c.off)
		wantN := int(max(0, min(int64(c.n), size-c.off)))
		if n != wantN {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v, want %d", c.n, c.off, n, err, wantN)
			continue
		}
		if c.eof && !errors.Is(err, io.EOF) {
			t.Errorf("ReadAt(%d bytes, %d) error = %v, want EOF", c.n, c.off, err)
		}
		if !c.eof && err != nil && (err != io.EOF || c.off+int64(c.n) != size) {
			t.Errorf("ReadAt(%d bytes, %d) error = %v, want none", c.n, c.off, err)
		}
		if n > 0 && !bytes.Equal(p[:n], want[c.off:c.off+int64(n)]) {
			t.Errorf("ReadAt(%d bytes, %d) gives other bytes", c.n, c.off)
		}
	}
	if n, err := m.ReadAt(make([]byte, 1), -1); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("ReadAt at offset -1 = %d, %v, want an error that is not EOF", n, err)
	}
}

// testWhole reads the disk in pieces of several sizes.
func testWhole(t *testing.T, m disk.Image, want []byte) {
	for _, piece := range []int{3 * disk.SectorSize, 40_000, disk.ChunkSize, 3 << 20} {
		if piece < 4096 && len(want) > 1<<20 {
			continue // thousands of reads show no more than hundreds
		}
		r := io.NewSectionReader(m, 0, m.Size())
		buf := make([]byte, piece)
		for off := 0; off < len(want); {
			n, err := io.ReadFull(r, buf[:min(piece, len(want)-off)])
			if err != nil {
				t.Fatalf("read at %d in pieces of %d: %v", off, piece, err)
			}
			if i := difference(buf[:n], want[off:off+n]); i >= 0 {
				t.Fatalf("byte %d is %#x, want %#x (in pieces of %d)", off+i, buf[i], want[off+i], piece)
			}
			off += n
		}
	}
}

// difference returns the first index at which a and b, of one length, differ.
func difference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// testRandom reads ranges that are aligned to nothing.
func testRandom(t *testing.T, m disk.Image, want []byte) {
	if err := readRandomly(m, want, 1, 80); err != nil {
		t.Error(err)
	}
}

func testConcurrent(t *testing.T, m disk.Image, want []byte) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if err := readRandomly(m, want, uint64(i+2), 30); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func readRandomly(m disk.Image, want []byte, seed uint64, times int) error {
	if len(want) == 0 {
		return nil
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	for range times {
		off := rng.IntN(len(want))
		p := make([]byte, min(len(want)-off, 1+rng.IntN(1<<(4+rng.IntN(16)))))
		if n, err := m.ReadAt(p, int64(off)); n != len(p) {
			return fmt.Errorf("ReadAt(%d bytes, %d) = %d, %w", len(p), off, n, err)
		}
		if i := difference(p, want[off:off+len(p)]); i >= 0 {
			return fmt.Errorf("ReadAt(%d bytes, %d): byte %d is %#x, want %#x", len(p), off, off+i, p[i], want[off+i])
		}
	}
	return nil
}

// testExtents checks that the runs cover the disk from several offsets on, and
// that nothing but zeros is called zero.
func testExtents(t *testing.T, m disk.Image, want []byte) {
	size := m.Size()
	for _, from := range []int64{0, 1, disk.SectorSize, size / 2, size/3 + 7, size - 1, size} {
		if from < 0 || from > size {
			continue
		}
		pos := from
		for e, err := range m.Extents(t.Context(), from) {
			if err != nil {
				t.Fatalf("Extents from %d: at %d: %v", from, pos, err)
			}
			if e.Off != pos || e.Len <= 0 || e.Off+e.Len > size {
				t.Fatalf("Extents from %d: %+v does not continue at %d of %d", from, e, pos, size)
			}
			if e.Zero && !disk.IsZero(want[e.Off:e.Off+e.Len]) {
				t.Fatalf("Extents from %d: %+v is not zero", from, e)
			}
			pos += e.Len
		}
		if pos != size {
			t.Errorf("Extents from %d end at %d, want %d", from, pos, size)
		}
	}
	for range m.Extents(t.Context(), 0) {
		break // must not panic
	}
}

func testExtentsCancelled(t *testing.T, m disk.Image) {
	if m.Size() == 0 {
		return // it has no extents to stop at
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range m.Extents(ctx, 0) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Extents with a cancelled context gives %v, want context.Canceled", err)
		}
		return
	}
	t.Error("Extents with a cancelled context gives nothing, want context.Canceled")
}
