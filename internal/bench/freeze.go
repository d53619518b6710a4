package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// benchFreeze measures what a guest feels of CreateImage without a reboot: the
// time of single 4 KiB writes while images are made, against the same without.
func benchFreeze(ctx context.Context, c *config, r *report) error {
	s, err := c.startSilent(ctx, filepath.Join(c.work, "freeze"), c.guest, nil,
		"BlockDeviceMapping.1.DeviceName", "/dev/sdf", "BlockDeviceMapping.1.Ebs.VolumeSize", "8")
	if err != nil {
		return err
	}
	r.printf("## CreateImage without a reboot\n\nTime of single random 4 KiB writes over NBD, one after the other, while nothing else happens and while images are made, one after the other, of a volume with that much written and not flushed before each.\n\n")
	r.printf("| | writes | p50 ms | p99 ms | longest ms | goal |\n|---|---|---|---|---|---|\n")
	quiet, err := s.probe(ctx, func(context.Context) error {
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.printf("| alone | %s | |\n", percentiles(quiet))
	for _, dirty := range []int{0, 256} {
		var all []time.Duration
		for n := range c.pairs {
			name := fmt.Sprintf("image-%d-%d", dirty, n)
			if err := s.dirty(dirty << 20); err != nil {
				return err
			}
			took, err := s.probe(ctx, func(ctx context.Context) error { return s.createImage(ctx, name) })
			if err != nil {
				return err
			}
			all = append(all, took...)
		}
		r.printf("| %d MiB not flushed | %s | p99 ≤ 50 ms |\n", dirty, percentiles(all))
	}
	r.printf("\n")
	_, err = s.stop()
	return err
}

func percentiles(took []time.Duration) string {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("%d | %.2f | %.2f | %.1f", len(took), ms(took[len(took)/2]), ms(took[len(took)*99/100]), ms(took[len(took)-1]))
}

// dirty writes n bytes to the second volume in large pieces.
func (s *silent) dirty(n int) error {
	disk, err := dialNBD(s.socket(s.instance), s.volumes[1])
	if err != nil {
		return err
	}
	defer disk.Close()
	p := make([]byte, 1<<20)
	for off := 0; off < n; off += len(p) {
		rand.NewChaCha8([32]byte{byte(off >> 20)}).Read(p)
		if err := disk.write(p, int64(off)); err != nil {
			return err
		}
	}
	return nil
}

// createImage makes an image of the instance and waits until it is available.
func (s *silent) createImage(ctx context.Context, name string) error {
	var made struct {
		ID string `xml:"imageId"`
	}
	if err := s.api.call(ctx, &made, "CreateImage", "InstanceId", s.instance, "Name", name, "NoReboot", "true"); err != nil {
		return err
	}
	return s.until(ctx, "<imageState>available<", "DescribeImages", "ImageId.1", made.ID)
}

// probe writes to the second volume while f runs, and returns how long each
// write took.
func (s *silent) probe(ctx context.Context, f func(context.Context) error) ([]time.Duration, error) {
	disk, err := dialNBD(s.socket(s.instance), s.volumes[1])
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	stop := make(chan struct{})
	var took []time.Duration
	var writeErr error
	var writer sync.WaitGroup
	writer.Go(func() {
		p := make([]byte, 4096)
		for {
			select {
			case <-stop:
				return
			default:
			}
			off := rand.Int64N(1<<30/4096) * 4096
			began := time.Now()
			if writeErr = disk.write(p, off); writeErr != nil {
				return
			}
			took = append(took, time.Since(began))
			time.Sleep(200 * time.Microsecond) // a guest that computes as well
		}
	})
	err = f(ctx)
	close(stop)
	writer.Wait()
	if err == nil {
		err = writeErr
	}
	return took, err
}
