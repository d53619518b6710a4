package blockstore_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/internal/blockstore"
	"origami/internal/blockstore/blockstoretest"
	"origami/internal/durable"
	"origami/internal/objstore/dir"
)

// anyKey has a key for every domain.
type anyKey struct{}

func (anyKey) DomainKey(_ context.Context, d blockstore.Domain) (blockstore.Key, error) {
	return blockstore.Key(sha256.Sum256([]byte(d))), nil
}

// benchStore is a store in a directory of the operating system.
func benchStore(b *testing.B) *blockstore.Store {
	b.Helper()
	fsys, err := durable.OS(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	bucket, err := dir.Open(fsys)
	if err != nil {
		b.Fatal(err)
	}
	s, err := blockstore.Open(b.Context(), blockstore.Config{Bucket: bucket, Index: blockstoretest.NewMemIndex(), Keys: anyKey{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
		if err := bucket.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func benchImport(b *testing.B, s *blockstore.Store, src disk.Image) blockstore.Root {
	b.Helper()
	w, err := s.NewWriter(src.Size(), blockstore.Root{})
	if err != nil {
		b.Fatal(err)
	}
	if err := disk.Copy(b.Context(), w, src, nil); err != nil {
		b.Fatal(err)
	}
	if err := w.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	return w.Root()
}

const benchSize = 64 << 20

// BenchmarkImport is the import of a disk into an empty store, syncs included.
func BenchmarkImport(b *testing.B) {
	src := disktest.NewImage(disktest.Content(1, benchSize))
	b.SetBytes(benchSize)
	for b.Loop() {
		b.StopTimer()
		s := benchStore(b)
		b.StartTimer()
		benchImport(b, s, src)
	}
}

// BenchmarkImportAgain is the import of a disk that the store has.
func BenchmarkImportAgain(b *testing.B) {
	src := disktest.NewImage(disktest.Content(1, benchSize))
	s := benchStore(b)
	benchImport(b, s, src)
	b.SetBytes(benchSize)
	for b.Loop() {
		benchImport(b, s, src)
	}
}

// BenchmarkExport reads a whole disk, checking every block.
func BenchmarkExport(b *testing.B) {
	s := benchStore(b)
	root := benchImport(b, s, disktest.NewImage(disktest.Content(1, benchSize)))
	img, err := s.Image(b.Context(), root)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	for b.Loop() {
		if err := disk.Copy(b.Context(), discard{}, img, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadCold reads 4 KiB of a block that is not in the cache.
func BenchmarkReadCold(b *testing.B) {
	s := benchStore(b)
	root := benchImport(b, s, disktest.NewImage(disktest.Content(1, benchSize)))
	img, err := s.Image(b.Context(), root)
	if err != nil {
		b.Fatal(err)
	}
	buf, n := make([]byte, 4096), int64(0)
	for b.Loop() {
		if _, err := img.ReadAt(buf, n*block%benchSize); err != nil {
			b.Fatal(err)
		}
		n++
	}
}

type discard struct{}

func (discard) WriteAt(p []byte, off int64) (int, error) { return len(p), nil }
func (discard) Commit(context.Context) error             { return nil }
func (discard) Abort() error                             { return nil }

// BenchmarkCopy copies a disk from one domain into another, syncs included: one
// that was made up, or if ORIGAMI_BENCH_DISK names a raw disk, a part of that.
// BenchmarkCopyLimit is its limit on one core.
func BenchmarkCopy(b *testing.B) {
	data, benchSize := disktest.Content(1, benchSize), int64(benchSize)
	if name := os.Getenv("ORIGAMI_BENCH_DISK"); name != "" {
		var err error
		if data, err = disktest.Sample(name, 1000, block); err != nil {
			b.Fatal(err)
		}
		benchSize = int64(len(data))
	}
	s := benchStore(b)
	plain := benchImport(b, s, disktest.NewImage(data))
	src, err := s.Copy(b.Context(), plain, keyA, blockstore.CopyOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	for n := 0; b.Loop(); n++ {
		to := blockstore.Domain(fmt.Sprint("to ", n))
		if _, err := s.Copy(b.Context(), src, to, blockstore.CopyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
