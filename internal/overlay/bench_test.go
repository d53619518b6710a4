package overlay_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"origami/internal/durable"
	"origami/internal/overlay"
)

func benchVolume(b *testing.B, size int64) *overlay.Device {
	b.Helper()
	fsys, err := durable.OS(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	if err := overlay.Create(fsys, "v", size, ""); err != nil {
		b.Fatal(err)
	}
	d := mustOpen(b, fsys, "v", noBase)
	b.Cleanup(func() { d.Close() })
	return d
}

// BenchmarkWrite4K writes random units: into holes at first, over data later.
func BenchmarkWrite4K(b *testing.B) {
	const size = 256 << 20
	d := benchVolume(b, size)
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

func BenchmarkRead4K(b *testing.B) {
	const size = 64 << 20
	d := benchVolume(b, size)
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

// BenchmarkFreeze freezes and rebases after k units were written.
func BenchmarkFreeze(b *testing.B) {
	for _, k := range []int64{1, 100, 10000} {
		b.Run(fmt.Sprintf("dirty=%d", k), func(b *testing.B) {
			d := benchVolume(b, 1<<30)
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
