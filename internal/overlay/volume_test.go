package overlay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami/disk"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
	"origami/nbd"
)

var (
	_ nbd.Device   = (*overlay.Device)(nil)
	_ nbd.Trimmer  = (*overlay.Device)(nil)
	_ nbd.Zeroer   = (*overlay.Device)(nil)
	_ nbd.Extenter = (*overlay.Device)(nil)
)

func newVolume(t testing.TB, size int64) *overlay.Device {
	t.Helper()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", size, ""); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, fsys, "v", noBase)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		dir   string
		size  int64
		label string
		ok    bool
	}{
		{"smallest", "v", unit, "", true},
		{"largest", "v", disk.MaxSize, strings.Repeat("x", 255), true},
		{"at the root", ".", unit, "", true},
		{"nothing", "v", 0, "", false},
		{"negative", "v", -unit, "", false},
		{"odd size", "v", unit + 512, "", false},
		{"too large", "v", disk.MaxSize + unit, "", false},
		{"long label", "v", unit, strings.Repeat("x", 256), false},
		{"no parent", "a/b", unit, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fsys := durabletest.New()
			err := overlay.Create(fsys, tt.dir, tt.size, tt.label)
			if (err == nil) != tt.ok {
				t.Fatalf("Create: %v, want success: %v", err, tt.ok)
			}
			if !tt.ok {
				return
			}
			if err := overlay.Create(fsys, tt.dir, tt.size, tt.label); !errors.Is(err, fs.ErrExist) {
				t.Errorf("again: %v, want ErrExist", err)
			}
			fsys = fsys.Crash(1)
			d := mustOpen(t, fsys, tt.dir, func(label string) (disk.Image, error) {
				if label != tt.label {
					t.Errorf("label %q, want %q", label, tt.label)
				}
				return make(image, 512), nil
			})
			if d.Size() != tt.size || d.Base() != tt.label {
				t.Errorf("size %d, base %q; want %d, %q", d.Size(), d.Base(), tt.size, tt.label)
			}
			if err := errors.Join(d.Close(), overlay.Remove(fsys, tt.dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := overlay.Open(fsys, tt.dir, noBase); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open after Remove: %v, want ErrNotExist", err)
			}
		})
	}
}

