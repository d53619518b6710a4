package disktest

import (
	"errors"
	"fmt"
	"io"
	"os"

	"origami/disk"
)

// Sample reads n blocks of the given size in bytes, of a raw disk in a file: the
// first ones that are not zero throughout. A disk with fewer is an error.
func Sample(name string, n, size int) (_ []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	all := make([]byte, 0, n*size)
	for len(all) < n*size {
		block := all[len(all) : len(all)+size]
		if _, err := io.ReadFull(f, block); err != nil {
			return nil, fmt.Errorf("%s has %d blocks that are not zero, want %d: %w", name, len(all)/size, n, err)
		}
		if !disk.IsZero(block) {
			all = all[:len(all)+size]
		}
	}
	return all, nil
}
