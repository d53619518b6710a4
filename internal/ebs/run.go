package ebs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"origami"
	"origami/disk"
	"origami/internal/blockstore"
	"origami/internal/metadb"
	"origami/internal/overlay"
	"origami/internal/task"
)

// runSnapshot completes a pending snapshot: the blocks that its frozen layers
// changed go into the store on top of the manifest that the volume stood on.
// It may be run again at any point: the layer stays until the snapshot has its
// root, and the store keeps what it already has.
func (s *Service) runSnapshot(ctx context.Context, run *task.Run) error {
	return keyFailure(s.takeSnapshot(ctx, run))
}

func (s *Service) takeSnapshot(ctx context.Context, run *task.Run) error {
	id, region := origami.SnapshotID(run.Task.Resource), run.Task.Region
	var snap *origami.Snapshot
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = tx.Snapshot(region, metadb.System, id)
		return err
	})
	if err != nil {
		if isNoSnapshot(err) {
			return nil // deleted while pending
		}
		return err
	}
	if snap.State == origami.SnapshotError {
		return nil
	}
	v, err := s.Open(ctx, region, snap.Volume)
	if err != nil {
		if snap.State == origami.SnapshotCompleted && isGone(err) {
			return nil // completed before, and then the volume went
		}
		return err
	}
	defer s.closeVolume(v)
	at := stored{layer: overlay.LayerID(snap.Layer)}
	if snap.State == origami.SnapshotCompleted {
		at.root, err = parseRoot(snap.Root)
	} else {
		at.root, err = s.storeSnapshot(ctx, run, v, snap)
	}
	if err != nil {
		return err
	}
	return s.rebase(ctx, region, v, at)
}

// storeSnapshot puts what a pending snapshot froze into the store and
// completes it.
func (s *Service) storeSnapshot(ctx context.Context, run *task.Run, v *Volume, snap *origami.Snapshot) (blockstore.Root, error) {
	progress := s.snapshotProgress(ctx, run, snap)
	half := func(done, total int64) { progress(done, 2*total) } // the rest is what changed
	if err := s.rekey(ctx, snap.Region, v, rekeying{snapshot: snap.ID, progress: half}); err != nil {
		return blockstore.Root{}, err
	}
	frozen, err := v.Frozen(overlay.LayerID(snap.Layer))
	if err != nil {
		return blockstore.Root{}, fmt.Errorf("find what %s froze: %w", snap.ID, err)
	}
	defer frozen.Close()
	root, err := s.storeFrozen(ctx, frozen, blockstore.Domain(snap.KMSKey), progress)
	if err != nil {
		return blockstore.Root{}, err
	}
	return root, s.completeSnapshot(ctx, snap.Region, snap.ID, root)
}

// storeFrozen writes what a frozen volume changed into the block store and returns
// the root of the whole, which is in a domain. So must be what the volume stands
// on; see rekey.
func (s *Service) storeFrozen(ctx context.Context, f *overlay.Frozen, d blockstore.Domain, progress func(done, total int64)) (blockstore.Root, error) {
	base, err := parseRoot(f.Base())
	if err != nil {
		return blockstore.Root{}, err
	}
	if foreign(base, d) {
		return blockstore.Root{}, fmt.Errorf("the volume of domain %q stands on a disk of %q", d, base.Domain)
	}
	base.Domain = d
	w, err := s.store.NewWriter(f.Size(), base)
	if err != nil {
		return blockstore.Root{}, err
	}
	src := &changes{Image: f}
	for e := range f.Dirty(ctx) {
		src.total += e.Len
		if !e.Zero {
			src.dirty = append(src.dirty, e)
			continue
		}
		if err := w.Zero(e.Off, e.Len); err != nil {
			return blockstore.Root{}, errors.Join(fmt.Errorf("store zeros at %d: %w", e.Off, err), w.Abort())
		}
	}
	if err = ctx.Err(); err == nil {
		err = disk.Copy(ctx, w, src, func(p disk.Progress) { progress(p.Data, src.total) })
	}
	if err == nil {
		err = w.Commit(ctx)
	}
	if err != nil {
		return blockstore.Root{}, errors.Join(err, w.Abort())
	}
	return w.Root(), nil
}

// changes is a frozen volume of which only the changed ranges count as data.
type changes struct {
	disk.Image
	dirty []disk.Extent // ascending, without zero ones
	total int64         // bytes that changed, zero ones included
}

// Extents yields the changed ranges as data and everything between as zero,
// which makes [disk.Copy] pass over it.
func (c *changes) Extents(ctx context.Context, off int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		for _, e := range c.dirty {
			if e.Off+e.Len <= off {
				continue
			}
			if e.Off < off {
				e = disk.Extent{Off: off, Len: e.Off + e.Len - off}
			}
			if off < e.Off && !yield(disk.Extent{Off: off, Len: e.Off - off, Zero: true}, nil) {
				return
			}
			if !yield(e, nil) {
				return
			}
			off = e.Off + e.Len
		}
		if off < c.Size() {
			yield(disk.Extent{Off: off, Len: c.Size() - off, Zero: true}, nil)
		}
	}
}

// snapshotProgress returns a function that shows progress in the task and, at
// most once a second, in the snapshot.
func (s *Service) snapshotProgress(ctx context.Context, run *task.Run, snap *origami.Snapshot) func(done, total int64) {
	last := s.now()
	return func(done, total int64) {
		percent := 99
		if total > 0 {
			percent = int(min(99, 100*done/total))
		}
		if now := s.now(); now.Sub(last) >= time.Second {
			last = now
			run.Progress(percent, fmt.Sprintf("storing %s of %s", snap.ID, snap.Volume))
			if err := s.setProgress(ctx, snap.Region, snap.ID, percent); err != nil {
				s.log.Warn("show progress", "snapshot", snap.ID, "err", err)
			}
		}
	}
}

func (s *Service) setProgress(ctx context.Context, region origami.Region, id origami.SnapshotID, percent int) error {
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(region, id, func(snap *origami.Snapshot) error {
			snap.Progress = max(snap.Progress, percent)
			return nil
		})
		return err
	})
}

// completeSnapshot makes a pending snapshot completed. One that was deleted
// meanwhile stays deleted.
func (s *Service) completeSnapshot(ctx context.Context, region origami.Region, id origami.SnapshotID, root blockstore.Root) error {
	usage, err := s.store.Usage(ctx, root)
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		return s.CompleteSnapshot(tx, region, id, Content{Root: root, FullSize: usage.DataBytes})
	})
	if isNoSnapshot(err) {
		return nil
	}
	return err
}

// snapshotFailed ends a snapshot whose task failed for good, in the
// transaction that says so.
func (s *Service) snapshotFailed(tx *metadb.Tx, t *origami.Task, reason string) error {
	return s.FailSnapshot(tx, t.Region, origami.SnapshotID(t.Resource), reason)
}

// FailSnapshot puts a pending snapshot into the error state with a reason that
// its owner sees.
func (s *Service) FailSnapshot(tx *metadb.Tx, region origami.Region, id origami.SnapshotID, reason string) error {
	ended := false
	snap, err := tx.UpdateSnapshot(region, id, func(snap *origami.Snapshot) error {
		if ended = snap.State == origami.SnapshotPending; ended {
			snap.State, snap.StateMessage, snap.Rekey = origami.SnapshotError, reason, nil
		}
		return nil
	})
	if isNoSnapshot(err) {
		return nil
	}
	if err == nil && ended {
		err = s.dropUpload(tx, snap)
	}
	if err != nil {
		return err
	}
	return s.onSnapshot(tx, snap)
}
