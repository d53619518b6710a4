package qemu

import (
	"slices"
	"sync"

	"origami/internal/vmm"
)

// queue carries events to a receiver that may be slow, without making the
// sender wait. Its length is bounded by the number of machines: of each it
// holds at most one event of a kind, except that a machine which was started
// again may have a second end.
type queue struct {
	out  chan vmm.Event
	wake chan struct{} // capacity 1: there are items
	stop chan struct{}
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

// put queues an event, unless it says again what waits already. A machine's
// Stopped is put once and separates its lives.
func (q *queue) put(ev vmm.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if ev.Kind != vmm.Stopped && q.holds(ev) {
		return
	}
	q.items = append(q.items, ev)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// holds reports whether the event waits, in the machine's present life.
func (q *queue) holds(ev vmm.Event) bool {
	for _, w := range slices.Backward(q.items) {
		if w.ID == ev.ID && w.Kind == vmm.Stopped {
			return false
		}
		if w.ID == ev.ID && w.Kind == ev.Kind {
			return true
		}
	}
	return false
}

func (q *queue) next() (vmm.Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return vmm.Event{}, false
	}
	ev := q.items[0]
	q.items = slices.Delete(q.items, 0, 1)
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

// close drops what waits and closes out.
func (q *queue) close() {
	close(q.stop)
	q.wait.Wait()
}
