package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"origami/internal/vmm/vmmtest"
)

// bootGoal is how much later than under QEMU alone a guest may execute its
// first instruction, in seconds.
const bootGoal = 0.060

// benchBoot measures the time from RunInstances to the first instruction of
// the guest: a boot sector that does nothing before it writes to its serial
// port. The peer is the same QEMU command with a local raw file in the place
// of our disk, from the start of its process to the same write. What is quoted
// is the difference within a pair; it holds everything that is ours: the
// request, the transaction, the task, the network and the disk.
func benchBoot(ctx context.Context, c *config, r *report) error {
	s, err := c.start(ctx, filepath.Join(c.work, "boot"))
	if err != nil {
		return err
	}
	api, err := newClient(ctx, s)
	if err != nil {
		return err
	}
	r.printf("## First instruction\n\nFrom RunInstances to the first instruction of a boot sector, less the time of the same QEMU command on a local raw file.\n\n")
	r.printf("| image | ours, s | QEMU alone, s | difference, ms | goal, ms |\n|---|---|---|---|---|\n")
	for _, disk := range []struct {
		name string
		size int64
	}{{"2 GiB", 2 << 30}, {"2 TiB", 2 << 40}} {
		b := booter{s: s, api: api, file: filepath.Join(c.work, "boot.raw")}
		if err := b.prepare(ctx, disk.name, disk.size); err != nil {
			return err
		}
		var ours, theirs, more []cost
		for n := range c.pairs + 1 {
			a, err := b.launch(ctx)
			if err != nil {
				return err
			}
			p, err := b.alone(ctx)
			if err != nil {
				return err
			}
			if n > 0 {
				ours, theirs = append(ours, a), append(theirs, p)
				more = append(more, cost{wall: 1000 * (a.wall - p.wall)})
			}
		}
		r.printf("| %s | %v | %v | %v | ≤ %.0f |\n", disk.name, of(ours, wall), of(theirs, wall), of(more, wall), 1000*bootGoal)
	}
	r.printf("\n")
	_, err = s.stop()
	return err
}

// booter boots one image in two ways.
type booter struct {
	s     *service
	api   *client
	file  string // the disk, raw
	image string
	args  []string // of QEMU alone, the program first
}

// prepare makes the disk, imports it, and learns the command from a machine of
// ours.
func (b *booter) prepare(ctx context.Context, name string, size int64) error {
	if err := os.WriteFile(b.file, vmmtest.BootDisk(vmmtest.Deaf), 0o600); err != nil {
		return err
	}
	if err := os.Truncate(b.file, size); err != nil {
		return err
	}
	if _, err := b.s.importDisk(ctx, b.file, name); err != nil {
		return err
	}
	var err error
	if b.image, err = b.api.imageID(ctx, name); err != nil {
		return err
	}
	id, err := b.api.run(ctx, b.image)
	if err != nil {
		return err
	}
	if err := b.api.await(ctx, id, "running"); err != nil {
		return err
	}
	if b.args, err = b.command(id); err != nil {
		return err
	}
	return b.end(ctx, id)
}

// machineDir is the directory of an instance's machine.
func (b *booter) machineDir(id string) string { return filepath.Join(b.s.dir, "machines", id) }

func (b *booter) end(ctx context.Context, id string) error {
	if err := b.api.terminate(ctx, id); err != nil {
		return err
	}
	return b.api.await(ctx, id, "terminated")
}

// launch launches the image and waits for the guest's word.
func (b *booter) launch(ctx context.Context) (cost, error) {
	began := time.Now()
	id, err := b.api.run(ctx, b.image)
	if err != nil {
		return cost{}, err
	}
	took, err := awaitWord(ctx, began, filepath.Join(b.machineDir(id), "console.log"))
	return took, errors.Join(err, b.end(ctx, id))
}

// alone runs QEMU on the file and waits for the guest's word.
func (b *booter) alone(ctx context.Context) (_ cost, err error) {
	dir := b.s.dir + ".alone"
	if err := os.Mkdir(dir, 0o700); err != nil {
		return cost{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, b.args[0], b.args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, []string{"LC_ALL=C"}, &said, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return cost{}, err
	}
	took, err := awaitWord(ctx, began, filepath.Join(dir, "console.log"))
	killErr := cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said.String())
	}
	return took, errors.Join(err, killErr)
}

// awaitWord waits until a console has what the boot sector writes.
func awaitWord(ctx context.Context, began time.Time, console string) (cost, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond / 2)
	defer tick.Stop()
	for {
		said, err := os.ReadFile(console)
		took := cost{wall: time.Since(began).Seconds()}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cost{}, err
		}
		if bytes.Contains(said, []byte(vmmtest.Ready)) {
			return took, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return cost{}, fmt.Errorf("the guest said %q: %w", said, ctx.Err())
		}
	}
}

// command is the command line of a machine of ours, with everything that is of
// our service exchanged for something local: the disk is a file, and nobody
// connects to the monitor and the network card.
func (b *booter) command(id string) ([]string, error) {
	pid, err := os.ReadFile(filepath.Join(b.machineDir(id), "pid"))
	if err != nil {
		return nil, err
	}
	line, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "cmdline"))
	if err != nil {
		return nil, err
	}
	args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
	disks := 0
	for n, arg := range args {
		switch {
		case n > 0 && args[n-1] == "-pidfile":
			args[n] = "pid"
		case strings.HasPrefix(arg, "socket,id=monitor,"):
			args[n] = "socket,id=monitor,path=qmp.sock,server=on,wait=off"
		case strings.HasPrefix(arg, "file,id=console,"):
			args[n] = "file,id=console,append=on,path=console.log"
		case strings.HasPrefix(arg, "{"):
			var o map[string]any
			if err := json.Unmarshal([]byte(arg), &o); err != nil {
				return nil, err
			}
			switch {
			case o["type"] == "stream":
				o["addr"] = map[string]string{"type": "unix", "path": "net.sock"}
			case o["driver"] == "nbd":
				o = map[string]any{"driver": "file", "node-name": o["node-name"], "filename": b.file, "discard": "unmap"}
				disks++
			}
			js, err := json.Marshal(o)
			if err != nil {
				return nil, err
			}
			args[n] = string(js)
		}
	}
	if disks != 1 {
		return nil, fmt.Errorf("the machine has %d disks, not 1", disks)
	}
	return args, nil
}
