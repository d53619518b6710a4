package qmp

import (
	"fmt"
	"sync"
)

// Bounds of the events that wait for their receiver. A guest can cause events
// at will, by resetting in a loop for one, so the queue must end somewhere.
const (
	maxQueuedEvents = 1 << 14
	maxQueuedBytes  = 16 << 20
)

// queue holds events between the reader of the connection, which must never
// wait, and their receiver, which may.
type queue struct {
	wake chan struct{} // capacity 1: something changed

	mu    sync.Mutex // guards the rest
	items []Event
	bytes int
	ended bool
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put appends an event, or says that the receiver is too far behind.
func (q *queue) put(ev Event) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := len(ev.Name) + len(ev.Data)
	if len(q.items) >= maxQueuedEvents || q.bytes+size > maxQueuedBytes {
		return fmt.Errorf("receiver is %d events behind", len(q.items))
	}
	q.items = append(q.items, ev)
	q.bytes += size
	q.signal()
	return nil
}

// end says that no more events follow.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take removes everything that waits, and reports whether more may follow.
func (q *queue) take() (items []Event, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, q.items, q.bytes = q.items, nil, 0
	return items, !q.ended
}

// pump sends the events to out until the queue ends or stop is closed, and
// then closes out.
func (q *queue) pump(out chan<- Event, stop <-chan struct{}) {
	defer close(out)
	for {
		select {
		case <-q.wake:
		case <-stop:
			return
		}
		items, more := q.take()
		for _, ev := range items {
			select {
			case out <- ev:
			case <-stop:
				return
			}
		}
		if !more {
			return
		}
	}
}
