package qcow2_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"origami/disk"
	"origami/disk/disktest"
	"origami/disk/qcow2"
)

// victim is a sound image that tests do harm to.
type victim struct {
	b       []byte
	content []byte
}

func newVictim(t testing.TB, o qcow2.Options) *victim {
	t.Helper()
	const size = 200 << 10
	v := &victim{content: disktest.Content(7, size)}
	for i := range 128 << 10 { // two clusters of 64 KiB that compress
		v.content[i] = "some text, "[i%11]
	}
	var f disktest.File
	w, err := qcow2.Create(&f, size, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(v.content, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.b = f.Bytes()
	return v
}

func (v *victim) put32(off int, x uint32)  { binary.BigEndian.PutUint32(v.b[off:], x) }
func (v *victim) put64(off int, x uint64)  { binary.BigEndian.PutUint64(v.b[off:], x) }
func (v *victim) get64(off int) uint64     { return binary.BigEndian.Uint64(v.b[off:]) }
func (v *victim) l1() int                  { return int(v.get64(40)) }
func (v *victim) l2() int                  { return int(v.get64(v.l1()) & 0xfffffffffffe00) }
func (v *victim) set(bit, off int)         { v.put64(off, v.get64(off)|1<<bit) }
func (v *victim) extension(k, n uint32)    { v.put32(112, k); v.put32(116, n) }
func (v *victim) putL2(i int, x uint64)    { v.put64(v.l2()+8*i, x) }
func (v *victim) compressed(i int) []byte  { return v.b[v.get64(v.l2()+8*i)&(1<<54-1):] }
func (v *victim) store(i int, data string) { copy(v.compressed(i), data) }

// readAll opens b and reads all that its extents call data, up to a limit. It
// returns the content of disks of up to 1 MiB.
func readAll(t testing.TB, b []byte, limit int64) (content []byte, err error) {
	m, err := qcow2.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if m.Size() <= 1<<20 {
		content = make([]byte, m.Size())
	}
	buf := make([]byte, 256<<10)
	for e, err := range m.Extents(t.Context(), 0) {
		if err != nil {
			return nil, err
		}
		if e.Zero {
			continue
		}
		for end := e.Off + e.Len; e.Off < end; {
			n, err := m.ReadAt(buf[:min(int64(len(buf)), end-e.Off)], e.Off)
			if err != nil && err != io.EOF {
				return nil, err
			}
			if content != nil {
				copy(content[e.Off:], buf[:n])
			}
			e.Off += int64(n)
			if limit -= int64(n); limit < 0 {
				return nil, nil
			}
		}
	}
	return content, nil
}

// Each of these must be refused, with the right kind of error, that says what
// is wrong, without reading or allocating much.
func TestHostile(t *testing.T) {
	plain := qcow2.Options{}
	zlib := qcow2.Options{Compression: qcow2.Zlib}
	zstd := qcow2.Options{Compression: qcow2.Zstd}
	extended := qcow2.Options{ExtendedL2: true}
	unsupported, malformed := disk.ErrUnsupported, disk.ErrFormat
	for _, c := range []struct {
		name string
		o    qcow2.Options
		harm func(v *victim)
		is   error
		says string
	}{
		{"empty file", plain, func(v *victim) { v.b = nil }, malformed, "no header"},
		{"magic", plain, func(v *victim) { v.b[3] = 0 }, malformed, "no header"},
		{"version 0", plain, func(v *victim) { v.put32(4, 0) }, unsupported, "version 0"},
		{"version 1", plain, func(v *victim) { v.put32(4, 1) }, unsupported, "version 1"},
		{"version 4", plain, func(v *victim) { v.put32(4, 4) }, unsupported, "version 4"},
		{"backing file", plain, func(v *victim) { v.put64(8, 512) }, unsupported, "backing file"},
		{"backing file without a name", plain, func(v *victim) { v.put64(8, 1<<63) }, unsupported, "backing file"},
		{"cluster_bits 0", plain, func(v *victim) { v.put32(20, 0) }, malformed, "cluster_bits"},
		{"cluster_bits 8", plain, func(v *victim) { v.put32(20, 8) }, malformed, "cluster_bits"},
		{"cluster_bits 22", plain, func(v *victim) { v.put32(20, 22) }, unsupported, "cluster_bits"},
		{"cluster_bits 64", plain, func(v *victim) { v.put32(20, 64) }, unsupported, "cluster_bits"},
		{"cluster_bits 2^32-1", plain, func(v *victim) { v.put32(20, 1<<32-1) }, unsupported, "cluster_bits"},
		{"size 2^63", plain, func(v *victim) { v.put64(24, 1<<63) }, unsupported, "9223372036854775808 bytes"},
		{"size 2^64-512", plain, func(v *victim) { v.put64(24, 1<<64-512) }, unsupported, "bytes"},
		{"size above MaxSize", plain, func(v *victim) { v.put64(24, disk.MaxSize+512) }, unsupported, "bytes"},
		{"size of half a sector", plain, func(v *victim) { v.put64(24, 256) }, unsupported, "sectors"},
		{"size without L1 table", plain, func(v *victim) { v.put64(24, disk.MaxSize) }, malformed, "L1 table"},
		{"AES", plain, func(v *victim) { v.put32(32, 1) }, unsupported, "AES"},
		{"LUKS", plain, func(v *victim) { v.put32(32, 2) }, unsupported, "LUKS"},
		{"encryption method 3", plain, func(v *victim) { v.put32(32, 3) }, unsupported, "encryption"},
		{"giant L1", plain, func(v *victim) { v.put32(36, 1<<32-1) }, malformed, "L1 table"},
		{"no L1", plain, func(v *victim) { v.put32(36, 0) }, malformed, "L1 table"},
		{"L1 that no file holds", qcow2.Options{ClusterSize: 512}, func(v *victim) {
			v.put64(24, disk.MaxSize)
			v.put32(36, 1<<31)
		}, unsupported, "clusters of 512"},
		{"L1 outside the file", plain, func(v *victim) { v.put64(40, 1<<40) }, malformed, "L1 table"},
		{"L1 at 2^63", plain, func(v *victim) { v.put64(40, 1<<63) }, malformed, "L1 table"},
		{"L1 at the end of the file", plain, func(v *victim) { v.put64(40, uint64(len(v.b))) }, malformed, "L1 table"},
		{"L1 not aligned", plain, func(v *victim) { v.put64(40, uint64(v.l1())+8) }, malformed, "aligned"},
		{"L1 over the header", plain, func(v *victim) { v.put64(40, 0) }, malformed, "header"},
		{"refcount table outside the file", plain, func(v *victim) { v.put64(48, 1<<50) }, malformed, "refcount table"},
		{"giant refcount table", plain, func(v *victim) { v.put32(56, 1<<32-1) }, malformed, "refcount table"},
		{"giant snapshot table", plain, func(v *victim) { v.put32(60, 1<<32-1); v.put64(64, 65536) }, malformed, "snapshot table"},
		{"snapshot table outside the file", plain, func(v *victim) { v.put32(60, 1); v.put64(64, 1<<62) }, malformed, "snapshot table"},
		{"corrupt", plain, func(v *victim) { v.set(1, 72) }, unsupported, "corrupt"},
		{"external data file", plain, func(v *victim) { v.set(2, 72) }, unsupported, "external data file"},
		{"incompatible bit 5", plain, func(v *victim) { v.set(5, 72) }, unsupported, "bit 5"},
		{"incompatible bit 63", plain, func(v *victim) { v.set(63, 72) }, unsupported, "bit 63"},
		{"raw external data", plain, func(v *victim) { v.set(1, 88) }, unsupported, "external data file"},
		{"refcount_order 7", plain, func(v *victim) { v.put32(96, 7) }, malformed, "refcount_order"},
		{"header_length 72", plain, func(v *victim) { v.put32(100, 72) }, malformed, "header_length"},
		{"header_length 109", plain, func(v *victim) { v.put32(100, 109) }, malformed, "header_length"},
		{"header_length beyond the cluster", plain, func(v *victim) { v.put32(100, 65544) }, malformed, "header_length"},
		{"header_length 2^32-8", plain, func(v *victim) { v.put32(100, 1<<32-8) }, malformed, "header_length"},
		{"compression bit without type", plain, func(v *victim) { v.set(3, 72) }, malformed, "compression_type"},
		{"compression bit without field", plain, func(v *victim) { v.set(3, 72); v.put32(100, 104) }, malformed, "compression_type"},
		{"compression type without bit", plain, func(v *victim) { v.b[104] = 1 }, malformed, "compression_type"},
		{"compression type 2", plain, func(v *victim) { v.set(3, 72); v.b[104] = 2 }, unsupported, "compression_type 2"},
		{"extended L2 in small clusters", qcow2.Options{ClusterSize: 4096}, func(v *victim) { v.set(4, 72) }, malformed, "extended L2"},
		{"extension longer than the cluster", plain, func(v *victim) { v.extension(0x6803f857, 65536) }, malformed, "header extension"},
		{"extension of 2^32-1 bytes", plain, func(v *victim) { v.extension(0x12345678, 1<<32-1) }, malformed, "header extension"},
		{"extension with a data file", plain, func(v *victim) { v.extension(0x44415441, 11) }, unsupported, "external data file"},
		{"extension with a key", plain, func(v *victim) { v.extension(0x0537be77, 16) }, unsupported, "encryption"},

		{"L2 in the header", plain, func(v *victim) { v.put64(v.l1(), 512|1<<63) }, malformed, "aligned"},
		{"L2 over the header", plain, func(v *victim) { v.put64(v.l1(), 1<<63) }, malformed, "header"},
		{"L2 outside the file", plain, func(v *victim) { v.put64(v.l1(), 1<<55|1<<63) }, malformed, "beyond the file"},
		{"L2 at the end of the file", plain, func(v *victim) { v.put64(v.l1(), uint64(len(v.b))|1<<63) }, malformed, "beyond the file"},
		{"L1 entry with reserved bits", plain, func(v *victim) { v.set(57, v.l1()) }, malformed, "reserved"},
		{"L2 used twice", qcow2.Options{ClusterSize: 512}, func(v *victim) { v.put64(v.l1()+8, v.get64(v.l1())) }, malformed, "twice"},
		{"cluster not aligned", plain, func(v *victim) { v.putL2(0, 65536+512) }, malformed, "aligned"},
		{"cluster over the header", plain, func(v *victim) { v.putL2(0, 1<<63) }, malformed, "header"},
		{"cluster outside the file", plain, func(v *victim) { v.putL2(0, 1<<55|1<<63) }, malformed, "beyond the file"},
		{"L2 entry with reserved bits", plain, func(v *victim) { v.set(60, v.l2()) }, malformed, "reserved"},
		{"zero flag in version 2", qcow2.Options{Version: 2}, func(v *victim) { v.set(0, v.l2()) }, malformed, "reserved"},
		{"clusters that share data", plain, func(v *victim) {
			v.put64(24, 512<<20) // one table, full of the same cluster
			for i := range 8192 {
				v.putL2(i, 65536|1<<63)
			}
		}, malformed, "hold more than the file"},
		{"compressed clusters that share data", zlib, func(v *victim) {
			v.put64(24, 512<<20)
			e := v.get64(v.l2()) | 0xff<<54 // and claim 256 sectors each
			for i := range 8192 {
				v.putL2(i, e)
			}
		}, malformed, "hold more than the file"},
		{"subcluster both allocated and zero", extended, func(v *victim) { v.set(32, v.l2()+8) }, malformed, "both"},
		{"subclusters without cluster", extended, func(v *victim) { v.putL2(0, 0) }, malformed, "without an offset"},
		{"compressed cluster with subclusters", qcow2.Options{ExtendedL2: true, Compression: qcow2.Zstd}, func(v *victim) { v.putL2(1, 1) }, malformed, "bitmap"},

		{"compressed cluster outside the file", zlib, func(v *victim) { v.putL2(0, 1<<62|1<<50) }, malformed, "outside the file"},
		{"compressed cluster in the header", zstd, func(v *victim) { v.putL2(0, 1<<62|8) }, malformed, "outside the file"},
		{"compressed cluster at the end of the file", zstd, func(v *victim) { v.putL2(0, 1<<62|uint64(len(v.b)-1)) }, malformed, "compressed cluster"},
		{"deflate that ends early", zlib, func(v *victim) { v.store(0, "\x03\x00") }, malformed, "before the cluster is full"},
		{"deflate that is noise", zlib, func(v *victim) { v.store(0, "\xff\xff\xff\xff") }, malformed, "compressed cluster"},
		{"zstd that is noise", zstd, func(v *victim) { v.store(0, "\xff\xff\xff\xff") }, malformed, "magic"},
		{"zstd that ends early", zstd, func(v *victim) { v.store(0, zstdFrame(1, 1000)) }, malformed, "compressed cluster"},
		{"zstd bomb", zstd, func(v *victim) { v.store(0, zstdFrame(20, 100_000)) }, malformed, "compressed cluster"},
		{"zstd that promises 2 GiB", zstd, func(v *victim) { v.store(0, "\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x80\x03\x00\x00x") }, malformed, "compressed cluster"},
		{"zstd with a window of 3 TiB", zstd, func(v *victim) { v.store(0, "\x28\xb5\x2f\xfd\x00\xff\x03\x00\x00x") }, malformed, "compressed cluster"},
		{"zstd with a giant skippable frame", zstd, func(v *victim) { v.store(0, "\x50\x2a\x4d\x18\xff\xff\xff\xff") }, malformed, "before the cluster is full"},
		{"zstd with a dictionary", zstd, func(v *victim) { v.store(0, "\x28\xb5\x2f\xfd\x21\x01\x10\x01\x00\x00x") }, malformed, "compressed cluster"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVictim(t, c.o)
			if got, err := readAll(t, v.b, 1<<20); err != nil || !bytes.Equal(got, v.content) {
				t.Fatalf("the victim is not sound: %v", err)
			}
			c.harm(v)
			before := allocated()
			_, err := readAll(t, v.b, 1<<40)
			if got, most := allocated()-before, uint64(24<<20); got > most {
				t.Errorf("%d bytes were allocated, want at most %d", got, most)
			}
			if !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("error is %v, want %v that says %q", err, c.is, c.says)
			}
		})
	}
}

