package overlay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"origami/disk"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

// TestLargest works at the borders of the largest volumes on the file system of
// the machine, on which one file of that length may be impossible.
func TestLargest(t *testing.T) {
	t.Parallel()
	const tib = 1 << 40
	for _, size := range []int64{16 * tib, disk.MaxSize} {
		for _, crypt := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d TiB, encrypted %v", size/tib, crypt), func(t *testing.T) {
				t.Parallel()
				fsys, err := durable.OS(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				if crypt {
					err = overlay.CreateEncrypted(fsys, "v", size, "", testKey, testWrapped)
				} else {
					err = overlay.Create(fsys, "v", size, "")
				}
				if err != nil {
					t.Fatal(err)
				}
				useLargest(t, fsys, size)
			})
		}
	}
}

func useLargest(t *testing.T, fsys durable.FS, size int64) {
	const file = 1 << 40
	places := []int64{0, file - unit, file, size / 2, size/2 + file - 2*unit, size - 2*unit}
	d := openEncrypted(t, fsys, "v")
	want := make(map[int64]byte)
	round := func(fill byte) {
		for i, at := range places {
			write(t, d, bytes.Repeat([]byte{fill + byte(i)}, 2*unit), at)
			for u := range int64(2) {
				want[at+u*unit] = fill + byte(i)
			}
		}
	}
	check := func() {
		t.Helper()
		p := make([]byte, unit)
		for at, b := range want {
			if n, err := d.ReadAt(p, at); n < unit || err != nil && err != io.EOF || !bytes.Equal(p, bytes.Repeat([]byte{b}, unit)) {
				t.Errorf("unit at %d is %.4x…, %v; want %x", at, p, err, b)
			}
		}
		// A read across the border of files.
		p = make([]byte, 3*unit)
		if _, err := d.ReadAt(p, file-unit); err != nil || p[unit-1] != want[file-unit] || p[unit] != want[file] {
			t.Errorf("read across two files: %x %x, %v; want %x %x", p[unit-1], p[unit], err, want[file-unit], want[file])
		}
	}
	reopen := func() {
		t.Helper()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = openEncrypted(t, fsys, "v")
		if d.Size() != size {
			t.Errorf("size is %d, want %d", d.Size(), size)
		}
	}
	round(1)
	check()
	ids, err := overlay.Freeze(d)
	if err != nil {
		t.Fatal(err)
	}
	reopen()
	check()
	round(101)
	f, err := d.Frozen(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, unit)
	if _, err := f.ReadAt(p, size-unit); err != io.EOF || p[0] != byte(len(places)) {
		t.Errorf("frozen, the last unit is %x, %v; want %x, %v", p[0], err, len(places), io.EOF)
	}
	dirty := int64(0)
	for e := range f.Dirty(t.Context()) {
		dirty += e.Len / unit
	}
	if want := int64(len(want)); dirty != want {
		t.Errorf("%d units changed, want %d", dirty, want)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, file, size - unit} {
		if err := d.WriteZeroes(at, unit); err != nil {
			t.Fatal(err)
		}
		want[at] = 0
	}
	reopen()
	check()
	if err := d.Trim(0, size); err != nil {
		t.Fatal(err)
	}
	for at := range want {
		want[at] = 0
	}
	reopen()
	check()
	for e, err := range d.Extents(t.Context(), 0) {
		if err != nil || e != (disk.Extent{Len: size, Zero: true}) {
			t.Errorf("trimmed, the volume has extent %+v, %v", e, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// A data file that is not there although it holds data is found at once.
func TestMissingFile(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{0, 1, 3} {
		fsys := durabletest.New()
		if err := overlay.Create(fsys, "v", 4<<40, ""); err != nil {
			t.Fatal(err)
		}
		d := mustOpen(t, fsys, "v", noBase)
		write(t, d, []byte("x"), n<<40+12345)
		if err := errors.Join(d.WriteZeroes(2<<40, 1<<30), d.Close()); err != nil {
			t.Fatal(err)
		}
		names, err := fsys.List("v")
		if err != nil {
			t.Fatal(err)
		}
		data := fmt.Sprintf("0000000000000001.%02x.data", n)
		if got := names[0] + " " + names[1]; got != "0.live "+data {
			t.Fatalf("files %q, want %s and no other of data", names, data)
		}
		if err := fsys.Remove("v/" + data); err != nil {
			t.Fatal(err)
		}
		if _, err := overlay.Open(fsys, "v", noBase); !errors.Is(err, overlay.ErrCorrupt) {
			t.Errorf("without file %d: %v, want ErrCorrupt", n, err)
		}
	}
}
