package vmmtest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"origami/internal/vmm"
)

// Driver runs machines that exist only in the memory of its [Host]. The
// guest of a machine is the [Guest] that its root disk's export name names, or
// else [Obedient].
type Driver struct {
	host  *Host
	queue *queue
}

var _ vmm.Driver = (*Driver)(nil)

// NewDriver returns the driver of a host of its own.
func NewDriver() *Driver { return new(Host).Open() }

func newDriver(h *Host) *Driver { return &Driver{host: h, queue: newQueue()} }

// Host is where the driver's machines live.
func (d *Driver) Host() *Host { return d.host }

// do runs f on a running machine, in the critical section of the host.
func (d *Driver) do(ctx context.Context, id string, f func(m *machine)) error {
	return d.locked(ctx, func() error {
		m, err := d.host.running(id)
		if err != nil {
			return err
		}
		f(m)
		return nil
	})
}

func (d *Driver) locked(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.host.mu.Lock()
	defer d.host.mu.Unlock()
	if d.host.driver != d {
		return errClosed
	}
	return f()
}

// Start implements [vmm.Driver].
func (d *Driver) Start(ctx context.Context, spec vmm.Spec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	return d.locked(ctx, func() error { return d.host.start(spec) })
}

// Shutdown implements [vmm.Driver].
func (d *Driver) Shutdown(ctx context.Context, id string) error {
	return d.do(ctx, id, func(m *machine) {
		if m.guest == Obedient || m.guest == Reboots {
			d.host.powerOff(m)
		}
	})
}

// Kill implements [vmm.Driver].
func (d *Driver) Kill(ctx context.Context, id string) error {
	return d.locked(ctx, func() error {
		if m, err := d.host.running(id); err == nil {
			d.host.end(m, "killed")
		}
		return nil
	})
}

// Reset implements [vmm.Driver].
func (d *Driver) Reset(ctx context.Context, id string) error {
	return d.do(ctx, id, func(m *machine) {
		m.lines = 0
		m.print(Ready)
	})
}

// Pause implements [vmm.Driver].
func (d *Driver) Pause(ctx context.Context, id string) error {
	return d.do(ctx, id, func(m *machine) { m.paused = true })
}

// Resume implements [vmm.Driver].
func (d *Driver) Resume(ctx context.Context, id string) error {
	return d.do(ctx, id, func(m *machine) { m.paused = false })
}

// Console implements [vmm.Driver]. A guest that floods prints a hundred lines
// whenever somebody looks.
func (d *Driver) Console(ctx context.Context, id string, limit int) ([]byte, error) {
	limit = max(limit, 0)
	var tail []byte
	err := d.locked(ctx, func() error {
		m, ok := d.host.machines[id]
		if !ok {
			return fmt.Errorf("machine %s: %w", id, vmm.ErrNotFound)
		}
		if m.guest == Floods && !m.paused && !m.ended {
			for range 100 {
				m.print(fmt.Sprintf("%08x\n", m.lines))
				m.lines++
			}
		}
		skip := len(m.console) - min(len(m.console), limit)
		tail = bytes.Clone(m.console[skip:])
		return nil
	})
	return tail, err
}

// Remove implements [vmm.Driver].
func (d *Driver) Remove(ctx context.Context, id string) error {
	return d.locked(ctx, func() error {
		if _, err := d.host.running(id); err == nil {
			return fmt.Errorf("machine %s: still running", id)
		}
		delete(d.host.machines, id)
		return nil
	})
}

// Recover implements [vmm.Driver].
func (d *Driver) Recover(ctx context.Context) (running []string, ended []vmm.Ending, err error) {
	err = d.locked(ctx, func() error {
		for _, id := range slices.Sorted(maps.Keys(d.host.machines)) {
			if m := d.host.machines[id]; m.ended {
				ended = append(ended, vmm.Ending{ID: id, ByGuest: m.byGuest, Reason: m.reason})
			} else {
				running = append(running, id)
			}
		}
		return nil
	})
	return running, ended, err
}

// Events implements [vmm.Driver].
func (d *Driver) Events() <-chan vmm.Event { return d.queue.out }

// Close implements [vmm.Driver].
func (d *Driver) Close() error {
	d.host.mu.Lock()
	if d.host.driver == d {
		d.host.driver = nil
	}
	d.host.mu.Unlock()
	d.queue.close()
	return nil
}

// queue carries events to a receiver without making the sender wait.
type queue struct {
	out  chan vmm.Event
	wake chan struct{} // capacity 1
	stop chan struct{}
	once sync.Once
	wait sync.WaitGroup

	mu    sync.Mutex // guards items
	items []vmm.Event
}

func newQueue() *queue {
	q := &queue{
		out:  make(chan vmm.Event),
		wake: make(chan struct{}, 1),
		stop: make(chan struct{}),
	}
	q.wait.Go(q.pump)
	return q
}

// put queues an event, unless it repeats one of a reset that still waits.
func (q *queue) put(ev vmm.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	same := func(w vmm.Event) bool { return w.ID == ev.ID && w.Kind == ev.Kind }
	if ev.Kind == vmm.GuestReset && slices.ContainsFunc(q.items, same) {
		return
	}
	q.items = append(q.items, ev)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) next() (vmm.Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return vmm.Event{}, false
	}
	ev := q.items[0]
	q.items = q.items[1:]
	return ev, true
}

func (q *queue) pump() {
	defer close(q.out)
	for {
		select {
		case <-q.wake:
		case <-q.stop:
			return
		}
		for ev, ok := q.next(); ok; ev, ok = q.next() {
			select {
			case q.out <- ev:
			case <-q.stop:
				return
			}
		}
	}
}

func (q *queue) close() {
	q.once.Do(func() { close(q.stop) })
	q.wait.Wait()
}
