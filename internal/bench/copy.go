package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// What the copy of an image may take.
const (
	copyGoal  = 0.050 // seconds, where the bytes are there already
	movedGoal = 1.05  // of the stored bytes of what is new
)

// copiedBlocks is how many blocks of 512 KiB tell a derived disk from its base.
const copiedBlocks = 64

// abroad is the region that images are copied to.
const abroad = "eu-west-1"

// copyMetrics is where the service says what it has written.
const copyMetrics = "127.0.0.1:9775"

// benchCopy measures copies of images: how long one takes where no byte has to
// move, for a small disk and for a huge one, and how many bytes one moves where
// all but a few blocks are there.
func benchCopy(ctx context.Context, c *config, r *report) error {
	s, err := c.start(ctx, filepath.Join(c.work, "copy"), append([]string{"--metrics", copyMetrics}, noMachine...)...)
	if err != nil {
		return err
	}
	b := &copier{config: c, service: s}
	if b.here, err = newClient(ctx, s); err != nil {
		return err
	}
	b.there = &client{endpoint: b.here.endpoint, region: abroad, cred: b.here.cred}
	if err := b.known(ctx, r); err != nil {
		return err
	}
	if err := b.derived(ctx, r); err != nil {
		return err
	}
	_, err = s.stop()
	return err
}

// copier copies images of one service.
type copier struct {
	*config
	service     *service
	here, there *client // of the regions
}

// known measures copies of images whose bytes are there, within the region and
// abroad.
func (b *copier) known(ctx context.Context, r *report) error {
	small, huge := filepath.Join(b.work, "copy.raw"), filepath.Join(b.work, "copy-huge.raw")
	if err := slice(b.debian, small, 1<<30); err != nil {
		return err
	}
	if err := hugeDisk(small, huge, 1<<40); err != nil {
		return err
	}
	defer os.Remove(huge)
	r.printf("## Copying an image\n\nFrom CopyImage to the state available, under the key that the source has, of an image of 1 GiB and of one of 1 TiB with the same data.\n\n")
	r.printf("| to | 1 GiB, s | 1 TiB, s | ratio | bytes stored | goal |\n|---|---|---|---|---|---|\n")
	ids := map[string]string{}
	for name, file := range map[string]string{"1 GiB": small, "1 TiB": huge} {
		if _, err := b.service.importDisk(ctx, file, name); err != nil {
			return err
		}
		var err error
		if ids[name], err = b.here.imageID(ctx, name); err != nil {
			return err
		}
	}
	for _, to := range []*client{b.here, b.there} {
		all := map[string][]cost{}
		var stored int64
		for n := range b.pairs + 1 {
			for _, name := range []string{"1 GiB", "1 TiB"} {
				took, err := b.copyImage(ctx, to, ids[name], fmt.Sprintf("%s %d", name, n))
				if err != nil {
					return err
				}
				stored += took.size
				if n > 0 {
					all[name] = append(all[name], took)
				}
			}
		}
		r.printf("| %s | %v | %v | %v | %d | ≤ %.3f |\n", to.region, of(all["1 GiB"], wall), of(all["1 TiB"], wall),
			over(all["1 TiB"], all["1 GiB"], wall), stored, copyGoal)
	}
	r.printf("\n")
	return nil
}

// derived measures what the copy of an image under another key stores, when the
// image that it was made from is there.
func (b *copier) derived(ctx context.Context, r *report) error {
	base, file := filepath.Join(b.work, "copy.raw"), filepath.Join(b.work, "copy-derived.raw")
	if err := b.derive(base, file); err != nil {
		return err
	}
	defer os.Remove(file)
	before, err := b.written(ctx)
	if err != nil {
		return err
	}
	if _, err := b.service.importDisk(ctx, file, "derived"); err != nil {
		return err
	}
	after, err := b.written(ctx)
	if err != nil {
		return err
	}
	fresh := after - before
	r.printf("Copies to %s under another key: that of 1 GiB, and then one of a disk of which %d blocks differ.\n\n", abroad, copiedBlocks)
	r.printf("| | stored MB | to what importing it stored | goal |\n|---|---|---|---|\n")
	for _, name := range []string{"1 GiB", "derived"} {
		id, err := b.here.imageID(ctx, name)
		if err != nil {
			return err
		}
		took, err := b.copyImage(ctx, b.there, id, "encrypted "+name, "Encrypted", "true")
		if err != nil {
			return err
		}
		if name == "derived" {
			r.printf("| derived | %.2f | %.4f | ≤ %.2f |\n\n", float64(took.size)/1e6, float64(took.size)/float64(fresh), movedGoal)
		} else {
			r.printf("| 1 GiB | %.2f | | |\n", float64(took.size)/1e6)
		}
	}
	return nil
}

// derive copies a disk and overwrites some of its blocks with others of the
// Debian disk, changed so that nobody has stored them.
func (b *copier) derive(from, to string) error {
	if err := slice(from, to, 1<<30); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	const block = 512 << 10
	p := make([]byte, block)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range rng.Perm(1 << 30 / block)[:copiedBlocks] {
		if _, err := f.ReadAt(p, int64(n)*block); err != nil && err != io.EOF {
			return err
		}
		for k := 0; k < len(p); k += 4 << 10 {
			p[k] ^= byte(1 + rng.IntN(255))
		}
		if _, err := f.WriteAt(p, int64(n)*block); err != nil {
			return err
		}
	}
	return f.Sync()
}

// written is how many bytes of records the service has written.
func (b *copier) written(ctx context.Context) (int64, error) {
	return readMetric(ctx, copyMetrics, "origami_store_written_bytes_total")
}

// copyImage copies an image of the first region, waits until the copy is
// available, and says how long that took and what it stored.
func (b *copier) copyImage(ctx context.Context, to *client, id, name string, more ...string) (cost, error) {
	before, err := b.written(ctx)
	if err != nil {
		return cost{}, err
	}
	var made struct {
		ID string `xml:"imageId"`
	}
	began := time.Now()
	params := append([]string{"SourceImageId", id, "SourceRegion", b.here.region, "Name", "copy of " + name}, more...)
	if err := to.call(ctx, &made, "CopyImage", params...); err != nil {
		return cost{}, err
	}
	if err := to.awaitImage(ctx, made.ID); err != nil {
		return cost{}, err
	}
	took := cost{wall: time.Since(began).Seconds()}
	after, err := b.written(ctx)
	took.size = after - before
	return took, err
}

// awaitImage waits until an image is available.
func (c *client) awaitImage(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		var out struct {
			State string `xml:"imagesSet>item>imageState"`
		}
		if err := c.call(ctx, &out, "DescribeImages", "ImageId.1", id); err != nil {
			return err
		}
		switch out.State {
		case "available":
			return nil
		case "failed":
			return fmt.Errorf("the copy %s failed", id)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("image %s is %s: %w", id, out.State, ctx.Err())
		}
	}
}
