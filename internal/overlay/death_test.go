package overlay_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

// TestDeath lets the process die at each operation of the file system in turn,
// in the middle of every write, flush, freeze, rebase, grow, close and open, and
// sometimes a second time while the volume is opened again. What was written to
// files stays. Under the same boot every answer is kept; under another one, what
// was flushed.
func TestDeath(t *testing.T) {
	t.Parallel()
	sequences := uint64(12)
	if testing.Short() {
		sequences = 3
	}
	points := 0
	for seed := range sequences {
		for n := 0; ; n++ {
			struck := false
			for _, rebooted := range []bool{false, true} {
				var err error
				if struck, err = oneDeath(seed, n, rebooted); err != nil {
					t.Fatalf("seed %d, death at operation %d, another boot %v: %v", seed, n, rebooted, err)
				}
				points++
			}
			if !struck {
				break
			}
		}
	}
	t.Logf("%d deaths", points)
}

func oneDeath(seed uint64, n int, rebooted bool) (struck bool, err error) {
	rng := rand.New(rand.NewPCG(seed, 11))
	h, err := newHarness(rng.IntN)
	if err != nil {
		return false, err
	}
	h.fs.KillAfter(n)
	for range 20 {
		opErr, wrong := h.step()
		if errors.Is(opErr, durabletest.ErrStopped) || errors.Is(wrong, durabletest.ErrStopped) {
			struck = true
			break
		}
		if opErr != nil || wrong != nil {
			return false, errors.Join(opErr, wrong)
		}
	}
	h.fs.ClearFaults()
	if rebooted {
		h.boot++
	}
	if n%3 == 0 { // and again while the volume opens
		h.fs.KillAfter(n / 3 % 12)
		if err := h.open(); err != nil && !errors.Is(err, durabletest.ErrStopped) {
			return struck, err
		}
		h.fs.ClearFaults()
	}
	if rebooted {
		err = h.reopen()
	} else {
		err = h.kill()
	}
	if err != nil {
		return struck, err
	}
	// Life goes on, and what it leaves is found once more.
	for range 4 {
		if opErr, wrong := h.step(); opErr != nil || wrong != nil {
			return struck, fmt.Errorf("afterwards: %w", errors.Join(opErr, wrong))
		}
	}
	if n%2 == 0 {
		if err := h.kill(); err != nil {
			return struck, fmt.Errorf("after a second death: %w", err)
		}
	}
	if err := h.crash(uint64(n)); err != nil {
		return struck, fmt.Errorf("after a power cut: %w", err)
	}
	return struck, nil
}

// TestFailureThenDeath makes each write, sync and so on fail in turn, and
// another one soon after. The volume goes on as well as it can; then the
// process dies. What was answered before, between and after is there.
func TestFailureThenDeath(t *testing.T) {
	t.Parallel()
	sequences := uint64(4)
	if testing.Short() {
		sequences = 2
	}
	points := 0
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for seed := range sequences {
			for n := 1; ; n++ {
				struck, err := oneFailureThenDeath(seed, n, cause)
				if err != nil {
					t.Fatalf("%v, seed %d, n %d: %v", cause, seed, n, err)
				}
				points++
				if !struck {
					break
				}
			}
		}
	}
	t.Logf("%d failures", points)
}

func oneFailureThenDeath(seed uint64, n int, cause error) (struck bool, err error) {
	rng := rand.New(rand.NewPCG(seed, 13))
	h, err := newHarness(rng.IntN)
	if err != nil {
		return false, err
	}
	h.fs.Fail(durabletest.OpAny, n, cause)
	struck, err = withFault(h, cause, 30)
	if err != nil || !struck {
		return struck, err
	}
	h.fs.Fail(durabletest.OpAny, 1+n%9, cause)
	for range 1 + n%7 {
		if h.dev == nil {
			break
		}
		if _, err := h.dev.ReadAt(make([]byte, 1), 0); errors.Is(err, overlay.ErrClosed) {
			break
		}
		if err := h.asItIs(); err != nil {
			return true, fmt.Errorf("after a failure: %w", err)
		}
		opErr, wrong := h.step()
		if wrong != nil && !errors.Is(wrong, cause) {
			return true, fmt.Errorf("after a failure: %w", wrong)
		}
		if opErr != nil && !errors.Is(opErr, cause) && !errors.Is(opErr, overlay.ErrFailed) {
			return true, fmt.Errorf("after a failure: %w", opErr)
		}
	}
	h.fs.ClearFaults()
	return true, h.kill()
}

