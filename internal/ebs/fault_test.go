package ebs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"origami"
	"origami/internal/durable/durabletest"
	"origami/internal/metadb"
	"origami/internal/overlay"
)

// TestEveryFault makes each write, sync, rename, creation and so on fail in
// turn on the way of volumes and snapshots: while a guest writes and flushes,
// snapshots are taken and completed, and a disk is ingested. Whatever fails:
// the caller hears it or the snapshot ends in error with a reason, what was
// acknowledged stays readable, the same works when the fault is gone, and
// nothing of it is lost in a power cut after that.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	ops := []durabletest.Op{
		durabletest.OpCreate, durabletest.OpWrite, durabletest.OpTruncate, durabletest.OpPunch,
		durabletest.OpSync, durabletest.OpRename, durabletest.OpRemove, durabletest.OpSyncDir,
	}
	var faults atomic.Int64
	var all errgroup.Group
	all.SetLimit(8)
	for _, op := range ops {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			all.Go(func() error {
				step := 1
				if testing.Short() {
					step = 5
				}
				for n := 1; ; n += step {
					struck, err := oneFault(t, op, n, cause)
					if err != nil {
						return fmt.Errorf("%s %d, %v: %w", op, n, cause, err)
					}
					if !struck {
						return nil
					}
					faults.Add(1)
				}
			})
		}
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d faults", faults.Load())
	if faults.Load() < 100 && !testing.Short() {
		t.Errorf("only %d faults: the script passes by what it should touch", faults.Load())
	}
}

func oneFault(t *testing.T, op durabletest.Op, n int, cause error) (struck bool, err error) {
	database := databaseDir(t)
	fs, err := disks()
	if err != nil {
		return false, err
	}
	w, err := boot(database, fs, newBarrier(fs))
	if err != nil {
		return false, err
	}
	c := newClient(rand.New(rand.NewPCG(1, 1)), w)
	if err := errors.Join(c.newVolume(), c.ingest()); err != nil {
		return false, err
	}
	before := fs.Count(op)
	fs.Fail(op, n, cause)
	if err := c.script(cause); err != nil {
		return true, err
	}
	struck = fs.Count(op)-before >= n
	fs.ClearFaults()
	if err := c.forgive(struck); err != nil {
		return struck, fmt.Errorf("afterwards: %w", err)
	}
	if err := c.check(); err != nil {
		return struck, fmt.Errorf("afterwards: %w", err)
	}
	if cause == syscall.ENOSPC && op != durabletest.OpSync {
		// What follows is the same for both causes.
		w.die(func() {})
		return struck, nil
	}
	// The volume may have failed for good; a service that starts anew opens it.
	for id := range c.open {
		_ = c.closeVolume(id)
	}
	if err := w.close(); err != nil && !struck {
		return struck, err
	}
	if w, err = boot(database, fs, newBarrier(fs)); err != nil {
		return struck, fmt.Errorf("start again: %w", err)
	}
	c.w = w
	if err := errors.Join(w.settle(), c.check(), c.script(nil)); err != nil {
		return struck, fmt.Errorf("second time: %w", err)
	}
	clear(c.open)
	w.die(func() {})
	if w, _, err = reboot(database, rand.New(rand.NewPCG(uint64(n), 2)), w); err != nil {
		return struck, fmt.Errorf("after a power cut: %w", err)
	}
	c.w = w
	if err := c.check(); err != nil {
		return struck, fmt.Errorf("after a power cut: %w", err)
	}
	for id := range c.open {
		if err := c.closeVolume(id); err != nil {
			return struck, err
		}
	}
	return struck, w.close()
}

// script does some of everything once. Errors about the cause, or a volume
// that failed for it, are expected; a nil cause expects none.
func (c *client) script(cause error) error {
	steps := []func() error{
		c.write, c.write, c.flush, c.write, c.snapshot, c.w.settle, c.write, c.write, c.snapshot, c.ingest, c.w.settle,
		c.trim, c.flush, c.w.settle,
	}
	if cause != syscall.ENOSPC { // what follows a failure is the same for both causes
		steps = append(steps, c.copyOnce, c.write, c.w.settle)
	}
	for i, step := range steps {
		err := step()
		if err != nil && (cause == nil || !errors.Is(err, cause) && !errors.Is(err, overlay.ErrFailed)) {
			return fmt.Errorf("step %d: %w", i, err)
		}
		if err != nil {
			if err := c.adopt(); err != nil {
				return fmt.Errorf("read after step %d: %w", i, err)
			}
		}
	}
	return nil
}

// adopt goes on with what a write left that failed, and maybe in part.
func (c *client) adopt() error {
	for id, v := range c.open {
		got, err := readContent(v)
		if err != nil {
			return err
		}
		for i, m := range c.volumes[id] {
			if n := got[i]; n == torn || slices.Contains(m, n) {
				c.volumes[id][i] = append(m, n)
			} else {
				return fmt.Errorf("spot %d holds %d, want one of %v", i, n, m)
			}
		}
	}
	return nil
}

// trim gives back two spots.
func (c *client) trim() error {
	id := pick(c.rng, c.volumes)
	v, err := c.volume(id)
	if err != nil {
		return err
	}
	err = v.Trim(0, 2*overlay.UnitSize)
	for _, spot := range []int{0, 1} {
		m := c.volumes[id]
		was := m[spot][len(m[spot])-1]
		m[spot] = append(m[spot], 0)
		if err != nil {
			m[spot] = append(m[spot], was)
		}
	}
	return err
}

// copyOnce copies a volume, unless an earlier script has.
func (c *client) copyOnce() error {
	if len(c.volumes) > 1 {
		return nil
	}
	return c.copyVolume()
}

// forgive takes out of the model the snapshots that failed, which must say why,
// and the copies; both can be deleted.
func (c *client) forgive(struck bool) error {
	if err := c.forgiveCopies(struck); err != nil {
		return err
	}
	all, err := c.w.snapshots()
	if err != nil {
		return err
	}
	for id, snap := range all {
		switch {
		case snap.State != origami.SnapshotError:
			continue
		case !struck:
			return fmt.Errorf("snapshot %s failed without a fault: %s", id, snap.StateMessage)
		case snap.StateMessage == "":
			return fmt.Errorf("snapshot %s failed and does not say why", id)
		}
		delete(c.snapshots, id)
		err := c.w.db.Update(context.Background(), func(tx *metadb.Tx) error { return c.w.ebs.DeleteSnapshot(tx, alice, id) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *client) forgiveCopies(struck bool) error {
	return c.w.db.Update(context.Background(), func(tx *metadb.Tx) error {
		for v, err := range tx.AllVolumes() {
			if err != nil {
				return err
			}
			switch {
			case v.State != origami.VolumeError:
				continue
			case !struck:
				return fmt.Errorf("volume %s failed without a fault", v.ID)
			}
			delete(c.volumes, v.ID)
			delete(c.open, v.ID)
			if err := c.w.ebs.DeleteVolume(tx, alice, v.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
