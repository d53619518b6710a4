package raw

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"origami/disk"
)

// File is what a disk is written to: an [os.File] or a durable.File.
type File interface {
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
}

// holeSize is the granularity of the holes that the writer leaves: the page of
// nearly every file system.
const holeSize = 4 << 10

// Create empties f and returns a writer that makes it a raw disk of size
// bytes, a multiple of [disk.SectorSize]. Zeros that were never anything else
// become holes.
//
// Commit makes the contents of f durable, and Abort empties f. The name of f is
// the caller's: a disk that must not be seen before it is whole is written
// under a temporary name and renamed after Commit. Closing f is the caller's
// as well.
//
// Ranges may be written again; what is there in the end is what was written
// last.
func Create(f File, size int64) (disk.Writer, error) {
	if size < 0 || size%disk.SectorSize != 0 {
		return nil, fmt.Errorf("create raw disk: size %d is not a number of sectors", size)
	}
	if size > disk.MaxSize {
		return nil, &disk.UnsupportedError{Format: "raw", Feature: fmt.Sprintf("a disk of %d bytes", size)}
	}
	if err := f.Truncate(0); err != nil {
		return nil, fmt.Errorf("create raw disk: %w", err)
	}
	if err := f.Truncate(size); err != nil {
		return nil, fmt.Errorf("create raw disk of %d bytes: %w", size, err)
	}
	chunks := (size + disk.ChunkSize - 1) / disk.ChunkSize
	return &writer{f: f, size: size, touched: make([]atomic.Uint32, (chunks+31)/32)}, nil
}

// writer writes a raw disk.
type writer struct {
	f    File
	size int64
	done atomic.Bool

	// touched has a bit for each chunk that may hold something other than
	// zeros, so that zeros must be written there and cannot be left out.
	touched []atomic.Uint32
}

var _ disk.Writer = (*writer)(nil)

var errDone = errors.New("write raw disk: already committed or aborted")

// WriteAt implements [io.WriterAt].
func (w *writer) WriteAt(p []byte, off int64) (int, error) {
	if w.done.Load() {
		return 0, errDone
	}
	if off < 0 || off > w.size || int64(len(p)) > w.size-off {
		return 0, fmt.Errorf("write raw disk: %d bytes at %d are outside the disk of %d bytes", len(p), off, w.size)
	}
	written := 0
	for len(p) > 0 {
		n := min(int64(len(p)), disk.ChunkSize-off%disk.ChunkSize)
		if err := w.writeChunk(p[:n], off); err != nil {
			return written, fmt.Errorf("write raw disk at %d: %w", off, err)
		}
		p, off, written = p[n:], off+n, written+int(n)
	}
	return written, nil
}

// writeChunk writes p, which lies within one chunk.
func (w *writer) writeChunk(p []byte, off int64) error {
	chunk := off / disk.ChunkSize
	word, bit := &w.touched[chunk/32], uint32(1)<<(chunk%32)
	if word.Load()&bit != 0 {
		_, err := w.f.WriteAt(p, off)
		return err
	}
	for len(p) > 0 {
		skip := zeroPages(p, off, true)
		p, off = p[skip:], off+int64(skip)
		if len(p) == 0 {
			return nil
		}
		word.Or(bit)
		n := zeroPages(p, off, false)
		if _, err := w.f.WriteAt(p[:n], off); err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// zeroPages returns how many bytes at the start of p, which is at off, are in
// pages that are zero, or are not.
func zeroPages(p []byte, off int64, zero bool) int {
	n := 0
	for n < len(p) {
		page := min(len(p)-n, holeSize-int((off+int64(n))%holeSize))
		if disk.IsZero(p[n:n+page]) != zero {
			break
		}
		n += page
	}
	return n
}

// Commit implements [disk.Writer].
func (w *writer) Commit(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if w.done.Swap(true) {
		return errDone
	}
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("commit raw disk: %w", err)
	}
	return nil
}

// Abort implements [disk.Writer].
func (w *writer) Abort() error {
	w.done.Store(true)
	if err := w.f.Truncate(0); err != nil {
		return fmt.Errorf("abort raw disk: %w", err)
	}
	return nil
}
