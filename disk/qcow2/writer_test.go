package qcow2_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/disk/qcow2"
)

func TestWriter(t *testing.T) {
	t.Parallel()
	for _, o := range []qcow2.Options{
		{},
		{Version: 2, ClusterSize: 512},
		{Version: 2, ClusterSize: 4 << 10, Compression: qcow2.Zlib},
		{ClusterSize: 512, Compression: qcow2.Zstd},
		{Compression: qcow2.Zlib},
		{Compression: qcow2.Zstd, ExtendedL2: true},
		{ClusterSize: 2 << 20, Compression: qcow2.Zstd},
		{ClusterSize: 2 << 20, ExtendedL2: true},
	} {
		t.Run(name(o), func(t *testing.T) {
			t.Parallel()
			disktest.TestWriter(t, func(t *testing.T, size int64) disktest.Sink {
				f, err := os.Create(filepath.Join(t.TempDir(), "disk.qcow2"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { f.Close() })
				w, err := qcow2.Create(f, size, o)
				if err != nil {
					t.Fatal(err)
				}
				return disktest.Sink{Writer: w, Open: func() (disk.Image, error) {
					info, err := f.Stat()
					if err != nil {
						return nil, err
					}
					return qcow2.Open(f, info.Size())
				}}
			})
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		size int64
		o    qcow2.Options
	}{
		{"version", 512, qcow2.Options{Version: 1}},
		{"small clusters", 512, qcow2.Options{ClusterSize: 256}},
		{"large clusters", 512, qcow2.Options{ClusterSize: 4 << 20}},
		{"odd clusters", 512, qcow2.Options{ClusterSize: 65535}},
		{"negative clusters", 512, qcow2.Options{ClusterSize: -65536}},
		{"compression", 512, qcow2.Options{Compression: 7}},
		{"zstd in version 2", 512, qcow2.Options{Version: 2, Compression: qcow2.Zstd}},
		{"extended L2 in version 2", 512, qcow2.Options{Version: 2, ExtendedL2: true}},
		{"extended L2 in small clusters", 512, qcow2.Options{ClusterSize: 8 << 10, ExtendedL2: true}},
		{"half a sector", 256, qcow2.Options{}},
		{"negative size", -512, qcow2.Options{}},
		{"size above MaxSize", disk.MaxSize + 512, qcow2.Options{}},
		{"L1 table above 32 MiB", 129 << 30, qcow2.Options{ClusterSize: 512}},
	} {
		if _, err := qcow2.Create(&file{}, c.size, c.o); err == nil {
			t.Errorf("%s: Create succeeds", c.name)
		}
	}
}

// file is a File in memory that can fail.
type file struct {
	disktest.File
	failAfter int // writes; 0 means never
	failSync  int // the number of the Sync that fails
	syncs     int
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if f.failAfter > 0 {
		if f.failAfter--; f.failAfter == 0 {
			return 0, syscall.ENOSPC
		}
	}
	return f.File.WriteAt(p, off)
}

func (f *file) Sync() error {
	if f.syncs++; f.syncs == f.failSync {
		return syscall.EIO
	}
	return nil
}

// Whichever write or sync fails, the caller hears of it, and until the header
// is written there is no image.
func TestErrorsOfTheFile(t *testing.T) {
	t.Parallel()
	content := disktest.Content(5, 2<<20)
	run := func(f *file) error {
		w, err := qcow2.Create(f, int64(len(content)), qcow2.Options{Compression: qcow2.Zstd})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteAt(content[:1<<20], 0); err != nil {
			if w.Commit(t.Context()) == nil {
				t.Error("Commit after a failed WriteAt succeeds")
			}
			return err
		}
		if _, err := w.WriteAt(content[1<<20:], 1<<20); err != nil {
			return err
		}
		return w.Commit(t.Context())
	}
	writes := 0
	for n := 1; ; n++ {
		f := &file{failAfter: n}
		err := run(f)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("with write %d failing: %v, want ENOSPC", n, err)
		}
		if _, err := qcow2.Open(f, f.Size()); err == nil {
			t.Errorf("with write %d failing, there is an image", n)
		}
		writes++
	}
	if writes < 7 { // data, L2, L1, two of refcounts, header
		t.Errorf("only %d writes were made to fail", writes)
	}
	for n := 1; n <= 2; n++ {
		f := &file{failSync: n}
		if err := run(f); !errors.Is(err, syscall.EIO) {
			t.Errorf("with sync %d failing: %v, want EIO", n, err)
		}
		_, err := qcow2.Open(f, f.Size())
		if n == 1 && err == nil {
			t.Error("the header was written before the rest was durable")
		}
	}
}

// Compressed clusters are packed: a disk of text must become much smaller, and
// clusters that do not compress must not break the packing.
func TestPacking(t *testing.T) {
	t.Parallel()
	content := make([]byte, 16<<20)
	noise := disktest.Content(6, 64<<10)
	for off := 0; off < len(content); off += 64 << 10 {
		if off>>16%8 == 7 {
			for n := off; n < off+64<<10; n += copy(content[n:off+64<<10], noise[:512]) {
			}
			continue
		}
		for i := range content[off : off+64<<10] {
			content[off+i] = "text that repeats itself "[i%25]
		}
	}
	f := &file{}
	w, err := qcow2.Create(f, int64(len(content)), qcow2.Options{Compression: qcow2.Zstd})
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Copy(t.Context(), w, disktest.NewImage(content), nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, most := f.Size(), int64(1<<20); got > most {
		t.Errorf("16 MiB that compress 100 fold became %d bytes, want at most %d", got, most)
	}
}
