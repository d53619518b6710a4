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
	r.printf("## Incremental snapshots\n\nFrom CreateSnapshot to the state completed, after k blocks of 512 KiB changed in 4 KiB each, at random in the first 8 GiB, of the two volumes in turn, A B B A …. CPU is that of the service, with the writes and the questions about the state.\n\n")
	r.printf("| k | pairs | 8 GiB, s | 1 TiB, s | ratio 1 TiB to 8 GiB, wall | ratio of the medians | ratio, CPU | ms a block | goal |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, k := range []int{1, 10, 100, 1000} {
		var a, b []cost
		for n := range c.pairs*max(1, min(10, 100/k)) + 1 {
			x, y, err := incrementals(ctx, &small, &large, k, n)
			if err != nil {
				return err
			}
			if n > 0 {
				a, b = append(a, x), append(b, y)
			}
		}
		r.printf("| %d | %d | %v | %v | %v | %.3f | %v | %.3f | ratios ≤ 1.1 |\n", k, len(a), of(a, wall), of(b, wall), over(b, a, wall),
			of(b, wall).median/of(a, wall).median, over(b, a, cpu), 1000*of(a, wall).median/float64(k))
	}
	r.printf("\n")
	_, err = s.stop()
	return err
}

// incrementals takes a snapshot of each of two volumes, the first first if n is
// even. What is written differs: the store keeps equal blocks once, and the
// second would find what the first has stored.
func incrementals(ctx context.Context, small, large *silent, k, n int) (a, b cost, err error) {
	ours, theirs := uint64(2*n), uint64(2*n+1)
	if n%2 == 1 {
		if b, err = large.incremental(ctx, k, theirs); err != nil {
			return a, b, err
		}
		a, err = small.incremental(ctx, k, ours)
		return a, b, err
	}
	if a, err = small.incremental(ctx, k, ours); err != nil {
		return a, b, err
	}
	b, err = large.incremental(ctx, k, theirs)
	return a, b, err
}

// incremental changes k blocks of the second volume and takes a snapshot.
func (s *silent) incremental(ctx context.Context, k int, seed uint64) (cost, error) {
	if len(s.volumes) != 2 {
		return cost{}, fmt.Errorf("instance %s has %d volumes, want 2", s.instance, len(s.volumes))
	}
	before, err := s.onCPU()
	if err != nil {
		return cost{}, err
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
	took, err := s.snapshot(ctx, s.volumes[1])
	if err != nil {
		return cost{}, err
	}
	after, err := s.onCPU()
	took.cpu = after - before
	return took, err
}
