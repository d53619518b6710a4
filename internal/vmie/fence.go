package vmie

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"

	"origami/disk"
)

// fenced is a disk whose reader may have a mistake. Disks from outside are
// read by goroutines of the copy, where a panic would end the whole service
// for one bad file; behind the fence it is an error of that import.
type fenced struct{ disk.Image }

func panicked(p any) error {
	return fmt.Errorf("reader of the disk panicked: %v\n%s", p, debug.Stack())
}

// ReadAt implements [disk.Image].
func (f fenced) ReadAt(p []byte, off int64) (n int, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, panicked(r)
		}
	}()
	return f.Image.ReadAt(p, off)
}

// Extents implements [disk.Image].
func (f fenced) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		theirs := false // whether the body of the loop runs, whose panics are none of ours
		defer func() {
			if theirs {
				return
			}
			if r := recover(); r != nil {
				yield(disk.Extent{}, panicked(r))
			}
		}()
		for e, err := range f.Image.Extents(ctx, off) {
			theirs = true
			more := yield(e, err)
			theirs = false
			if !more {
				return
			}
		}
	}
}