// allocated is how many bytes were ever allocated. Tests that use it are not
// parallel.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// zstdFrame returns a frame without a declared size, of runs of n bytes each.
func zstdFrame(runs, n int) string {
	b := []byte("\x28\xb5\x2f\xfd\x00\x58") // a window of 2 MiB
	for i := range runs {
		block := uint32(n)<<3 | 1<<1
		if i == runs-1 {
			block |= 1
		}
		b = append(b, byte(block), byte(block>>8), byte(block>>16), 'x')
	}
	return string(b)
}

// A cluster may be several frames, with skippable ones between them, and
// something else may follow at once.
func TestZstdFrames(t *testing.T) {
	t.Parallel()
	v := newVictim(t, qcow2.Options{Compression: qcow2.Zstd})
	host := uint64(len(v.b))
	v.b = append(v.b, zstdFrame(1, 30_000)+"\x50\x2a\x4d\x18\x02\x00\x00\x00ab"+zstdFrame(2, 10_000)+zstdFrame(1, 15_536)+"rest"...)
	v.putL2(0, 1<<62|host)
	got, err := readAll(t, v.b, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.Repeat([]byte("x"), 65536); !bytes.Equal(got[:65536], want) {
		t.Error("the cluster has other bytes than its frames")
	}
}

// Tables that lie over each other give nonsense, but they end.
func TestOverlappingTables(t *testing.T) {
	t.Parallel()
	for _, target := range []func(v *victim) uint64{
		func(v *victim) uint64 { return uint64(v.l1()) },
		func(v *victim) uint64 { return uint64(v.l2()) },
		func(v *victim) uint64 { return v.get64(48) },
	} {
		v := newVictim(t, qcow2.Options{})
		v.put64(v.l1(), target(v)|1<<63)
		if _, err := readAll(t, v.b, 1<<30); err != nil && !errors.Is(err, disk.ErrFormat) {
			t.Errorf("L2 table over another: %v, want ErrFormat or none", err)
		}
		v = newVictim(t, qcow2.Options{})
		v.putL2(0, target(v)|1<<63)
		if _, err := readAll(t, v.b, 1<<30); err != nil && !errors.Is(err, disk.ErrFormat) {
			t.Errorf("cluster over a table: %v, want ErrFormat or none", err)
		}
	}
}

// A file that was cut off must not give other bytes than it had.
func TestTruncated(t *testing.T) {
	t.Parallel()
	files, _ := specimens(t)
	files["ours plain"] = newVictim(t, qcow2.Options{}).b
	files["ours zstd"] = newVictim(t, qcow2.Options{Compression: qcow2.Zstd, ClusterSize: 4096}).b
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := readAll(t, file, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			failed := 0
			for n := 0; n < len(file); n += 512 {
				got, err := readAll(t, file[:n], 1<<20)
				switch {
				case err != nil && !errors.Is(err, disk.ErrFormat):
					t.Errorf("cut off at %d: %v, want ErrFormat", n, err)
				case err == nil && !bytes.Equal(got, want):
					t.Errorf("cut off at %d: other bytes, and no error", n)
				case err != nil:
					failed++
				}
			}
			if failed == 0 {
				t.Error("no cut was noticed")
			}
		})
	}
}

