package raw

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"

	"origami/disk"
)

// Open returns the disk whose bytes are the first size bytes of r. The size is
// rounded up to a multiple of [disk.SectorSize], and the bytes this adds are
// zero. Sizes above [disk.MaxSize] are refused with [disk.UnsupportedError].
//
// If r is an [os.File] on a system that can tell where its holes are, Extents
// reports them as zero. That moves the position of the file, which nothing
// here depends on. Closing the image does not close r.
func Open(r io.ReaderAt, size int64) (disk.Image, error) {
	if size < 0 {
		return nil, fmt.Errorf("open raw disk: size %d is negative", size)
	}
	if size > disk.MaxSize {
		return nil, &disk.UnsupportedError{Format: "raw", Feature: fmt.Sprintf("a disk of %d bytes", size)}
	}
	m := &image{r: r, stored: size, size: roundUp(size, disk.SectorSize)}
	m.file, _ = r.(*os.File)
	return m, nil
}

func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// image is an open raw disk.
type image struct {
	r      io.ReaderAt
	file   *os.File // r, if that is what it is
	stored int64    // bytes in r
	size   int64    // stored, rounded up to a sector
}

var _ disk.Image = (*image)(nil)

func (m *image) Size() int64  { return m.size }
func (m *image) Close() error { return nil }

// ReadAt implements [io.ReaderAt].
func (m *image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read raw disk: offset %d is negative", off)
	}
	if off >= m.size {
		return 0, io.EOF
	}
	var eof error
	if int64(len(p)) > m.size-off {
		p, eof = p[:m.size-off], io.EOF
	}
	stored := p[:max(0, min(int64(len(p)), m.stored-off))]
	if n, err := disk.ReadFull(m.r, stored, off); err != nil {
		return n, fmt.Errorf("raw disk: %w", err)
	}
	clear(p[len(stored):])
	return len(p), eof
}

// Extents implements [disk.Image].
func (m *image) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 {
			yield(disk.Extent{}, fmt.Errorf("extents of raw disk: offset %d is negative", off))
			return
		}
		for off < m.size {
			if err := ctx.Err(); err != nil {
				yield(disk.Extent{}, context.Cause(ctx))
				return
			}
			e := m.extent(off)
			if !yield(e, nil) {
				return
			}
			off += e.Len
		}
	}
}

// extent returns the run that begins at off, which is inside the disk.
func (m *image) extent(off int64) disk.Extent {
	rest := disk.Extent{Off: off, Len: m.size - off}
	if m.file == nil {
		return rest
	}
	data, hole, ok := nextData(m.file, off)
	switch {
	case !ok:
		return rest
	case data >= m.stored:
		rest.Zero = true
		return rest
	case data > off:
		return disk.Extent{Off: off, Len: data - off, Zero: true}
	case hole >= m.stored:
		return rest
	}
	return disk.Extent{Off: off, Len: hole - off}
}
