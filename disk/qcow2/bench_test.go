package qcow2_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/disk/qcow2"
)

// discard is a writer that takes everything.
type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (discard) Commit(context.Context) error           { return nil }
func (discard) Abort() error                           { return nil }

// BenchmarkCopy measures reading: Copy from a qcow2 file to nowhere. The rate
// is that of the disk, a third of which is holes.
func BenchmarkCopy(b *testing.B) {
	content := disktest.Content(1, 64<<20)
	for _, o := range []qcow2.Options{
		{}, {ClusterSize: 4096}, {Compression: qcow2.Zlib}, {Compression: qcow2.Zstd},
		{Compression: qcow2.Zstd, ClusterSize: 4096}, {Compression: qcow2.Zstd, ClusterSize: 2 << 20},
	} {
		b.Run(fmt.Sprintf("cluster=%d/%v", o.ClusterSize, o.Compression), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "disk.qcow2")
			create(b, path, o, content)
			m := openFile(b, path)
			b.SetBytes(m.Size())
			b.ReportAllocs()
			for b.Loop() {
				if err := disk.Copy(b.Context(), discard{}, m, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWrite measures writing: Copy from memory to a qcow2 file, with the
// syncs of Commit.
func BenchmarkWrite(b *testing.B) {
	content := disktest.Content(1, 64<<20)
	src := disktest.NewImage(content)
	for _, c := range []qcow2.Compression{qcow2.None, qcow2.Zlib, qcow2.Zstd} {
		b.Run(c.String(), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "disk.qcow2"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			b.SetBytes(src.Size())
			b.ReportAllocs()
			for b.Loop() {
				w, err := qcow2.Create(f, src.Size(), qcow2.Options{Compression: c})
				if err != nil {
					b.Fatal(err)
				}
				if err := disk.Copy(b.Context(), w, src, nil); err != nil {
					b.Fatal(err)
				}
				if err := w.Commit(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
