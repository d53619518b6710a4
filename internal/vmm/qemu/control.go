package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"origami/internal/vmm"
)

// errKilled is what a Start returns whose machine was killed meanwhile.
var errKilled = errors.New("killed while it started")

// execute runs a command of a machine's monitor.
func (d *Driver) execute(ctx context.Context, id, command string) error {
	m, err := d.running(ctx, id)
	if err != nil {
		return err
	}
	return m.execute(ctx, command, nil, nil)
}

// Shutdown implements [vmm.Driver].
func (d *Driver) Shutdown(ctx context.Context, id string) error {
	return d.execute(ctx, id, "system_powerdown")
}

// Reset implements [vmm.Driver].
func (d *Driver) Reset(ctx context.Context, id string) error {
	return d.execute(ctx, id, "system_reset")
}

// Pause implements [vmm.Driver].
func (d *Driver) Pause(ctx context.Context, id string) error {
	return d.execute(ctx, id, "stop")
}

// Resume implements [vmm.Driver].
func (d *Driver) Resume(ctx context.Context, id string) error {
	return d.execute(ctx, id, "cont")
}

// Kill implements [vmm.Driver]. It does not ask QEMU, which might hang: what
// the disks' server acknowledged, it has, and QEMU keeps nothing back.
func (d *Driver) Kill(ctx context.Context, id string) error {
	m, err := d.lookup(id)
	if err != nil {
		return err
	}
	if m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, endTimeout, errors.New("the process does not end"))
	defer cancel()
	m.abort(errKilled) // of no effect once it runs
	select {
	case <-m.started:
		if err := m.kill("killed"); err != nil {
			return fmt.Errorf("kill machine %s: %w", id, err)
		}
	case <-m.gone:
	case <-ctx.Done():
	}
	select {
	case <-m.gone:
		return nil
	case <-d.ctx.Done():
		return fmt.Errorf("kill machine %s: %w", id, context.Cause(d.ctx))
	case <-ctx.Done():
		return fmt.Errorf("kill machine %s: %w", id, context.Cause(ctx))
	}
}

// Remove implements [vmm.Driver].
func (d *Driver) Remove(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("remove machine %s: %w", id, err)
	}
	if !vmm.ValidID(id) { // no such machine, and perhaps another path
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock() // held, so that no Start of this ID begins
	switch {
	case d.closed:
		return errClosed
	case d.machines[id] != nil:
		return fmt.Errorf("machine %s: still running", id)
	}
	dir := d.dir(id)
	if _, err := os.Lstat(string(dir)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if alive, err := dir.alive(); err != nil || alive {
		return fmt.Errorf("remove machine %s: %w", id, errors.Join(err, errors.New("its process still runs")))
	}
	if err := os.RemoveAll(string(dir)); err != nil {
		return fmt.Errorf("remove machine %s: %w", id, err)
	}
	return nil
}