// TestCreateInterrupted cuts Create off at each operation. Afterwards there is
// a volume, or Create makes one.
func TestCreateInterrupted(t *testing.T) {
	t.Parallel()
	for n := 0; ; n++ {
		fsys := durabletest.New()
		fsys.StopAfter(n)
		err := overlay.Create(fsys, "v", unit, "")
		for seed := range uint64(8) {
			after := fsys.Crash(seed)
			if err := overlay.Create(after, "v", unit, ""); err != nil && !errors.Is(err, fs.ErrExist) {
				t.Fatalf("n %d, seed %d: %v", n, seed, err)
			}
			mustOpen(t, after, "v", noBase).Close()
		}
		if err == nil {
			return
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	d := newVolume(t, 4*unit)
	for _, r := range [][2]int64{{-1, 1}, {4 * unit, 1}, {0, 4*unit + 1}, {1 << 62, 1 << 62}, {0, -1}} {
		off, n := r[0], r[1]
		errs := map[string]error{"Trim": d.Trim(off, n), "WriteZeroes": d.WriteZeroes(off, n),
			"Allocation": d.Allocation(t.Context(), off, n, func(int64, bool) bool { return true })}
		if n > 0 && n < 1<<20 {
			_, errs["WriteAt"] = d.WriteAt(make([]byte, n), off)
		}
		for name, err := range errs {
			if !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s of %d at %d: %v, want EINVAL", name, n, off, err)
			}
		}
	}
	if _, err := d.ReadAt(make([]byte, 1), 4*unit); err != io.EOF {
		t.Errorf("read at the end: %v, want EOF", err)
	}
	if n, err := d.ReadAt(make([]byte, 10), 4*unit-5); n != 5 || err != io.EOF {
		t.Errorf("read across the end: %d, %v; want 5, EOF", n, err)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	d := newVolume(t, 4*unit)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_, readErr := d.ReadAt(make([]byte, 1), 0)
	_, writeErr := d.WriteAt(make([]byte, unit), 0)
	_, partErr := d.WriteAt(make([]byte, 1), 0)
	_, freezeErr := overlay.Freeze(d)
	_, frozenErr := d.Frozen(1)
	for name, err := range map[string]error{"ReadAt": readErr, "WriteAt": writeErr, "WriteAt of a part": partErr,
		"Freeze": freezeErr, "Frozen": frozenErr, "Flush": d.Flush(), "Grow": d.Grow(8 * unit),
		"Rebase": d.Rebase(1, "", nil), "Trim": d.Trim(0, unit), "Close": d.Close()} {
		if !errors.Is(err, overlay.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

// TestLarge works on a volume of many pages of the map, against a model of the
// units that were touched.
func TestLarge(t *testing.T) {
	t.Parallel()
	const size = 1 << 40
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", size, ""); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", noBase)
	// Pieces around the borders of lines, regions and pages.
	borders := []int64{1 << 20, 64 << 20, 128 << 20, 1 << 30, size - 8*unit}
	model := make(map[int64]byte)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 200 {
		first := borders[rng.IntN(len(borders))]/unit + rng.Int64N(8) - 4
		n := 1 + rng.Int64N(4)
		if rng.IntN(3) == 0 {
			if err := d.Trim(first*unit, n*unit); err != nil {
				t.Fatal(err)
			}
			for u := range n {
				model[first+u] = 0
			}
		} else {
			write(t, d, bytes.Repeat([]byte{byte(i | 1)}, int(n*unit)), first*unit)
			for u := range n {
				model[first+u] = byte(i | 1)
			}
		}
		if i == 100 { // zero whole pages, and then write into them
			if err := d.WriteZeroes(0, 256<<20); err != nil {
				t.Fatal(err)
			}
			for u := range model {
				if u*unit < 256<<20 {
					model[u] = 0
				}
			}
		}
		if i%67 == 0 {
			if _, err := overlay.Freeze(d); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func() {
		t.Helper()
		p := make([]byte, unit)
		for u, want := range model {
			if _, err := d.ReadAt(p, u*unit); err != nil && err != io.EOF {
				t.Fatal(err)
			}
			if !bytes.Equal(p, bytes.Repeat([]byte{want}, unit)) {
				t.Errorf("unit %d is %.4x…, want %x", u, p, want)
			}
		}
		dirty := int64(0)
		for e, err := range d.Extents(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if !e.Zero {
				dirty += e.Len / unit
			}
		}
		want := int64(0)
		for _, b := range model {
			if b != 0 {
				want++
			}
		}
		if dirty != want {
			t.Errorf("%d units of data, want %d", dirty, want)
		}
	}
	check()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, fsys, "v", noBase)
	check()
}

// tracked is a base that counts its reads and its Close.
type tracked struct {
	image
	reads, closed atomic.Int64
}

func (b *tracked) ReadAt(p []byte, off int64) (int, error) {
	b.reads.Add(1)
	return b.image.ReadAt(p, off)
}

func (b *tracked) Close() error { b.closed.Add(1); return nil }

// TestBaseLifetime checks that a base is read through, closed once, and not
// before its last reader.
func TestBaseLifetime(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 8*unit, "old"); err != nil {
		t.Fatal(err)
	}
	old := &tracked{image: bytes.Repeat([]byte{9}, 4*unit)}
	d := mustOpen(t, fsys, "v", func(string) (disk.Image, error) { return old, nil })
	if _, err := read(d); err != io.EOF && err != nil {
		t.Fatal(err)
	}
	if old.reads.Load() != 1 {
		t.Errorf("volume was read through with %d reads of its base, want 1", old.reads.Load())
	}
	ids, err := overlay.Freeze(d)
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Frozen(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	small, large := make(image, unit), make(image, 9*unit)
	for _, img := range []image{small, large} {
		if err := d.Rebase(ids[0], "bad", img); err == nil {
			t.Errorf("rebase on %d bytes accepted", len(img))
		}
	}
	if err := d.Rebase(ids[0]+1, "bad", make(image, 8*unit)); !errors.Is(err, overlay.ErrNoLayer) {
		t.Errorf("rebase of the top: %v, want ErrNoLayer", err)
	}
	if err := d.Rebase(ids[0], "", make(image, 8*unit)); err == nil {
		t.Error("empty label with a disk accepted")
	}
	next := &tracked{image: make(image, 8*unit)}
	if err := d.Rebase(ids[0], "new", next); err != nil {
		t.Fatal(err)
	}
	if old.closed.Load() != 0 {
		t.Error("base was closed while Frozen reads it")
	}
	if b, err := read(f); err != nil && err != io.EOF || b[0] != 9 || f.Base() != "old" {
		t.Errorf("Frozen after Rebase begins with %d (%v) over %q; want 9 over old", b[0], err, f.Base())
	}
	f.Close()
	f.Close()
	if old.closed.Load() != 1 {
		t.Errorf("base was closed %d times, want once", old.closed.Load())
	}
	late := &tracked{image: make(image, 8*unit)}
	if err := d.Rebase(ids[0], "late", late); err != nil || late.closed.Load() != 1 || d.Base() != "new" {
		t.Errorf("rebase of a dropped layer: %v, closed %d, base %q", err, late.closed.Load(), d.Base())
	}
	if err := d.Close(); err != nil || next.closed.Load() != 1 {
		t.Errorf("Close: %v, base closed %d times", err, next.closed.Load())
	}
	names, err := fsys.List("v")
	if want := []string{"0.live", "0000000000000002.map", "1.live", "state"}; err != nil || cmp.Diff(want, names) != "" {
		t.Errorf("files after Rebase: %q (%v), want %q", names, err, want)
	}
}

func TestDirty(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 16*unit, "base"); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", func(string) (disk.Image, error) { return make(image, 16*unit), nil })
	write(t, d, make([]byte, 2*unit), unit)
	freeze := func() *overlay.Frozen {
		ids, err := overlay.Freeze(d)
		if err != nil {
			t.Fatal(err)
		}
		f, err := d.Frozen(ids[0])
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := freeze()
	write(t, d, []byte{1}, 5*unit+77)
	if err := errors.Join(d.Trim(2*unit, 2*unit), d.Trim(8*unit-1, unit), d.Grow(20*unit)); err != nil {
		t.Fatal(err)
	}
	second := freeze()
	write(t, d, make([]byte, unit), 0)
	for _, tt := range []struct {
		f    *overlay.Frozen
		size int64
		want []disk.Extent
	}{
		{first, 16, []disk.Extent{{Off: 1, Len: 2}}},
		{second, 20, []disk.Extent{{Off: 1, Len: 1}, {Off: 2, Len: 2, Zero: true}, {Off: 5, Len: 1}}},
	} {
		var got []disk.Extent
		for e := range tt.f.Dirty(t.Context()) {
			got = append(got, disk.Extent{Off: e.Off / unit, Len: e.Len / unit, Zero: e.Zero})
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || tt.f.Size() != tt.size*unit {
			t.Errorf("size %d, dirty units (-want +got):\n%s", tt.f.Size(), diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for e := range tt.f.Dirty(ctx) {
			t.Errorf("extent %v after the context ended", e)
		}
	}
	if diff := cmp.Diff([]overlay.LayerID{1, 2}, d.Layers()); diff != "" {
		t.Errorf("frozen layers (-want +got):\n%s", diff)
	}
}

// TestParallelParts writes to different bytes of the same units from many
// goroutines, beside writes of whole units and zeros. No byte may be lost.
func TestParallelParts(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 64*unit, "base"); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", func(string) (disk.Image, error) { return image(bytes.Repeat([]byte{0xee}, 64*unit)), nil })
	const parts = 8
	var wg sync.WaitGroup
	for part := range parts {
		wg.Go(func() {
			p := bytes.Repeat([]byte{byte(part + 1)}, unit/parts)
			for u := range int64(64) {
				if _, err := d.WriteAt(p, u*unit+int64(part*len(p))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			if _, err := overlay.Freeze(d); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	got, err := read(d)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	for i, b := range got {
		if want := byte(i%unit/(unit/parts) + 1); b != want {
			t.Fatalf("byte %d is %d, want %d", i, b, want)
		}
	}
}

// gateFS lets each Sync of a file wait for the gate, and counts them.
type gateFS struct {
	durable.FS
	entered chan struct{}
	gate    chan struct{}
	syncs   atomic.Int64
}

type gateFile struct {
	durable.File
	fs *gateFS
}

func (g *gateFS) Open(name string) (durable.File, error) {
	f, err := g.FS.Open(name)
	return gateFile{f, g}, err
}

func (f gateFile) Sync() error {
	if f.fs.syncs.Add(1) > 1 { // the first one is of Open
		select {
		case f.fs.entered <- struct{}{}:
		default:
		}
		<-f.fs.gate
	}
	return f.File.Sync()
}

// TestGroupCommit checks that flushes which come while one runs share the next.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	fsys := &gateFS{FS: durabletest.New(), entered: make(chan struct{}, 1), gate: make(chan struct{})}
	if err := overlay.Create(fsys, "v", 64*unit, ""); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", noBase)
	write(t, d, make([]byte, unit), 0)
	const flushes = 200
	var wg sync.WaitGroup
	flush := func(i int64) {
		if i > 0 {
			if _, err := d.WriteAt(make([]byte, unit), i%60*unit); err != nil {
				t.Error(err)
			}
		}
		if err := d.Flush(); err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { flush(0) })
	<-fsys.entered // the first one runs
	var started sync.WaitGroup
	for i := range int64(flushes) {
		started.Add(1)
		wg.Go(func() { started.Done(); flush(i + 1) })
	}
	started.Wait()
	close(fsys.gate)
	wg.Wait()
	// One flush is two syncs.
	if n := fsys.syncs.Load(); n > flushes {
		t.Errorf("%d syncs for %d flushes", n, flushes+1)
	}
}

// TestFlushSyncs counts the syncs of one flush.
func TestFlushSyncs(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 64*unit, ""); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", noBase)
	write(t, d, make([]byte, unit), 0)
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	before := fsys.Count(durabletest.OpSync)
	if err := d.Flush(); err != nil || fsys.Count(durabletest.OpSync) != before {
		t.Errorf("flush of a clean volume (%v) synced %d files", err, fsys.Count(durabletest.OpSync)-before)
	}
	write(t, d, make([]byte, unit), 0)
	if err := d.Flush(); err != nil || fsys.Count(durabletest.OpSync) != before+1 {
		t.Errorf("flush after an overwrite (%v) synced %d files, want 1", err, fsys.Count(durabletest.OpSync)-before)
	}
}

// TestNoSpace fills the disk, makes room, and goes on.
func TestNoSpace(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 64*unit, ""); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, fsys, "v", noBase)
	fsys.Fail(durabletest.OpWrite, 1, syscall.ENOSPC)
	if _, err := d.WriteAt(make([]byte, unit), 0); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: %v, want ENOSPC", err)
	}
	write(t, d, bytes.Repeat([]byte{1}, unit), 0)
	fsys.Fail(durabletest.OpWrite, 1, syscall.ENOSPC)
	if err := d.Flush(); !errors.Is(err, syscall.ENOSPC) || errors.Is(err, overlay.ErrFailed) {
		t.Errorf("flush: %v, want ENOSPC, and not for good", err)
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, fsys.Crash(3), "v", noBase)
	p := make([]byte, 1)
	if _, err := d.ReadAt(p, 0); err != nil || p[0] != 1 {
		t.Errorf("after a crash: %d, %v; want what was flushed", p[0], err)
	}
}
