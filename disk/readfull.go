package disk

import (
	"errors"
	"fmt"
	"io"
)

// ReadFull fills p with what r has at off, and returns how much of it there is.
// An r that ends before is an error too, io.ErrUnexpectedEOF; every error says
// what was read.
func ReadFull(r io.ReaderAt, p []byte, off int64) (int, error) {
	n, err := r.ReadAt(p, off)
	if n >= len(p) {
		return len(p), nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, fmt.Errorf("read %d bytes at offset %d: %w", len(p), off, err)
}
