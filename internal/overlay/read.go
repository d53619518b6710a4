package overlay

import (
	"context"
	"fmt"
	"io"
	"iter"
	"syscall"

	"origami/disk"
)

// ReadAt implements io.ReaderAt. A range that reaches the end of the volume
// comes with io.EOF.
func (d *Device) ReadAt(p []byte, off int64) (int, error) {
	v, err := d.acquire()
	if err != nil {
		return 0, err
	}
	defer v.release()
	return v.readDisk(p, off, d.Size())
}

// readDisk is ReadAt of a disk of that size.
func (v *view) readDisk(p []byte, off, size int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d: %w", off, syscall.EINVAL)
	}
	if off >= size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), size-off)
	if err := v.readAt(p[:n], off); err != nil {
		return 0, err
	}
	if off+n == size {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Extents implements disk.Image: it yields the runs from off to the end, zero
// ones apart. Concurrent writes may or may not be seen.
func (d *Device) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		v, err := d.acquire()
		if err != nil {
			yield(disk.Extent{}, err)
			return
		}
		defer v.release()
		v.extents(ctx, max(off, 0), d.Size())(yield)
	}
}

// Allocation calls each with the runs of the n bytes from off on, until it
// returns false, for an NBD server.
func (d *Device) Allocation(ctx context.Context, off, n int64, each func(length int64, zero bool) bool) error {
	if err := d.checkRange(off, n); err != nil {
		return err
	}
	v, err := d.acquire()
	if err != nil {
		return err
	}
	defer v.release()
	for e, err := range v.extents(ctx, off, off+n) {
		if err != nil {
			return err
		}
		if !each(e.Len, e.Zero) {
			break
		}
	}
	return nil
}
