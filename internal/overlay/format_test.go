package overlay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"path"
	"strings"
	"testing"

	"origami/disk"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

func noBase(string) (disk.Image, error) { return nil, errors.New("no base is known") }

func testBase(string) (disk.Image, error) { return make(image, 8*unit), nil }

// closedVolume makes a volume with frozen layers, data and zeros, and closes
// it. It returns the names of all files of metadata.
func closedVolume(t testing.TB) (*durabletest.CrashFS, []string) {
	t.Helper()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 16*unit, "label"); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", testBase)
	write(t, d, bytes.Repeat([]byte{1}, 3*unit), 0)
	if _, err := overlay.Freeze(d); err != nil {
		t.Fatal(err)
	}
	write(t, d, bytes.Repeat([]byte{2}, unit), 5*unit)
	if err := errors.Join(d.WriteZeroes(0, unit), d.Flush()); err != nil {
		t.Fatal(err)
	}
	write(t, d, []byte{3}, 7*unit)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fsys.List("v")
	if err != nil {
		t.Fatal(err)
	}
	var meta []string
	for _, n := range names {
		if n == "state" || strings.HasSuffix(n, ".map") {
			meta = append(meta, path.Join("v", n))
		}
	}
	if len(meta) != 3 {
		t.Fatalf("files of metadata: %q, want 3", meta)
	}
	return fsys, meta
}

func mustOpen(t testing.TB, fsys durable.FS, dir string, resolve func(string) (disk.Image, error)) *overlay.Device {
	t.Helper()
	d, err := overlay.Open(fsys, dir, resolve)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t testing.TB, d *overlay.Device, p []byte, off int64) {
	t.Helper()
	if _, err := d.WriteAt(p, off); err != nil {
		t.Fatal(err)
	}
}

// edit changes a file behind the volume's back.
func edit(t testing.TB, fsys durable.FS, name string, change func([]byte) []byte) {
	t.Helper()
	b, err := durable.ReadFile(fsys, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(fsys, name, change(b)); err != nil {
		t.Fatal(err)
	}
}

// TestBitFlips flips each bit of the state and the maps of a closed volume.
// Each must be noticed.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	fsys, meta := closedVolume(t)
	for _, name := range meta {
		b, err := durable.ReadFile(fsys, name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for bit := range 8 * len(b) {
			flipped := bytes.Clone(b)
			flipped[bit/8] ^= 1 << (bit % 8)
			edit(t, fsys, name, func([]byte) []byte { return flipped })
			if _, err := overlay.Open(fsys, "v", testBase); !errors.Is(err, overlay.ErrCorrupt) {
				t.Fatalf("bit %d of %s: %v, want ErrCorrupt", bit, name, err)
			}
		}
		for n := range len(b) {
			edit(t, fsys, name, func([]byte) []byte { return b[:n] })
			if _, err := overlay.Open(fsys, "v", testBase); !errors.Is(err, overlay.ErrCorrupt) {
				t.Fatalf("%s cut to %d bytes: %v, want ErrCorrupt", name, n, err)
			}
		}
		edit(t, fsys, name, func([]byte) []byte { return b })
	}
	mustOpen(t, fsys, "v", testBase).Close()
}

// TestDamagedRecord damages a record that others follow, in a volume that was
// not closed: it must not be taken for a torn append.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 1024*unit, ""); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", noBase)
	for i := range int64(3) {
		write(t, d, make([]byte, unit), i*300*unit)
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for at := 64; at < 64+100; at++ {
		damaged := fsys.Crash(0)
		edit(t, damaged, "v/0000000000000001.map", func(b []byte) []byte { b[at] ^= 0x10; return b })
		if _, err := overlay.Open(damaged, "v", noBase); !errors.Is(err, overlay.ErrCorrupt) {
			t.Fatalf("byte %d: %v, want ErrCorrupt", at, err)
		}
	}
}

func seal(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// TestUnsupported changes the fields that are reserved, with right checksums.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	for _, file := range []struct {
		index  int
		length int // of what the checksum covers; 0 for all but the last 4 bytes
	}{{0, 60}, {1, 60}, {2, 0}} {
		for _, at := range []int{8, 9, 10, 11, 12, 15} {
			fsys, meta := closedVolume(t)
			edit(t, fsys, meta[file.index], func(b []byte) []byte {
				n := file.length
				if n == 0 {
					n = len(b) - 4
				}
				b[at] ^= 0x40
				return append(seal(bytes.Clone(b[:n])), b[n+4:]...)
			})
			if _, err := overlay.Open(fsys, "v", testBase); !errors.Is(err, overlay.ErrUnsupported) {
				t.Errorf("byte %d of %s: %v, want ErrUnsupported", at, meta[file.index], err)
			}
		}
	}
}

