package qemu

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"origami/internal/vmm"
)

// errClosed is the error of everything asked of a driver after Close.
var errClosed = errors.New("driver is closed")

// Driver runs the machines of one directory. It is made by [Open].
type Driver struct {
	config Config
	log    *slog.Logger
	lock   *os.File
	queue  *queue

	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
	wait   sync.WaitGroup // for the goroutines of machines, Starts and the probe
	probed chan struct{}  // closed once accel is set
	accel  string

	mu       sync.Mutex // guards the rest
	closed   bool
	machines map[string]*machine // those that run or are about to
}

var _ vmm.Driver = (*Driver)(nil)

func newDriver(config Config, lock *os.File) *Driver {
	d := &Driver{
		config:   config,
		log:      config.Logger,
		lock:     lock,
		queue:    newQueue(),
		probed:   make(chan struct{}),
		machines: make(map[string]*machine),
	}
	d.ctx, d.cancel = context.WithCancelCause(context.Background())
	d.wait.Go(func() {
		defer close(d.probed)
		d.accel = d.chooseAccel()
	})
	return d
}

// chooseAccel returns the accelerator to use.
func (d *Driver) chooseAccel() string {
	if d.config.Accel != AccelAuto {
		return d.config.Accel
	}
	if err := probeKVM(d.ctx, d.config); err != nil {
		d.log.Info("machines run without KVM", "reason", err)
		return AccelTCG
	}
	return AccelKVM
}

// Accel returns the accelerator of the machines that this driver starts,
// AccelKVM or AccelTCG. It waits for the probe of AccelAuto.
func (d *Driver) Accel() string {
	<-d.probed
	return d.accel
}

// Events implements [vmm.Driver].
func (d *Driver) Events() <-chan vmm.Event { return d.queue.out }

// Close implements [vmm.Driver]. A Start that is under way fails. Machines that
// end before the process does, and that no later driver of this process
// recovers, remain as zombies until then.
func (d *Driver) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.mu.Unlock()
	d.cancel(errClosed)
	d.wait.Wait()
	d.queue.close()
	return unlockDir(d.lock)
}

// dir is the directory of the machine with a valid ID.
func (d *Driver) dir(id string) machineDir {
	return machineDir(filepath.Join(d.config.Dir, id))
}

// begin counts a call that Close must wait for. The caller calls d.wait.Done.
func (d *Driver) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	d.wait.Add(1)
	return nil
}

// lookup returns the machine if it runs or is about to, and nil if not.
func (d *Driver) lookup(id string) (*machine, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	return d.machines[id], nil
}

// running returns the machine once it has started.
func (d *Driver) running(ctx context.Context, id string) (*machine, error) {
	m, err := d.lookup(id)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fmt.Errorf("machine %s: %w", id, vmm.ErrNotFound)
	}
	select {
	case <-m.started:
		return m, nil
	case <-m.gone:
		return nil, fmt.Errorf("machine %s: %w", id, vmm.ErrNotFound)
	case <-ctx.Done():
		return nil, fmt.Errorf("machine %s: %w", id, context.Cause(ctx))
	}
}

// reserve enters a machine that is about to run.
func (d *Driver) reserve(m *machine) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	if d.machines[m.id] != nil {
		return fmt.Errorf("machine %s: already running", m.id)
	}
	d.machines[m.id] = m
	return nil
}

// release forgets a machine that is gone, and reports its end if it ran.
func (d *Driver) release(m *machine, stopped *vmm.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.machines, m.id)
	if stopped != nil {
		d.queue.put(*stopped)
	}
	close(m.gone)
}
