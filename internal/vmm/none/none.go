// Package none is a virtual machine monitor without virtual machines: they
// begin and end as [vmm.Driver] says, and execute nothing. It is for tests of
// what talks to the API, and for hosts without QEMU.
//
// Every machine obeys its power button at once, and says on its serial console
// when it starts and ends. Its disks and network cards are not touched.
//
// Machines outlive the process: each is a directory below the driver's own,
// named by its ID, with the file console, which is what it printed, and, once
// it has ended, the file ended, which says why. A machine like this survives
// the death of the process, as a real one does; nothing is synced, because no
// machine survives the loss of power.
package none

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"origami/internal/vmm"
)

// Driver runs machines that execute nothing.
type Driver struct {
	dir    string
	events *queue

	mu       sync.Mutex // guards the following, and the files
	closed   bool
	machines map[string]*machine
}

var (
	_ vmm.Driver          = (*Driver)(nil)
	_ vmm.ConsoleFollower = (*Driver)(nil)
)

var errClosed = errors.New("driver is closed")

// Open opens the driver on its directory, which exists and belongs to it
// alone. Machines of an earlier driver are there again.
func Open(dir string) (*Driver, error) {
	machines, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("open machines: %w", err)
	}
	return &Driver{dir: dir, events: newQueue(), machines: machines}, nil
}

// locked runs f in the critical section of the driver.
func (d *Driver) locked(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	return f()
}

// do runs f on a running machine.
func (d *Driver) do(ctx context.Context, id string, f func(*machine) error) error {
	return d.locked(ctx, func() error {
		m, ok := d.machines[id]
		if !ok || m.ended {
			return notFound(id)
		}
		return f(m)
	})
}

func notFound(id string) error { return fmt.Errorf("machine %q: %w", id, vmm.ErrNotFound) }

// Start implements [vmm.Driver].
func (d *Driver) Start(ctx context.Context, spec vmm.Spec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	return d.locked(ctx, func() error {
		if m, ok := d.machines[spec.ID]; ok && !m.ended {
			return fmt.Errorf("machine %s: already running", spec.ID)
		}
		m, err := create(d.dir, spec.ID)
		if err != nil {
			return fmt.Errorf("start machine %s: %w", spec.ID, err)
		}
		m.setDisks(spec.Disks)
		d.machines[spec.ID] = m
		return nil
	})
}

// end ends a machine. d.mu is held.
func (d *Driver) end(m *machine, reason string) error {
	if err := m.end(reason); err != nil {
		return fmt.Errorf("end machine %s: %w", m.id, err)
	}
	d.events.put(vmm.Event{ID: m.id, Kind: vmm.Stopped, Reason: reason})
	return nil
}

// Shutdown implements [vmm.Driver]. The machine obeys, also while it is
// paused: there is nobody in it who could not.
func (d *Driver) Shutdown(ctx context.Context, id string) error {
	return d.do(ctx, id, func(m *machine) error {
		d.events.put(vmm.Event{ID: id, Kind: vmm.GuestShutdown, Reason: powerButton})
		return d.end(m, powerButton)
	})
}

// Kill implements [vmm.Driver].
func (d *Driver) Kill(ctx context.Context, id string) error {
	err := d.do(ctx, id, func(m *machine) error { return d.end(m, "killed") })
	if errors.Is(err, vmm.ErrNotFound) {
		return nil
	}
	return err
}

// Reset implements [vmm.Driver].
func (d *Driver) Reset(ctx context.Context, id string) error {
	return d.do(ctx, id, func(m *machine) error { return m.print(Banner) })
}

// Pause implements [vmm.Driver]. A machine that does nothing can do so paused.
func (d *Driver) Pause(ctx context.Context, id string) error {
	return d.do(ctx, id, func(*machine) error { return nil })
}

// Resume implements [vmm.Driver].
func (d *Driver) Resume(ctx context.Context, id string) error { return d.Pause(ctx, id) }

// Console implements [vmm.Driver].
func (d *Driver) Console(ctx context.Context, id string, limit int) ([]byte, error) {
	var tail []byte
	err := d.locked(ctx, func() error {
		m, ok := d.machines[id]
		if !ok {
			return notFound(id)
		}
		skip := len(m.console) - min(len(m.console), max(limit, 0))
		tail = slices.Clone(m.console[skip:])
		return nil
	})
	return tail, err
}

// Remove implements [vmm.Driver].
func (d *Driver) Remove(ctx context.Context, id string) error {
	return d.locked(ctx, func() error {
		m, ok := d.machines[id]
		if !ok {
			return nil
		}
		if !m.ended {
			return fmt.Errorf("machine %s: still running", id)
		}
		if err := m.remove(); err != nil {
			return fmt.Errorf("remove machine %s: %w", id, err)
		}
		delete(d.machines, id)
		return nil
	})
}

// Recover implements [vmm.Driver].
func (d *Driver) Recover(ctx context.Context) (running []string, ended []vmm.Ending, err error) {
	err = d.locked(ctx, func() error {
		for _, id := range slices.Sorted(maps.Keys(d.machines)) {
			if m := d.machines[id]; m.ended {
				ended = append(ended, vmm.Ending{ID: id, ByGuest: m.reason == powerButton, Reason: m.reason})
			} else {
				running = append(running, id)
			}
		}
		return nil
	})
	return running, ended, err
}

// Events implements [vmm.Driver].
func (d *Driver) Events() <-chan vmm.Event { return d.events.out }

// Close implements [vmm.Driver].
func (d *Driver) Close() error {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if !closed {
		d.events.close()
	}
	return nil
}
