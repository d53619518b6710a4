package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
)

// benchSnapshot measures incremental snapshots: by the number of blocks that
// changed, and of a volume of 8 GiB against one of 1 TiB with the same changes.
func benchSnapshot(ctx context.Context, c *config, r *report) error {
	s, err := c.startSilent(ctx, filepath.Join(c.work, "snapshot"), c.guest, nil,
		"BlockDeviceMapping.1.DeviceName", "/dev/sdf", "BlockDeviceMapping.1.Ebs.VolumeSize", "8")
	if err != nil {
		return err
	}
	small := *s
	if err := s.runSilent(ctx, "BlockDeviceMapping.1.DeviceName", "/dev/sdf", "BlockDeviceMapping.1.Ebs.VolumeSize", "1024"); err != nil {
		return err
	}
	large := *s
	// Both begin empty and get the same writes, pair by pair.
	r.printf("## Incremental snapshots\n\nFrom CreateSnapshot to the state completed, after k blocks of 512 KiB changed in 4 KiB each, at random in the first 8 GiB.\n\n")
	r.printf("| k | 8 GiB, s | 1 TiB, s | ratio 1 TiB to 8 GiB | ms a block | goal |\n|---|---|---|---|---|---|\n")
	for _, k := range []int{1, 10, 100, 1000} {
		var a, b []cost
		for n := range c.pairs + 1 {
			x, err := small.incremental(ctx, k, uint64(n))
			if err != nil {
				return err
			}
			y, err := large.incremental(ctx, k, uint64(n))
			if err != nil {
				return err
			}
			if n > 0 {
				a, b = append(a, x), append(b, y)
			}
		}
		r.printf("| %d | %v | %v | %v | %.3f | ratio ≤ 1.1 |\n", k, of(a, wall), of(b, wall), over(b, a, wall), 1000*of(a, wall).median/float64(k))
	}
	r.printf("\n")
	_, err = s.stop()
	return err
}

// incremental changes k blocks of the second volume and takes a snapshot.
func (s *silent) incremental(ctx context.Context, k int, seed uint64) (cost, error) {
	if len(s.volumes) != 2 {
		return cost{}, fmt.Errorf("instance %s has %d volumes, want 2", s.instance, len(s.volumes))
	}
	disk, err := dialNBD(s.socket(s.instance), s.volumes[1])
	if err != nil {
		return cost{}, err
	}
	defer disk.Close()
	rng := rand.New(rand.NewPCG(seed, uint64(k)))
	p := make([]byte, 4096)
	for range k {
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		if err := disk.write(p, rng.Int64N(8<<30/(512<<10))*(512<<10)); err != nil {
			return cost{}, err
		}
	}
	if err := disk.flush(); err != nil {
		return cost{}, err
	}
	return s.snapshot(ctx, s.volumes[1])
}
