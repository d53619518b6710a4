package none

import (
	"sync"

	"origami/internal/vmm"
)

// queue carries events to a receiver without making the sender wait. It holds
// at most two events for each end of a machine.
type queue struct {
	out  chan vmm.Event
	wake chan struct{} // capacity 1: there are items
	stop chan struct{}
	wait sync.WaitGroup

	mu    sync.Mutex // guards items
	items []vmm.Event
}

func newQueue() *queue {
	q := &queue{out: make(chan vmm.Event), wake: make(chan struct{}, 1), stop: make(chan struct{})}
	q.wait.Go(q.pump)
	return q
}

func (q *queue) put(ev vmm.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, ev)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take takes all that waits.
func (q *queue) take() []vmm.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

func (q *queue) pump() {
	defer close(q.out)
	for {
		select {
		case <-q.wake:
		case <-q.stop:
			return
		}
		for _, ev := range q.take() {
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
