package ebs

import (
	"context"

	"origami"
	"origami/internal/metadb"
	"origami/internal/rbin"
	"origami/internal/task"
)

// drop deletes a snapshot, or puts it into the Recycle Bin if a rule of its
// owner keeps it.
func (s *Service) drop(tx *metadb.Tx, snap *origami.Snapshot) error {
	fast, err := tx.FastRestoresOf(snap.Region, snap.ID)
	if err != nil {
		return err
	}
	for _, f := range fast {
		if err := tx.DeleteFastRestore(f); err != nil {
			return err
		}
	}
	if snap.State == origami.SnapshotPending {
		if err := s.dropUpload(tx, snap); err != nil {
			return err
		}
	}
	if snap.State != origami.SnapshotCompleted {
		return tx.DeleteSnapshot(snap.Region, snap.ID) // there is nothing to keep
	}
	stay, err := rbin.Stay(tx, snap.Region, snap.Owner, origami.RetainSnapshots, string(snap.ID), s.now())
	if err != nil {
		return err
	}
	if stay == nil {
		return tx.DeleteSnapshot(snap.Region, snap.ID)
	}
	_, err = tx.UpdateSnapshot(snap.Region, snap.ID, func(snap *origami.Snapshot) error {
		snap.Bin = stay
		return nil
	})
	if err != nil {
		return err
	}
	if err := tx.PutTags(snap.Region, snap.Owner, []string{string(snap.ID)}, origami.Tags{rbin.BinTag: "true"}); err != nil {
		return err
	}
	return s.later(tx, snapshotTask(taskExpire, snap), stay.Exit)
}

// RestoreSnapshot takes a snapshot of the caller's out of the Recycle Bin, as
// it was.
func (s *Service) RestoreSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) (*origami.Snapshot, error) {
	if _, err := tx.RecycledSnapshot(who.Region, who.Account, id); err != nil {
		return nil, err
	}
	snap, err := tx.UpdateSnapshot(who.Region, id, func(snap *origami.Snapshot) error {
		if !s.now().Before(snap.Bin.Exit) {
			return origami.NotFound(id) // its time was over; the task is about to see it
		}
		snap.Bin = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return snap, tx.DropTag(who.Region, string(id), rbin.BinTag)
}

// runExpire removes a snapshot whose stay in the Recycle Bin is over. One that
// was restored, and perhaps deleted again, is left to the task of that.
func (s *Service) runExpire(ctx context.Context, run *task.Run) error {
	id, region := origami.SnapshotID(run.Task.Resource), run.Task.Region
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		snap, err := tx.RecycledSnapshot(region, run.Task.Owner, id)
		if isNoSnapshot(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.now().Before(snap.Bin.Exit) {
			return s.later(tx, snapshotTask(taskExpire, snap), snap.Bin.Exit)
		}
		return tx.DeleteSnapshot(region, id)
	})
	return task.Retry(err)
}
