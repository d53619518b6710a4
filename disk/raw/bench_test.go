package raw_test

import (
	"context"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/disk/raw"
)

// discard is a writer that takes everything.
type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (discard) Commit(context.Context) error           { return nil }
func (discard) Abort() error                           { return nil }

// BenchmarkCopy measures reading: Copy from a sparse file to nowhere.
func BenchmarkCopy(b *testing.B) {
	content := disktest.Content(1, 64<<20)
	f := newFile(b)
	w, err := raw.Create(f, int64(len(content)))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.WriteAt(content, 0); err != nil {
		b.Fatal(err)
	}
	if err := w.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	m, err := raw.Open(f, int64(len(content)))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(m.Size())
	b.ReportAllocs()
	for b.Loop() {
		if err := disk.Copy(b.Context(), discard{}, m, nil); err != nil {
			b.Fatal(err)
		}
	}
}
