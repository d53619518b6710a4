package qemu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"origami/internal/vmm"
)

// adoptTimeout is how long a QEMU that is just starting may take to lock its
// pid file.
const adoptTimeout = 5 * time.Second

// Recover implements [vmm.Driver].
func (d *Driver) Recover(ctx context.Context) (running []string, ended []vmm.Ending, err error) {
	if err := d.begin(); err != nil {
		return nil, nil, err
	}
	defer d.wait.Done()
	entries, err := os.ReadDir(d.config.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("recover machines: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		id := entry.Name()
		if !entry.IsDir() || !vmm.ValidID(id) {
			continue
		}
		m, err := d.lookup(id)
		if err == nil && m == nil {
			var end *ending
			if end, err = d.recover(ctx, id); err == nil && end == nil {
				running = append(running, id)
			} else if err == nil {
				ended = append(ended, vmm.Ending{ID: id, ByGuest: end.ByGuest, Reason: end.Reason})
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("recover machine %s: %w", id, err))
		}
	}
	return running, ended, errors.Join(errs...)
}

// recover adopts the machine if it runs, and returns its end if not.
func (d *Driver) recover(ctx context.Context, id string) (*ending, error) {
	m := d.newMachine(id)
	var err error
	if m.proc, err = m.dir.adopt(ctx); err != nil {
		return nil, err
	}
	if m.spec, err = m.dir.readSpec(); err != nil {
		d.log.Warn("specification of machine unreadable", "machine", id, "error", err)
	}
	if m.proc == nil {
		if err := removeSockets(m.spec); err != nil {
			d.log.Warn("sockets of machine not removed", "machine", id, "error", err)
		}
		end := m.dir.readEnding()
		return &end, nil
	}
	if err := d.reserve(m); err != nil {
		m.proc.release()
		return nil, err
	}
	// An earlier driver heard of the power-off and did not live to see the end.
	// The process may be too far gone to tell.
	if m.dir.readEnding().ByGuest {
		m.off = true
		d.queue.put(vmm.Event{ID: id, Kind: vmm.GuestShutdown, Reason: guestPoweredOff})
	}
	d.wait.Go(m.supervise)
	close(m.started)
	return nil, nil
}

// adopt returns the process of the machine; nil if it has ended.
func (d machineDir) adopt(ctx context.Context) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	for delay := time.Millisecond; ; delay *= 2 {
		proc, err := adopt(d.pid())
		if err != nil || proc != nil || !d.listens() {
			return proc, err
		}
		// The process was started a moment ago, and the driver that did it is
		// no more.
		pause := time.NewTimer(delay)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, fmt.Errorf("somebody listens at %s, but nobody holds the lock of %s", d.monitor(), d.pid())
		}
	}
}

// alive reports whether a process of the machine exists.
func (d machineDir) alive() (bool, error) {
	pid, err := lockHolder(d.pid())
	return pid != 0 || err == nil && d.listens(), err
}

// listens reports whether a process has the monitor's socket.
func (d machineDir) listens() bool {
	conn, err := net.Dial("unix", d.monitor())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
