package durabletest

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Op is a kind of operation, for counting and for faults.
type Op string

// The kinds of operations. OpAny in [CrashFS.Fail] stands for all that change
// something: all but OpOpen and OpRead.
const (
	OpAny      Op = "any"
	OpCreate   Op = "create" // and Mkdir
	OpOpen     Op = "open"   // and List
	OpRead     Op = "read"
	OpWrite    Op = "write"
	OpTruncate Op = "truncate"
	OpPunch    Op = "punch"
	OpSync     Op = "sync"
	OpRename   Op = "rename" // and Link
	OpRemove   Op = "remove"
	OpSyncDir  Op = "syncdir"
)

// ErrStopped is the error of every operation after [CrashFS.StopAfter] struck.
var ErrStopped = errors.New("durabletest: file system stopped")

// errKilled is the ErrStopped of the operation at which the process dies.
var errKilled = fmt.Errorf("%w: killed", ErrStopped)

type fault struct {
	op   Op
	left int // operations until it strikes
	err  error
	stop bool
}

// Fail makes the n-th operation of kind op from now, counted from 1, fail with
// err, once. A failing write has written half of its bytes. A failing Sync has
// made some pages durable and has lost the others: they can be read, but no
// later Sync writes them. A failing SyncDir has made nothing durable. Any
// other failing operation has done nothing.
func (c *CrashFS) Fail(op Op, n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &fault{op: op, left: n, err: err})
}

// StopAfter lets n more changing operations through and then fails every
// operation with ErrStopped, as if the process had been cut off there: the
// moment to call Crash.
func (c *CrashFS) StopAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &fault{op: OpAny, left: n + 1, err: ErrStopped, stop: true})
}

// KillAfter is StopAfter for the death of the process that uses c, which leaves
// everything that it wrote: if it is a write at which the file system stops,
// pages at its beginning may be written. After ClearFaults c is what the next
// process finds.
func (c *CrashFS) KillAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, &fault{op: OpAny, left: n + 1, err: errKilled, stop: true})
}

// ClearFaults forgets all faults that have not struck, and a stop.
func (c *CrashFS) ClearFaults() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults, c.stopped = nil, false
}

// Count is the number of operations of kind op so far, OpAny for all that
// change something.
func (c *CrashFS) Count(op Op) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[op]
}

// begin counts an operation and returns the error that was ordered for it.
func (c *CrashFS) begin(op Op, name string) error {
	if c.stopped {
		return pathError(string(op), name, ErrStopped)
	}
	changes := op != OpOpen && op != OpRead
	c.counts[op]++
	if changes {
		c.counts[OpAny]++
	}
	var err error
	rest := c.faults[:0]
	for _, f := range c.faults {
		if f.op == op || (f.op == OpAny && changes) {
			f.left--
		}
		if f.left > 0 {
			rest = append(rest, f)
			continue
		}
		err = f.err
		c.stopped = c.stopped || f.stop
	}
	c.faults = rest
	if err != nil {
		return pathError(string(op), name, err)
	}
	return nil
}

// faultRand is the randomness of a failed Sync: the same each time.
func (c *CrashFS) faultRand() *rand.Rand {
	return rand.New(rand.NewPCG(uint64(c.counts[OpSync]), 1))
}
