package raw_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/disk/raw"
)

func newFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestWriter(t *testing.T) {
	t.Parallel()
	disktest.TestWriter(t, func(t *testing.T, size int64) disktest.Sink {
		f := newFile(t)
		w, err := raw.Create(f, size)
		if err != nil {
			t.Fatal(err)
		}
		return disktest.Sink{Writer: w, Open: func() (disk.Image, error) {
			info, err := f.Stat()
			if err != nil {
				return nil, err
			}
			return raw.Open(f, info.Size())
		}}
	})
}

func TestReader(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 512, 4096, 1<<20 + 512} {
		want := disktest.Content(1, size)
		m, err := raw.Open(bytes.NewReader(want), size)
		if err != nil {
			t.Fatal(err)
		}
		disktest.TestImage(t, m, want)
	}
}

func TestSizeIsRoundedUp(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, 511, 513, 1<<20 + 100} {
		b := bytes.Repeat([]byte{0xff}, int(size))
		want := append(bytes.Clone(b), make([]byte, 512-size%512)...)
		f := newFile(t)
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		for _, r := range []io.ReaderAt{bytes.NewReader(b), f} {
			m, err := raw.Open(r, size)
			if err != nil {
				t.Fatal(err)
			}
			disktest.TestImage(t, m, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	if _, err := raw.Open(bytes.NewReader(nil), -1); err == nil {
		t.Error("Open of size -1 succeeds")
	}
	if _, err := raw.Open(bytes.NewReader(nil), disk.MaxSize+1); !errors.Is(err, disk.ErrUnsupported) {
		t.Errorf("Open of a size above MaxSize = %v, want ErrUnsupported", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	for _, size := range []int64{-512, 1, 513, disk.MaxSize + 512} {
		if _, err := raw.Create(f, size); err == nil {
			t.Errorf("Create of size %d succeeds", size)
		}
	}
}

// A file that shrank must not read as zeros.
func TestShortFile(t *testing.T) {
	t.Parallel()
	m, err := raw.Open(bytes.NewReader(make([]byte, 1000)), 2000)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := m.ReadAt(make([]byte, 2000), 0); n != 1000 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ReadAt beyond the file = %d, %v, want 1000, ErrUnexpectedEOF", n, err)
	}
}

// Holes must be seen when reading, and made when writing.
func TestHoles(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	f := newFile(t)
	w, err := raw.Create(f, size)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, size)
	copy(want[10<<20:], "one page")
	copy(want[40<<20+8000:], "two pages, unless they are large")
	if _, err := w.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Blocks*512 > 1<<20 {
		t.Errorf("a disk of three pages occupies %d bytes", stat.Blocks*512)
	}
	m, err := raw.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	var data int64
	for e, err := range m.Extents(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if !e.Zero {
			data += e.Len
		}
	}
	if data == 0 || data > 1<<20 {
		t.Errorf("%d bytes are in extents of data, want a few pages", data)
	}
}

// badFile fails as a full or dying disk does.
type badFile struct{ write, sync error }

func (f badFile) WriteAt(p []byte, _ int64) (int, error) { return len(p), f.write }
func (f badFile) Truncate(int64) error                   { return nil }
func (f badFile) Sync() error                            { return f.sync }

func TestErrorsOfTheFile(t *testing.T) {
	t.Parallel()
	w, err := raw.Create(badFile{write: syscall.ENOSPC, sync: syscall.EIO}, 512)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("WriteAt = %v, want ENOSPC", err)
	}
	if err := w.Commit(t.Context()); !errors.Is(err, syscall.EIO) {
		t.Errorf("Commit = %v, want EIO", err)
	}
	if err := w.Commit(t.Context()); err == nil {
		t.Error("Commit after a failed sync succeeds: the kernel may have dropped the pages")
	}
}
