package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// allocated is how many bytes of a file take space.
func allocated(info os.FileInfo) int64 {
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

// benchLaunch compares launches from a small and from a huge image: the time
// from the request to the running machine must not depend on the size.
func benchLaunch(ctx context.Context, c *config, r *report) error {
	huge := filepath.Join(c.work, "huge.raw")
	if err := hugeDisk(c.guest, huge, 2<<40); err != nil {
		return err
	}
	defer os.Remove(huge)
	s, err := c.start(ctx, filepath.Join(c.work, "launch"))
	if err != nil {
		return err
	}
	for name, file := range map[string]string{"small": c.guest, "huge": huge} {
		if _, err := s.importDisk(ctx, file, name); err != nil {
			return err
		}
	}
	var small, large []cost
	for n := range c.pairs + 1 {
		a, err := s.launch(ctx, "small")
		if err != nil {
			return err
		}
		b, err := s.launch(ctx, "huge")
		if err != nil {
			return err
		}
		if n > 0 {
			small, large = append(small, a), append(large, b)
		}
	}
	r.printf("## Launch\n\nFrom RunInstances to the state running, of an image of 64 MiB and of one of 2 TiB with the same data.\n\n")
	r.printf("| | seconds |\n|---|---|\n| 64 MiB | %v |\n| 2 TiB | %v |\n| ratio 2 TiB to 64 MiB | %v |\n\n",
		of(small, wall), of(large, wall), over(large, small, wall))
	_, err = s.stop()
	return err
}

// hugeDisk makes a sparse copy of a disk with a hole behind it.
func hugeDisk(from, to string, size int64) error {
	if out, err := exec.Command("cp", "--sparse=always", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return os.Truncate(to, size)
}

// launch runs an instance of the image of that name until it is running, and
// terminates it.
func (s *service) launch(ctx context.Context, image string) (cost, error) {
	c, err := newClient(ctx, s)
	if err != nil {
		return cost{}, err
	}
	id, err := c.imageID(ctx, image)
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	instance, err := c.run(ctx, id)
	if err != nil {
		return cost{}, err
	}
	if err := c.await(ctx, instance, "running"); err != nil {
		return cost{}, err
	}
	took := cost{wall: time.Since(began).Seconds()}
	if err := c.terminate(ctx, instance); err != nil {
		return took, err
	}
	return took, c.await(ctx, instance, "terminated")
}
