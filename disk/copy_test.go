package disk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
)

func TestCopy(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 512, disk.ChunkSize - 512, disk.ChunkSize, disk.ChunkSize + 512, 5<<20 + 512} {
		want := disktest.Content(uint64(size), size)
		dst := disktest.NewMemory(size)
		var last disk.Progress
		calls := 0
		err := disk.Copy(t.Context(), dst, disktest.NewImage(want), func(p disk.Progress) {
			calls++
			if p.Done < last.Done || p.Data < last.Data || p.Total != size || p.Done > size || p.Data > p.Done {
				t.Errorf("progress %+v after %+v", p, last)
			}
			last = p
		})
		if err != nil {
			t.Fatalf("Copy of %d bytes: %v", size, err)
		}
		if !bytes.Equal(dst.Bytes(), want) {
			t.Errorf("Copy of %d bytes gives other bytes", size)
		}
		if last.Done != size {
			t.Errorf("Copy of %d bytes ends at %+v", size, last)
		}
		if most := int(size/disk.ChunkSize) + 2; calls == 0 || calls > most {
			t.Errorf("progress of %d bytes was told %d times, want 1 to %d", size, calls, most)
		}
	}
}

// recorder notes the ranges written.
type recorder struct {
	disk.Writer
	seen [64]atomic.Int32
	bad  atomic.Int32
	size int64
}

func (r *recorder) WriteAt(p []byte, off int64) (int, error) {
	if off%disk.ChunkSize != 0 || int64(len(p)) != min(disk.ChunkSize, r.size-off) || disk.IsZero(p) {
		r.bad.Add(1)
	}
	r.seen[off/disk.ChunkSize].Add(1)
	return len(p), nil
}

// Copy promises receivers whole, aligned chunks, once each, and no zeros.
func TestCopyWritesChunks(t *testing.T) {
	t.Parallel()
	const size = 10*disk.ChunkSize + 1536
	b := make([]byte, size)
	for _, off := range []int{0, 511, 2*disk.ChunkSize - 1, 4 * disk.ChunkSize, 4*disk.ChunkSize + 1000, size - 1} {
		b[off] = 1
	}
	r := &recorder{size: size}
	var data int64
	if err := disk.Copy(t.Context(), r, disktest.NewImage(b), func(p disk.Progress) { data = p.Data }); err != nil {
		t.Fatal(err)
	}
	if n := r.bad.Load(); n != 0 {
		t.Errorf("%d writes are not whole chunks of data", n)
	}
	for i := range r.seen {
		want := int32(0)
		if i == 0 || i == 1 || i == 4 || i == 10 {
			want = 1
		}
		if got := r.seen[i].Load(); got != want {
			t.Errorf("chunk %d was written %d times, want %d", i, got, want)
		}
	}
	if want := int64(3*disk.ChunkSize + 1536); data != want {
		t.Errorf("%d bytes were read as data, want %d", data, want)
	}
}

// source is an image with given extents and failures.
type source struct {
	size    int64
	extents []disk.Extent
	err     error // of Extents, at the end
	readErr error
	onRead  func()
}

func (s *source) Size() int64  { return s.size }
func (s *source) Close() error { return nil }
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.onRead != nil {
		s.onRead()
	}
	if s.readErr != nil {
		return 0, s.readErr
	}
	for i := range p {
		p[i] = 1
	}
	return len(p), nil
}
func (s *source) Extents(context.Context, int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		for _, e := range s.extents {
			if !yield(e, nil) {
				return
			}
		}
		if s.err != nil {
			yield(disk.Extent{}, s.err)
		}
	}
}

