package overlay

import (
	"fmt"
	"sync"
)

// flushGroup lets those share a flush who ask while another one runs.
type flushGroup struct {
	running sync.Mutex // held by the flush that runs

	mu      sync.Mutex // guards waiting
	waiting *flush     // begins when running is free
}

type flush struct {
	done chan struct{}
	err  error // set before done is closed
}

// do returns the result of a call of f that began after do was called.
func (g *flushGroup) do(f func() error) error {
	g.mu.Lock()
	if w := g.waiting; w != nil {
		g.mu.Unlock()
		<-w.done
		return w.err
	}
	w := &flush{done: make(chan struct{})}
	g.waiting = w
	g.mu.Unlock()

	g.running.Lock()
	defer g.running.Unlock()
	g.mu.Lock()
	g.waiting = nil
	g.mu.Unlock()
	w.err = f()
	close(w.done)
	return w.err
}

// Flush makes everything durable that was written before the call. Calls that
// come together share one flush. After a failed sync it always fails, with an
// error that wraps ErrFailed.
func (d *Device) Flush() error {
	if err := d.flushes.do(d.sync); err != nil {
		return fmt.Errorf("flush volume %s: %w", d.dir, err)
	}
	return nil
}

// layersNow returns the layers of the present view, which a freeze may have
// made newer than one acquired before.
func (d *Device) layersNow() []*layer {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.view == nil {
		return nil
	}
	return d.view.layers
}

// sync commits all layers, oldest first: what is in a lower layer was written
// before what is above it.
func (d *Device) sync() error {
	if err := d.broken(); err != nil {
		return err
	}
	v, err := d.acquire()
	if err != nil {
		return err
	}
	defer v.release()
	for _, l := range v.layers {
		if err := l.commit(d.fsys, d.dir, d.live); err != nil {
			return d.fail(err)
		}
	}
	d.live.trim(d.layersNow)
	return nil
}
