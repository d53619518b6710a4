package nbd

import "sync"

// budget bounds the requests and the bytes that a connection has in flight.
// The zero value is ready for use. One goroutine acquires, many release.
type budget struct {
	mu       sync.Mutex // guards all below
	freed    sync.Cond
	requests int
	bytes    int
}

// acquire waits until one more request with n bytes of payload may run.
// n is at most MaxBuffered.
func (b *budget) acquire(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.freed.L = &b.mu
	for b.requests >= MaxInFlight || b.bytes+n > MaxBuffered {
		b.freed.Wait()
	}
	b.requests++
	b.bytes += n
}

func (b *budget) release(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests--
	b.bytes -= n
	b.freed.Signal()
}

// wait returns when nothing is in flight.
func (b *budget) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.freed.L = &b.mu
	for b.requests > 0 {
		b.freed.Wait()
	}
}
