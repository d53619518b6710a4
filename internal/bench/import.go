package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// benchImport compares the import of a Debian disk with qemu-img making a
// compressed qcow2 of it. Ours includes fsync and the durable commit of the
// image; qemu-img does not sync.
func benchImport(ctx context.Context, c *config, r *report) error {
	var first, again, peer []cost
	for n := range c.pairs + 1 {
		q, err := c.qemuConvert(ctx)
		if err != nil {
			return err
		}
		f, a, err := c.importTwice(ctx, filepath.Join(c.work, fmt.Sprint("import", n)))
		if err != nil {
			return err
		}
		if n == 0 {
			continue // warm-up
		}
		first, again, peer = append(first, f), append(again, a), append(peer, q)
	}
	r.printf("## Import\n\n")
	r.printf("`origami import` of a Debian disk (%s), against\n`qemu-img convert -c -m 16 -W -O qcow2 -o compression_type=zstd` of the same file.\n\n", describeFile(c.debian))
	r.printf("| | wall s | CPU s | stored MB | peak MiB |\n|---|---|---|---|---|\n")
	for _, row := range []struct {
		name  string
		costs []cost
	}{{"qemu-img", peer}, {"import", first}, {"import again", again}} {
		r.printf("| %s | %v | %v | %.1f | %.0f |\n", row.name, of(row.costs, wall), of(row.costs, cpu),
			of(row.costs, size).median/1e6, of(row.costs, peak).max)
	}
	r.printf("\n| ratio to qemu-img | measured | goal |\n|---|---|---|\n")
	r.printf("| import, wall | %v | ≤ 0.80 |\n", over(first, peer, wall))
	r.printf("| import, CPU | %v | ≤ 1.00 |\n", over(first, peer, cpu))
	r.printf("| import, stored size | %v | ≤ 1.05 |\n", over(first, peer, size))
	r.printf("| import, peak memory of the service | %.0f MiB | ≤ 64 MiB |\n", of(first, peak).max)
	r.printf("| import again, wall | %v | ≤ 0.17 |\n\n", over(again, peer, wall))
	return nil
}

// importTwice imports the disk into an empty installation, and a second time.
func (c *config) importTwice(ctx context.Context, dir string) (first, again cost, err error) {
	s, err := c.start(ctx, dir)
	if err != nil {
		return first, again, err
	}
	defer os.RemoveAll(dir)
	if first, err = s.importDisk(ctx, c.debian, "first"); err == nil {
		again, err = s.importDisk(ctx, c.debian, "again")
	}
	memory, stopErr := s.stop()
	first.peak, again.peak = memory, memory
	if err == nil {
		err = stopErr
	}
	return first, again, err
}

// qemuConvert compresses the disk with qemu-img.
func (c *config) qemuConvert(ctx context.Context) (cost, error) {
	out := filepath.Join(c.work, "peer.qcow2")
	defer os.Remove(out)
	took, err := command(ctx, "qemu-img", "convert", "-c", "-m", "16", "-W", "-f", "raw", "-O", "qcow2", "-o", "compression_type=zstd", c.debian, out)
	if err != nil {
		return took, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return took, err
	}
	took.size = info.Size()
	return took, nil
}

// describeFile tells the size of a sparse file and how much of it is there.
func describeFile(name string) string {
	info, err := os.Stat(name)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%.1f GiB, %d MiB of it allocated", float64(info.Size())/(1<<30), allocated(info)>>20)
}