// A flipped bit in a header or a table must not lead to a panic or a hang.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	for _, o := range []qcow2.Options{
		{ClusterSize: 4096, Compression: qcow2.Zstd}, {ClusterSize: 4096, Compression: qcow2.Zlib, Version: 2},
		{ClusterSize: 16 << 10, ExtendedL2: true},
	} {
		t.Run(name(o), func(t *testing.T) {
			t.Parallel()
			v := newVictim(t, o)
			for _, area := range [][2]int{{0, 120}, {v.l1(), v.l1() + 8}, {v.l2(), v.l2() + 64}} {
				for bit := area[0] * 8; bit < area[1]*8; bit++ {
					v.b[bit/8] ^= 1 << (bit % 8)
					_, err := readAll(t, v.b, 4<<20)
					v.b[bit/8] ^= 1 << (bit % 8)
					if err != nil && !errors.Is(err, disk.ErrFormat) && !errors.Is(err, disk.ErrUnsupported) {
						t.Errorf("bit %d of byte %d: %v, want ErrFormat or ErrUnsupported", bit%8, bit/8, err)
					}
				}
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	files, _ := specimens(f)
	for _, b := range files {
		f.Add(b)
	}
	f.Add(newVictim(f, qcow2.Options{ClusterSize: 512, Compression: qcow2.Zstd}).b)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := readAll(t, b, 1<<20)
		if err != nil && !errors.Is(err, disk.ErrFormat) && !errors.Is(err, disk.ErrUnsupported) {
			t.Fatalf("%v, want ErrFormat or ErrUnsupported", err)
		}
	})
}
