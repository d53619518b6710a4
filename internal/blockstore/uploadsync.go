package blockstore

import (
	"fmt"
	"time"

	"origami/internal/durable"
)

// gatherTime is how long a sync of an upload log waits at most for entries that
// clients who put at the same time are about to write.
const gatherTime = 4 * time.Millisecond

// sync returns when the log is durable up to end. Who finds nobody syncing does
// it for all.
func (u *Upload) sync(end int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.synced < end {
		switch {
		case u.err != nil:
			return u.err
		case u.syncing:
			u.flushed.Wait()
		default:
			u.syncing = true
			u.gather()
			u.flush()
			u.syncing = false
			u.flushed.Broadcast()
		}
	}
	return nil
}

// flush syncs what is written. The caller holds mu, which is not held meanwhile.
func (u *Upload) flush() {
	upto, entries := u.written, u.unsynced
	u.unsynced = 0
	u.mu.Unlock()
	err := u.f.Sync()
	u.mu.Lock()
	u.company = entries + u.unsynced
	if err != nil {
		u.err = fmt.Errorf("the upload cannot be synced: %w", err)
		return
	}
	u.synced = upto
}

// gather waits until as many entries are written as came around the last sync: a
// sync costs little more for all of them than for one, and while it blocks its
// thread a processor does nothing else. What is there is on its way to the disk
// meanwhile. A client that puts alone never waits. The caller holds mu, which is
// not held meanwhile.
func (u *Upload) gather() {
	if u.unsynced >= u.company {
		return
	}
	u.expected, u.gathered = u.company, make(chan struct{})
	t := time.NewTimer(gatherTime)
	defer t.Stop()
	from, n := u.synced, u.written-u.synced
	u.mu.Unlock()
	durable.StartWriteback(u.f, from, n)
	select {
	case <-u.gathered:
	case <-t.C:
	}
	u.mu.Lock()
	u.expected = 0
}

// count counts an entry that was written. The caller holds mu.
func (u *Upload) count() {
	if u.unsynced++; u.unsynced == u.expected {
		close(u.gathered)
	}
}

// Space for the log is reserved in steps that grow with it.
const (
	minReserve = 1 << 20
	maxReserve = 16 << 20
)

// reserve sees to space up to end, and for what will follow. The caller holds mu.
func (u *Upload) reserve(end int64) {
	if end <= u.reserved {
		return
	}
	from := max(u.reserved, u.written)
	u.reserved = end + min(max(end, minReserve), maxReserve)
	durable.Reserve(u.f, from, u.reserved-from)
}
