package blockstore_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"origami/internal/blockstore"
	"origami/internal/durable/durabletest"
)

// TestCrashPoints writes disks, many over older ones, cuts the power after a
// random number of changes of the file system, wherever that is, and goes on
// with what is found: every disk whose Commit returned must be there, and new
// ones can be written. A failure names its seed.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	const sequences, crashes = 40, 10
	points, disks := 0, 0
	for seed := range uint64(sequences) {
		rng := rand.New(rand.NewPCG(seed, 11))
		w := openWorld(t, durabletest.New(), small())
		var all []committed
		for range crashes {
			w.fs.StopAfter(rng.IntN(70))
			var err error
			for err == nil {
				var d committed
				if d, err = randomDisk(rng, w.Store, all); err == nil {
					all = append(all, d)
				}
			}
			points++
			after := w.fs.Crash(rng.Uint64())
			w.close(t)
			w = openWorld(t, after, small())
			// Old ones were checked before; a crash could only take new ones.
			for i, d := range all {
				if i >= len(all)-8 || rng.IntN(4) == 0 {
					d.model.check(t, w.Store, d.root)
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d, crash %d", seed, points)
			}
		}
		disks += len(all)
		w.close(t)
	}
	t.Logf("%d crash points, %d disks", points, disks)
	if disks < points/2 {
		t.Errorf("only %d disks were committed before %d crashes", disks, points)
	}
}

// randomDisk writes a disk, over one of those that there are or over nothing.
func randomDisk(rng *rand.Rand, s *blockstore.Store, all []committed) (committed, error) {
	var base committed
	size := []int64{block, 3*block + 512, leaf + 2*block}[rng.IntN(3)]
	m := newModel(size)
	if len(all) > 0 && rng.IntN(3) > 0 {
		base = all[rng.IntN(len(all))]
		size = max(size, base.root.Size)
		m = base.model.clone(size)
	} else {
		base.root.Domain = domains[rng.IntN(len(domains))]
	}
	if base.model != nil && rng.IntN(4) == 0 {
		root, err := s.Copy(context.Background(), base.root, domains[rng.IntN(len(domains))], blockstore.CopyOptions{})
		return committed{root, base.model}, err
	}
	w, err := s.NewWriter(size, base.root)
	if err != nil {
		return committed{}, err
	}
	for range 1 + rng.IntN(3) {
		off := rng.Int64N(size)
		if rng.IntN(2) == 0 {
			off -= off % block
		}
		n := min(size-off, []int64{4096, block, 2 * block}[rng.IntN(3)])
		if rng.IntN(5) == 0 {
			m.zero(off, n)
			err = w.Zero(off, n)
		} else {
			data := pattern(8*rng.Uint64N(40), int(n))
			m.write(data, off)
			_, err = w.WriteAt(data, off)
		}
		if err != nil {
			_ = w.Abort() // the file system has stopped
			return committed{}, err
		}
	}
	if err := w.Commit(context.Background()); err != nil {
		_ = w.Abort()
		return committed{}, err
	}
	return committed{w.Root(), m}, nil
}