// FuzzState opens volumes with any state, with a right checksum.
func FuzzState(f *testing.F) {
	fsys, meta := closedVolume(f)
	good, err := durable.ReadFile(fsys, meta[2], 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:len(good)-4])
	f.Add([]byte("ovlstate"))
	sealed := durabletest.New()
	encrypted(f, sealed, "v")
	good = contents(f, sealed, "v")["state"]
	f.Add(good[:len(good)-4])
	f.Fuzz(func(t *testing.T, b []byte) {
		fsys, meta := closedVolume(t)
		edit(t, fsys, meta[2], func([]byte) []byte { return seal(bytes.Clone(b)) })
		use(t, fsys)
	})
}

// use opens a volume that may be damaged. If it opens, it must work.
func use(t *testing.T, fsys durable.FS) {
	t.Helper()
	d, err := overlay.OpenWith(fsys, "v", overlay.Options{Resolve: testBase, Unwrap: func(w overlay.WrappedKey) ([]byte, error) {
		if len(w.KeyID) > overlay.MaxKeyID || len(w.Blob) > overlay.MaxWrappedKey {
			t.Errorf("key ID of %d bytes and key of %d", len(w.KeyID), len(w.Blob))
		}
		return testKey, nil
	}})
	if errors.Is(err, overlay.ErrWrongKey) {
		return
	}
	if err != nil {
		if !errors.Is(err, overlay.ErrCorrupt) && !errors.Is(err, overlay.ErrUnsupported) && !strings.Contains(err.Error(), "larger than the volume") {
			t.Fatalf("open: %v, which is neither ErrCorrupt nor ErrUnsupported", err)
		}
		return
	}
	write(t, d, make([]byte, min(10*unit, d.Size())), 0)
	if err := errors.Join(d.Flush(), d.Close()); err != nil {
		t.Fatal(err)
	}
}

// FuzzMap opens volumes whose map has one more record, with right checksums
// around any payload, and any bytes behind it.
func FuzzMap(f *testing.F) {
	entry := func(line uint64, n, form uint32, lit int) []byte {
		b := binary.LittleEndian.AppendUint64(nil, line)
		b = binary.LittleEndian.AppendUint32(b, n)
		b = binary.LittleEndian.AppendUint32(b, form)
		return append(b, bytes.Repeat([]byte{0x12}, lit)...)
	}
	f.Add(entry(0, 1, 0, 64), []byte{})
	f.Add(entry(0, 1, 1, 0), []byte("tail"))
	f.Add(entry(1, 1, 2, 0), []byte{})
	f.Add(entry(1<<63, 1<<31, 0, 0), []byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 80), bytes.Repeat([]byte{0xe7, 0xff, 0xd7, 0xff}, 20))
	f.Fuzz(func(t *testing.T, payload, tail []byte) {
		fsys, meta := closedVolume(t)
		edit(t, fsys, meta[1], func(b []byte) []byte {
			last := uint64(0) // the sequence number of the last record
			for off := 64; off+32 <= len(b); {
				last = binary.LittleEndian.Uint64(b[off+16:])
				off += 32 + int(binary.LittleEndian.Uint64(b[off+8:]))
			}
			h := binary.LittleEndian.AppendUint32(nil, 0xffd7ffe7)
			h = binary.LittleEndian.AppendUint32(h, crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
			h = binary.LittleEndian.AppendUint64(h, uint64(len(payload)))
			h = binary.LittleEndian.AppendUint64(h, last+1)
			h = binary.LittleEndian.AppendUint32(h, 0)
			b = append(b, seal(h)...)
			return append(append(b, payload...), tail...)
		})
		use(t, fsys)
	})
}

// FuzzLive opens volumes with any live log.
func FuzzLive(f *testing.F) {
	f.Add([]byte{}, []byte("ovllive\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		fsys, _ := closedVolume(t)
		edit(t, fsys, "v/0.live", func([]byte) []byte { return a })
		edit(t, fsys, "v/1.live", func(old []byte) []byte { return append(old, b...) })
		use(t, fsys)
	})
}
