package disktest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
)

// File is a file in memory, as the writers of formats want it. The zero value
// is empty.
type File struct {
	mu sync.RWMutex // guards b
	b  []byte
}

// Bytes returns a copy of the contents.
func (f *File) Bytes() []byte {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return bytes.Clone(f.b)
}

// Size is the length in bytes.
func (f *File) Size() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return int64(len(f.b))
}

// ReadAt implements [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if off >= int64(len(f.b)) {
		return 0, io.EOF
	}
	n := copy(p, f.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [io.WriterAt].
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if end := off + int64(len(p)); end > int64(len(f.b)) {
		f.resize(end)
	}
	return copy(f.b[off:], p), nil
}

// Truncate sets the size.
func (f *File) Truncate(size int64) error {
	if size < 0 {
		return fmt.Errorf("truncate to %d bytes", size)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resize(size)
	return nil
}

// resize sets the size; growth is zero. The caller holds mu.
func (f *File) resize(size int64) {
	old := len(f.b)
	if size <= int64(old) {
		f.b = f.b[:size]
		return
	}
	f.b = slices.Grow(f.b, int(size)-old)[:size]
	clear(f.b[old:])
}

// Sync does nothing: a file in memory survives nothing.
func (f *File) Sync() error { return nil }