func TestCopyErrors(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	const size = 4 * disk.ChunkSize
	all := []disk.Extent{{Len: size}}
	for _, c := range []struct {
		name string
		src  *source
		dst  disk.Writer
		is   error
		says string
	}{
		{"extents", &source{size: size, extents: []disk.Extent{{Len: 1024, Zero: true}}, err: boom}, nil, boom, "offset 1024"},
		{"read", &source{size: size, extents: []disk.Extent{{Len: size - 512, Zero: true}, {Off: size - 512, Len: 512}}, readErr: boom}, nil, boom, "offset 1572864"},
		{"short read", &source{size: size, extents: all, readErr: io.EOF}, nil, io.ErrUnexpectedEOF, "offset"},
		{"write", &source{size: size, extents: all}, failingWriter{boom}, boom, "write 524288 bytes at offset"},
		{"gap", &source{size: size, extents: []disk.Extent{{Len: 512}, {Off: 1024, Len: size - 1024}}}, nil, nil, "at 1024"},
		{"overlap", &source{size: size, extents: []disk.Extent{{Len: 512}, {Off: 0, Len: size}}}, nil, nil, "at 0"},
		{"beyond the end", &source{size: size, extents: []disk.Extent{{Len: size + 512}}}, nil, nil, "extent"},
		{"empty run", &source{size: size, extents: []disk.Extent{{Len: 0}, {Len: size}}}, nil, nil, "extent of 0"},
		{"end too early", &source{size: size, extents: []disk.Extent{{Len: 512}}}, nil, nil, "end at offset 512"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dst := c.dst
			if dst == nil {
				dst = disktest.NewMemory(size)
			}
			err := disk.Copy(t.Context(), dst, c.src, nil)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Copy = %v, want an error that says %q", err, c.says)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("Copy = %v, want one that is %v", err, c.is)
			}
		})
	}
}

type failingWriter struct{ err error }

func (w failingWriter) WriteAt([]byte, int64) (int, error) { return 0, w.err }
func (w failingWriter) Commit(context.Context) error       { return w.err }
func (w failingWriter) Abort() error                       { return nil }

func TestCopyCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	var reads atomic.Int32
	const size = 10_000 * disk.ChunkSize
	src := &source{size: size, extents: []disk.Extent{{Len: size}}, onRead: func() {
		if reads.Add(1) == 3 {
			cancel(reason)
		}
	}}
	if err := disk.Copy(ctx, discard{}, src, nil); !errors.Is(err, reason) {
		t.Errorf("Copy = %v, want the cause of its context's end", err)
	}
	if n := reads.Load(); n > 300 {
		t.Errorf("%d chunks were read after the context had ended", n)
	}
	if err := disk.Copy(ctx, discard{}, src, nil); !errors.Is(err, reason) {
		t.Errorf("Copy with an ended context = %v, want its cause", err)
	}
}

type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (discard) Commit(context.Context) error           { return nil }
func (discard) Abort() error                           { return nil }

func TestIsZero(t *testing.T) {
	t.Parallel()
	b := make([]byte, 200_000)
	for _, n := range []int{0, 1, 4096, 65536, 65537, 131072, 200_000} {
		if !disk.IsZero(b[:n]) {
			t.Errorf("IsZero of %d zeros is false", n)
		}
		for _, i := range []int{0, n / 2, n - 1} {
			if n == 0 {
				continue
			}
			b[i] = 1
			if disk.IsZero(b[:n]) {
				t.Errorf("IsZero of %d bytes with a one at %d is true", n, i)
			}
			b[i] = 0
		}
	}
}

// older is a writer whose disk begins as another, older disk.
type older struct{ *disktest.Memory }

func (o older) Zero(off, n int64) error {
	_, err := o.WriteAt(make([]byte, n), off)
	return err
}

// A chunk that became zero must not keep what an older disk held there.
func TestCopyZeroesOverOlderDisk(t *testing.T) {
	t.Parallel()
	const size = 3 * disk.ChunkSize
	dst := older{disktest.NewMemory(size)}
	if _, err := dst.WriteAt(bytes.Repeat([]byte{7}, size), 0); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, size)
	want[0] = 1 // the other two chunks are zero, but not holes
	src := disktest.NewImage(want)
	if err := disk.Copy(t.Context(), dst, dense{src}, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dst.Bytes(), want) {
		t.Error("old content shines through chunks that are zero now")
	}
}

// dense is an image that calls nothing zero.
type dense struct{ disk.Image }

func (d dense) Extents(context.Context, int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) { yield(disk.Extent{Len: d.Size()}, nil) }
}