// asItIs adopts what a failed write left. That is not sure yet.
func (h *harness) asItIs() error {
	sizes := h.sizes // that a failed Grow left in the state
	err := h.adopt()
	h.sizes = sizes
	return err
}

// TestDeathOfManyWriters has goroutines that write, zero and trim the same few
// units, flush and freeze, while the process dies. A unit holds what some
// operation wrote that was not followed by another one which was answered.
func TestDeathOfManyWriters(t *testing.T) {
	t.Parallel()
	runs := 600
	if testing.Short() {
		runs = 100
	}
	for run := range runs {
		if err := oneDeathOfMany(t, uint64(run)); err != nil {
			t.Fatalf("run %d: %v", run, err)
		}
	}
}

const sharedUnits = 6

// operation is one of the history of a unit. Times are counted.
type operation struct {
	unit       int64
	value      uint64 // 0 for zeros
	begin, end int64  // end is 0 if it was never answered
}

func oneDeathOfMany(t *testing.T, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 17))
	fsys := durabletest.New()
	if err := overlay.CreateEncrypted(fsys, "v", 64*unit, "base", testKey, testWrapped); err != nil {
		return err
	}
	d := openEncrypted(t, fsys, "v")
	fsys.KillAfter(1 + rng.IntN(120))
	var clock atomic.Int64
	var mu sync.Mutex
	var history []operation
	var all sync.WaitGroup
	for w := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 100+w))
		all.Go(func() {
			for i := uint64(1); ; i++ {
				op := operation{unit: rng.Int64N(sharedUnits), begin: clock.Add(1)}
				var err error
				switch rng.IntN(4) {
				case 0:
					err = d.WriteZeroes(op.unit*unit, unit)
				case 1:
					err = d.Trim(op.unit*unit, unit)
				default:
					op.value = i<<8 | w + 1
					_, err = d.WriteAt(bytes.Repeat(binary.LittleEndian.AppendUint64(nil, op.value), unit/8), op.unit*unit)
				}
				if err == nil {
					op.end = clock.Add(1)
				}
				mu.Lock()
				history = append(history, op)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	all.Go(func() {
		for i := 0; ; i++ {
			err := d.Flush()
			if i%3 == 0 && err == nil {
				_, err = overlay.Freeze(d)
			}
			if err != nil && !errors.Is(err, overlay.ErrTooManyLayers) {
				return
			}
		}
	})
	all.Wait()
	fsys.ClearFaults()
	d = openEncrypted(t, fsys, "v")
	p := make([]byte, unit)
	for u := range int64(sharedUnits) {
		if _, err := d.ReadAt(p, u*unit); err != nil && err != io.EOF {
			return err
		}
		if err := mayHold(history, u, p); err != nil {
			return err
		}
	}
	return nil
}

// mayHold checks that p may be in a unit after its history.
func mayHold(history []operation, unit int64, p []byte) error {
	value := binary.LittleEndian.Uint64(p)
	if !bytes.Equal(p, bytes.Repeat(p[:8], len(p)/8)) {
		return fmt.Errorf("unit %d is torn", unit)
	}
	last := int64(0) // when the last answered operation began
	for _, op := range history {
		if op.unit == unit && op.end != 0 {
			last = max(last, op.begin)
		}
	}
	if value == 0x0101010101010101 && last == 0 { // the base
		return nil
	}
	for _, op := range history {
		if op.unit == unit && op.value == value && (op.end == 0 || op.end >= last) {
			return nil
		}
	}
	return fmt.Errorf("unit %d holds %#x, which was overwritten or never written", unit, value)
}
