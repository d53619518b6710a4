package overlay_test

import (
	"errors"
	"math/rand/v2"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"origami/internal/durable/durabletest"
	"origami/internal/overlay"
)

// TestModel runs random operations and crashes between them against a model.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.IntRange(0, 1<<20)
		h, err := newHarness(func(n int) int { return number.Draw(t, "n") % n })
		if err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"step": func(t *rapid.T) {
				opErr, wrong := h.step()
				if opErr != nil || wrong != nil {
					t.Fatal(opErr, wrong)
				}
			},
			"crash": func(t *rapid.T) {
				if err := h.crash(uint64(number.Draw(t, "seed"))); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if err := h.check(); err != nil {
					t.Fatal(err)
				}
			},
		})
	})
}

// TestCrashPoints cuts off random sequences of operations after a random
// number of changes of the file system, also in the middle of an operation,
// then crashes the system or only the process, and goes on with what is found. A failure names its seed.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	const sequences, crashes = 150, 7
	points := 0
	for seed := range uint64(sequences) {
		rng := rand.New(rand.NewPCG(seed, 7))
		h, err := newHarness(rng.IntN)
		if err != nil {
			t.Fatal(err)
		}
		for range crashes {
			h.fs.StopAfter(rng.IntN(120))
			if err := untilStopped(h); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			points++
			if rng.IntN(3) == 0 {
				h.fs.ClearFaults()
				if err := h.kill(); err != nil {
					t.Fatalf("seed %d: killed at point %d: %v", seed, points, err)
				}
				continue
			}
			if err := h.crash(rng.Uint64()); err != nil {
				t.Fatalf("seed %d: crash at point %d: %v", seed, points, err)
			}
		}
	}
	t.Logf("%d crash points", points)
}

func untilStopped(h *harness) error {
	for {
		opErr, wrong := h.step()
		if errors.Is(opErr, durabletest.ErrStopped) || errors.Is(wrong, durabletest.ErrStopped) {
			return nil
		}
		if opErr != nil {
			return opErr
		}
		if wrong != nil {
			return wrong
		}
	}
}

// TestFailures makes each operation of the file system fail in turn, for the
// n-th time n. Whatever fails: reads stay right, the volume goes on unless a
// sync failed, and after a crash nothing that was flushed is lost.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
		for seed := range uint64(6) {
			for n := 1; ; n++ {
				rng := rand.New(rand.NewPCG(seed, 9))
				h, err := newHarness(rng.IntN)
				if err != nil {
					t.Fatal(err)
				}
				h.fs.Fail(durabletest.OpAny, n, cause)
				struck, err := withFault(h, cause, 60)
				if err != nil {
					t.Fatalf("%v, seed %d, n %d: %v", cause, seed, n, err)
				}
				if !struck {
					break
				}
				h.fs.ClearFaults()
				if err := afterFault(h); err != nil {
					t.Fatalf("%v, seed %d, n %d: afterwards: %v", cause, seed, n, err)
				}
				if err := h.crash(uint64(n)); err != nil {
					t.Fatalf("%v, seed %d, n %d: after a crash: %v", cause, seed, n, err)
				}
			}
		}
	}
}

// withFault runs operations until one fails or there were enough, and says
// whether one did.
func withFault(h *harness, cause error, steps int) (bool, error) {
	for range steps {
		opErr, wrong := h.step()
		if wrong != nil {
			return false, wrong
		}
		if opErr != nil && !errors.Is(opErr, cause) {
			return false, opErr
		}
		if opErr != nil {
			return true, nil
		}
	}
	return false, nil
}

func afterFault(h *harness) error {
	if h.dev == nil { // Open failed
		return h.reopen()
	}
	if _, err := h.dev.ReadAt(make([]byte, 1), 0); errors.Is(err, overlay.ErrClosed) {
		return h.reopen()
	}
	// A write that failed may have happened in part: adopt what is there.
	// The size that a failed Grow left in the state is found later.
	sizes := h.sizes
	if err := h.adopt(); err != nil {
		return err
	}
	h.sizes = sizes
	err := h.dev.Flush()
	if errors.Is(err, overlay.ErrFailed) {
		if err := h.dev.Flush(); !errors.Is(err, overlay.ErrFailed) {
			return errors.New("flush worked after it failed for good")
		}
		if _, err := h.dev.WriteAt([]byte{1}, 0); !errors.Is(err, overlay.ErrFailed) {
			return errors.New("write worked after a sync failed")
		}
		return nil
	}
	if err != nil {
		return err
	}
	h.flushed()
	for range 20 {
		if opErr, wrong := h.step(); opErr != nil || wrong != nil {
			return errors.Join(opErr, wrong)
		}
	}
	return nil
}

// reopen opens a volume that was closed by an operation that failed.
func (h *harness) reopen() error {
	if err := h.open(); err != nil {
		return err
	}
	return h.adopt()
}
