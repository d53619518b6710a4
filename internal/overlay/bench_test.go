package overlay_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"origami/internal/durable"
	"origami/internal/overlay"
)

func benchVolume(b *testing.B, size int64, crypt bool) *overlay.Device {
	b.Helper()
	fsys, err := durable.OS(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	if crypt {
		err = overlay.CreateEncrypted(fsys, "v", size, "", testKey, testWrapped)
	} else {
		err = overlay.Create(fsys, "v", size, "")
	}
	if err != nil {
		b.Fatal(err)
	}
	d := openEncrypted(b, fsys, "v")
	b.Cleanup(func() { d.Close() })
	return d
}

// both runs a benchmark without and with encryption.
func both(b *testing.B, f func(b *testing.B, crypt bool)) {
	b.Run("plain", func(b *testing.B) { f(b, false) })
	b.Run("encrypted", func(b *testing.B) { f(b, true) })
}

// BenchmarkWrite4K writes random units: into holes at first, over data later.
func BenchmarkWrite4K(b *testing.B) { both(b, benchmarkWrite4K) }

func benchmarkWrite4K(b *testing.B, crypt bool) {
	const size = 256 << 20
	d := benchVolume(b, size, crypt)
	b.SetBytes(unit)
	b.SetParallelism(8)
	var seed atomic.Uint64
	b.RunParallel(func(pb *testing.PB) {
		rng := rand.New(rand.NewPCG(seed.Add(1), 0))
		p := make([]byte, unit)
		for pb.Next() {
			if _, err := d.WriteAt(p, rng.Int64N(size/unit)*unit); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkWrite1M overwrites in large pieces.
func BenchmarkWrite1M(b *testing.B) {
	both(b, func(b *testing.B, crypt bool) {
		const size = 64 << 20
		d := benchVolume(b, size, crypt)
		p := make([]byte, 1<<20)
		b.SetBytes(int64(len(p)))
		off := int64(0)
		for b.Loop() {
			write(b, d, p, off)
			off = (off + int64(len(p))) % size
		}
	})
}

func BenchmarkRead4K(b *testing.B) { both(b, benchmarkRead4K) }

func benchmarkRead4K(b *testing.B, crypt bool) {
	const size = 64 << 20
	d := benchVolume(b, size, crypt)
	write(b, d, make([]byte, size), 0)
	p := make([]byte, unit)
	rng := rand.New(rand.NewPCG(1, 0))
	b.SetBytes(unit)
	for b.Loop() {
		if n, err := d.ReadAt(p, rng.Int64N(size/unit)*unit); n != len(p) {
			b.Fatal(err)
		}
	}
}

// BenchmarkFlush writes a unit that was not written before and flushes, in
// volumes whose size should not matter.
func BenchmarkFlush(b *testing.B) {
	for _, tib := range []int64{1, 16, 64} {
		b.Run(fmt.Sprintf("TiB=%d", tib), func(b *testing.B) {
			d := benchVolume(b, tib<<40, false)
			p := make([]byte, unit)
			for off := int64(0); b.Loop(); off += unit {
				write(b, d, p, off)
				if err := d.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFreeze freezes and rebases after k units were written.
func BenchmarkFreeze(b *testing.B) {
	for _, k := range []int64{1, 100, 10000} {
		b.Run(fmt.Sprintf("dirty=%d", k), func(b *testing.B) {
			d := benchVolume(b, 1<<30, false)
			p := make([]byte, unit)
			for b.Loop() {
				b.StopTimer()
				for i := range k {
					write(b, d, p, i*17*unit)
				}
				b.StartTimer()
				ids, err := overlay.Freeze(d)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := d.Rebase(ids[0], "", nil); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(d.Hold().Microseconds()), "hold-µs")
		})
	}
}
