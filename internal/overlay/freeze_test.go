package overlay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"origami/disk"
	"origami/internal/durable"
	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

func TestTooManyLayers(t *testing.T) {
	t.Parallel()
	d := newVolume(t, unit)
	for n := 1; ; n++ {
		if _, err := overlay.Freeze(d); errors.Is(err, overlay.ErrTooManyLayers) {
			if n != 64 {
				t.Errorf("freeze %d refused, want 64", n)
			}
			break
		} else if err != nil || n > 64 {
			t.Fatalf("freeze %d: %v", n, err)
		}
	}
	ids := d.Layers()
	if err := d.Rebase(ids[len(ids)-1], "b", make(image, unit)); err != nil {
		t.Fatal(err)
	}
	if _, err := overlay.Freeze(d); err != nil {
		t.Errorf("freeze after rebase: %v", err)
	}
}

func TestFreezeTwice(t *testing.T) {
	t.Parallel()
	d := newVolume(t, unit)
	if _, err := overlay.Freeze(d, d); err == nil {
		t.Error("the same volume twice was accepted")
	}
	if ids, err := overlay.Freeze(); err != nil || len(ids) != 0 {
		t.Errorf("freeze of nothing: %v, %v", ids, err)
	}
}

// slowBase blocks reads until it is told to go on.
type slowBase struct {
	image
	entered, gate chan struct{}
}

func (b slowBase) ReadAt(p []byte, off int64) (int, error) {
	b.entered <- struct{}{}
	<-b.gate
	return b.image.ReadAt(p, off)
}

func (b slowBase) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return b.image.Extents(ctx, off)
}

// TestFreezeDoesNotWaitForBase freezes while a write of a part of a unit waits
// for the base.
func TestFreezeDoesNotWaitForBase(t *testing.T) {
	t.Parallel()
	fsys := durabletest.New()
	if err := overlay.Create(fsys, "v", 8*unit, "slow"); err != nil {
		t.Fatal(err)
	}
	b := slowBase{bytes.Repeat([]byte{5}, 8*unit), make(chan struct{}, 8), make(chan struct{})}
	d := mustOpen(t, fsys, "v", func(string) (disk.Image, error) { return b, nil })
	written := make(chan error)
	go func() { _, err := d.WriteAt([]byte{1}, 10); written <- err }()
	<-b.entered
	ids, err := overlay.Freeze(d) // would hang here
	if err != nil {
		t.Fatal(err)
	}
	close(b.gate)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	f, err := d.Frozen(ids[0])
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 12)
	if _, err := f.ReadAt(p, 0); err != nil || p[10] != 5 {
		t.Errorf("frozen byte %d (%v), want 5: the write came after", p[10], err)
	}
	if _, err := d.ReadAt(p, 0); err != nil || p[10] != 1 || p[11] != 5 {
		t.Errorf("bytes %d (%v), want 1 and 5", p[10:], err)
	}
}

// TestFreezeIsOneInstant writes a counter to two volumes in turns, and freezes
// both again and again meanwhile. In each frozen pair the first may be one
// ahead, and the disks must hold at least what was written before the freeze.
func TestFreezeIsOneInstant(t *testing.T) {
	t.Parallel()
	fsys, err := durable.OS(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var devs [2]*overlay.Device
	for i, dir := range []string{"a", "b"} {
		if err := overlay.Create(fsys, dir, 4<<20, ""); err != nil {
			t.Fatal(err)
		}
		devs[i] = mustOpen(t, fsys, dir, noBase)
	}
	var counter atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := int64(1); ; n++ {
			for i, d := range devs {
				p := make([]byte, unit)
				if n%2 == 0 {
					p = p[:8] // parts of units as well
				}
				for j := range 8 {
					p[j] = byte(n >> (8 * j))
				}
				if _, err := d.WriteAt(p, 0); err != nil {
					t.Errorf("write %d to volume %d: %v", n, i, err)
					return
				}
			}
			counter.Store(n)
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i, d := range devs { // load beside it
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			p := make([]byte, 64<<10)
			for k := 0; ; k++ {
				if _, err := d.WriteAt(p[:1+rng.IntN(len(p))], unit+rng.Int64N(3<<20)); err != nil {
					t.Error(err)
					return
				}
				if k%50 == 0 {
					if err := errors.Join(d.Flush(), d.Trim(1<<20, 1<<20)); err != nil {
						t.Error(err)
						return
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	value := func(d *overlay.Device, id overlay.LayerID) (n int64) {
		f, err := d.Frozen(id)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		p := make([]byte, 8)
		if _, err := f.ReadAt(p, 0); err != nil {
			t.Fatal(err)
		}
		for j := range 8 {
			n |= int64(p[j]) << (8 * j)
		}
		return n
	}
	for round := range 15 {
		before := counter.Load()
		ids, err := overlay.Freeze(devs[0], devs[1])
		if err != nil {
			t.Fatal(err)
		}
		a, b := value(devs[0], ids[0]), value(devs[1], ids[1])
		if a-b != 0 && a-b != 1 {
			t.Errorf("frozen counters %d and %d", a, b)
		}
		if b < before {
			t.Errorf("frozen counter %d, but %d was written before", b, before)
		}
		if round%3 == 2 {
			for i, d := range devs {
				if err := snapshot(t, d, ids[i]); err != nil {
					t.Error(err)
				}
			}
		}
	}
	close(stop)
	wg.Wait()
	t.Logf("last hold %v, %d writes", devs[0].Hold(), counter.Load())
	for _, d := range devs {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// snapshot copies a frozen volume and makes the copy the base.
func snapshot(t *testing.T, d *overlay.Device, id overlay.LayerID) error {
	f, err := d.Frozen(id)
	if err != nil {
		return err
	}
	defer f.Close()
	img, err := read(f)
	if err != nil && err != io.EOF {
		return err
	}
	return d.Rebase(id, "copy", image(img))
}
