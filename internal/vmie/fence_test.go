package vmie_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"origami/disk"
	"origami/internal/vmie"
)

// mistaken is a disk whose list of extents ends in a panic.
type mistaken struct{ disk.Image }

func (mistaken) Extents(context.Context, int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if yield(disk.Extent{Len: 512}, nil) {
			panic("slice bounds out of range")
		}
	}
}

func TestFence(t *testing.T) {
	t.Parallel()
	d := vmie.Fence(mistaken{})
	var last error
	n := 0
	for _, err := range d.Extents(t.Context(), 0) {
		last = err
		n++
	}
	if n != 2 || last == nil || !strings.Contains(last.Error(), "slice bounds out of range") {
		t.Errorf("%d extents, and then %v", n-1, last)
	}
	for range d.Extents(t.Context(), 0) {
		break
	}
	if _, err := d.ReadAt(make([]byte, 512), 0); err == nil {
		t.Error("a disk without a reader was read")
	}
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("the panic of the loop became %v", p)
		}
	}()
	for range d.Extents(t.Context(), 0) {
		panic("mine")
	}
}
