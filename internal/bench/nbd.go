package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// nbdSize is how much of a disk the benchmark of NBD works on: it fits into
// the service's cache and the system's, since both sides are measured warm.
const nbdSize = 512 << 20

// benchNBD compares our disks, as a machine gets them, with qemu-nbd serving a
// raw file: a volume of an imported image, which is an overlay over a
// snapshot, against a copy of the same disk.
func benchNBD(ctx context.Context, c *config, r *report) error {
	file := filepath.Join(c.work, "nbd.raw")
	if err := slice(c.debian, file, nbdSize); err != nil {
		return err
	}
	defer os.Remove(file)
	s, err := c.startSilent(ctx, filepath.Join(c.work, "nbd"), file, []string{"--cache-mib", "1024"})
	if err != nil {
		return err
	}
	peer, stop, err := c.qemuNBD(ctx, file)
	if err != nil {
		return err
	}
	ours := uri(s.socket(s.instance), s.volumes[0])
	r.printf("## NBD\n\nA volume of an imported disk of %d MiB, through the service's NBD server, against `qemu-nbd -f raw` of the same disk, both warm.\n\n", nbdSize>>20)
	r.printf("| | ours | qemu-nbd | speed, ours to qemu-nbd | goal |\n|---|---|---|---|---|\n")
	for _, m := range []struct {
		name string
		run  func(ctx context.Context, uri string) (cost, error)
		goal string
	}{
		{"read, sequential, s (`nbdcopy --no-extents`)", readAll, "≥ 0.8"},
		{"read, 4 KiB, depth 16, s", pieces(false), "≥ 0.8"},
		{"write, 4 KiB, depth 16, s", pieces(true), "≥ 0.8"},
		{"write, sequential, and flush, s (`nbdcopy --flush`)", func(ctx context.Context, uri string) (cost, error) {
			return command(ctx, "nbdcopy", "--flush", "--no-extents", "--destination-is-zero", file, uri)
		}, "≥ 0.8"},
	} {
		var a, b []cost
		for n := range c.pairs + 1 {
			x, err := m.run(ctx, ours)
			if err != nil {
				return err
			}
			y, err := m.run(ctx, peer)
			if err != nil {
				return err
			}
			if n > 0 { // the first warms
				a, b = append(a, x), append(b, y)
			}
		}
		r.printf("| %s | %v | %v | %v | %s |\n", m.name, of(a, wall), of(b, wall), over(b, a, wall), m.goal)
	}
	r.printf("\n")
	_, stopErr := s.stop()
	return errors.Join(stop(), stopErr)
}

// readAll reads a whole export.
func readAll(ctx context.Context, uri string) (cost, error) {
	return command(ctx, "nbdcopy", "--no-extents", uri, "null:")
}

// pieces reads or writes an export in pieces of 4 KiB, 16 at a time, each
// 68 KiB behind the one before, and takes the time that qemu-img measured.
func pieces(write bool) func(context.Context, string) (cost, error) {
	return func(ctx context.Context, uri string) (cost, error) {
		args := []string{"bench", "-f", "raw", "-c", "40000", "-d", "16", "-s", "4096", "-S", "69632"}
		if write {
			args = append(args, "-w")
		}
		out, err := exec.CommandContext(ctx, "qemu-img", append(args, uri)...).CombinedOutput()
		if err != nil {
			return cost{}, fmt.Errorf("qemu-img bench: %w: %s", err, out)
		}
		_, rest, _ := bytes.Cut(out, []byte("completed in "))
		text, _, ok := bytes.Cut(rest, []byte(" seconds"))
		took, err := strconv.ParseFloat(string(text), 64)
		if err != nil || !ok {
			return cost{}, fmt.Errorf("qemu-img bench says %q", out)
		}
		return cost{wall: took}, nil
	}
}

// qemuNBD serves a copy of a file.
func (c *config) qemuNBD(ctx context.Context, file string) (peer string, stop func() error, err error) {
	copied := filepath.Join(c.work, "peer.raw")
	info, err := os.Stat(file)
	if err != nil {
		return "", nil, err
	}
	if err := slice(file, copied, info.Size()); err != nil {
		return "", nil, err
	}
	socket := filepath.Join(c.work, "peer.nbd")
	cmd := exec.CommandContext(ctx, "qemu-nbd", "-t", "-f", "raw", "--shared=16", "-k", socket, copied)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() error {
		err := cmd.Process.Kill()
		cmd.Wait() // it was killed
		return errors.Join(err, os.Remove(copied))
	}
	for range 1000 {
		if _, err := os.Stat(socket); err == nil {
			return uri(socket, ""), stop, nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return "", nil, errors.Join(errors.New("qemu-nbd does not listen"), stop())
}
