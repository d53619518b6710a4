package disktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"origami/disk"
)

// A Sink is one place to which a disk can be written once.
type Sink struct {
	Writer disk.Writer

	// Open opens what Writer committed. It fails, or gives nothing but zeros,
	// if nothing was.
	Open func() (disk.Image, error)
}

// TestWriter checks that the sinks that create makes behave as [disk.Writer]
// demands. Sizes are multiples of [disk.SectorSize] of up to a few MiB.
func TestWriter(t *testing.T, create func(t *testing.T, size int64) Sink) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, create func(t *testing.T, size int64) Sink)
	}{
		{"Empty", testEmpty}, {"Chunks", testChunks}, {"Pieces", testPieces}, {"Concurrent", testConcurrentWrites},
		{"Again", testAgain}, {"Bounds", testBounds}, {"Abort", testAbort}, {"Closed", testClosed}, {"CommitCancelled", testCommitCancelled},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, create) })
	}
}

// sizes has ends inside a chunk, inside a cluster, and at neither.
var sizes = []int64{disk.SectorSize, disk.ChunkSize, 3<<20 + 7*disk.SectorSize}

func write(t *testing.T, w disk.Writer, p []byte, off int64) {
	t.Helper()
	if n, err := w.WriteAt(p, off); n != len(p) || err != nil {
		t.Fatalf("WriteAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
	}
}

// verify commits, opens and compares.
func verify(t *testing.T, s Sink, want []byte) {
	t.Helper()
	if err := s.Writer.Commit(t.Context()); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	m, err := s.Open()
	if err != nil {
		t.Fatalf("open what was committed: %v", err)
	}
	defer m.Close()
	TestImage(t, m, want)
}

func testEmpty(t *testing.T, create func(*testing.T, int64) Sink) {
	for _, size := range append([]int64{0}, sizes...) {
		verify(t, create(t, size), make([]byte, size))
	}
}

// testChunks writes as Copy does.
func testChunks(t *testing.T, create func(*testing.T, int64) Sink) {
	for i, size := range sizes {
		want := Content(uint64(i), size)
		s := create(t, size)
		if err := disk.Copy(t.Context(), s.Writer, NewImage(want), nil); err != nil {
			t.Fatal(err)
		}
		verify(t, s, want)
	}
}

// testPieces writes ranges aligned to nothing, from the end to the start.
func testPieces(t *testing.T, create func(*testing.T, int64) Sink) {
	for i, size := range sizes {
		want := Content(uint64(i+10), size)
		s := create(t, size)
		rng := rand.New(rand.NewPCG(uint64(i), 2))
		for end := size; end > 0; {
			start := max(0, end-1-rng.Int64N(100_000))
			write(t, s.Writer, want[start:end], start)
			end = start
		}
		verify(t, s, want)
	}
}

// testConcurrentWrites writes pieces from eight goroutines, so that
// neighbours share clusters and chunks.
func testConcurrentWrites(t *testing.T, create func(*testing.T, int64) Sink) {
	const size, piece = 2 << 20, 5 * disk.SectorSize
	want := Content(20, size)
	s := create(t, size)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for off := i * piece; off < size; off += 8 * piece {
				p := want[off:min(size, off+piece)]
				if n, err := s.Writer.WriteAt(p, int64(off)); n != len(p) || err != nil {
					t.Errorf("WriteAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
				}
			}
		})
	}
	wg.Wait()
	verify(t, s, want)
}

// testAgain writes what was written before: data over zeros, zeros over data,
// whole chunks and parts of them.
func testAgain(t *testing.T, create func(*testing.T, int64) Sink) {
	size := sizes[len(sizes)-1]
	want := Content(30, size)
	s := create(t, size)
	write(t, s.Writer, want, 0)
	rng := rand.New(rand.NewPCG(3, 3))
	for range 60 {
		off := rng.Int64N(size)
		p := want[off:min(size, off+1+rng.Int64N(1<<(3+rng.IntN(18))))]
		if rng.IntN(2) == 0 {
			clear(p)
		} else {
			text(rng, p)
		}
		write(t, s.Writer, p, off)
	}
	chunk := want[disk.ChunkSize : 2*disk.ChunkSize]
	write(t, s.Writer, make([]byte, len(chunk)), disk.ChunkSize)
	clear(chunk)
	verify(t, s, want)
}

func testBounds(t *testing.T, create func(*testing.T, int64) Sink) {
	const size = 8 * disk.SectorSize
	s := create(t, size)
	for _, c := range []struct {
		off int64
		n   int
	}{{-1, 1}, {size, 1}, {size - 1, 2}, {0, size + 1}, {1 << 62, 1}, {-1 << 63, 1}} {
		if _, err := s.Writer.WriteAt(make([]byte, c.n), c.off); err == nil {
			t.Errorf("WriteAt(%d bytes, %d) to a disk of %d bytes succeeds", c.n, c.off, size)
		}
	}
	write(t, s.Writer, nil, size)
	verify(t, s, make([]byte, size))
}

// testAbort checks that nothing remains of an aborted disk, and that nothing
// is there to be seen before it is aborted.
func testAbort(t *testing.T, create func(*testing.T, int64) Sink) {
	s := create(t, disk.ChunkSize)
	write(t, s.Writer, bytes.Repeat([]byte("secret"), 1000), 1000)
	if err := s.Writer.Abort(); err != nil {
		t.Fatalf("Abort: %v", err)
	}
	if err := nothing(s); err != nil {
		t.Errorf("after Abort: %v", err)
	}
}

// nothing says what can be seen of s.
func nothing(s Sink) error {
	m, err := s.Open()
	if err != nil {
		return nil
	}
	defer m.Close()
	p := make([]byte, m.Size())
	if n, _ := m.ReadAt(p, 0); !disk.IsZero(p[:n]) {
		return fmt.Errorf("a disk of %d bytes can be read", n)
	}
	return nil
}

// testClosed uses a writer that has ended.
func testClosed(t *testing.T, create func(*testing.T, int64) Sink) {
	want := Content(40, disk.ChunkSize)
	s := create(t, disk.ChunkSize)
	write(t, s.Writer, want, 0)
	verify(t, s, want)
	if _, err := s.Writer.WriteAt([]byte("late"), 0); err == nil {
		t.Error("WriteAt after Commit succeeds")
	}
	if err := s.Writer.Commit(t.Context()); err == nil {
		t.Error("second Commit succeeds")
	}
	s = create(t, disk.ChunkSize)
	if err := s.Writer.Abort(); err != nil {
		t.Fatalf("Abort: %v", err)
	}
	if _, err := s.Writer.WriteAt([]byte("late"), 0); err == nil {
		t.Error("WriteAt after Abort succeeds")
	}
	if err := s.Writer.Commit(t.Context()); err == nil {
		t.Error("Commit after Abort succeeds")
	}
}

// testCommitCancelled checks that a Commit that fails leaves nothing to be
// seen, and can be followed by Abort.
func testCommitCancelled(t *testing.T, create func(*testing.T, int64) Sink) {
	s := create(t, disk.ChunkSize)
	write(t, s.Writer, []byte("secret"), 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Writer.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Commit with a cancelled context = %v, want context.Canceled", err)
	}
	if err := s.Writer.Abort(); err != nil {
		t.Fatalf("Abort after a failed Commit: %v", err)
	}
	if err := nothing(s); err != nil {
		t.Errorf("after Abort: %v", err)
	}
}
