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
	stay, err := rbin.Admit(tx, snap.Region, snap.Owner, origami.RetainSnapshots, string(snap.ID), s.now())
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
	return s.later(tx, snapshotTask(taskExpire, snap), stay.Exit)
}

// RestoreSnapshot takes a snapshot of the caller's out of the Recycle Bin, as
// it was.
func (s *Service) RestoreSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) (*origami.Snapshot, error) {
	if _, err := tx.RecycledSnapshot(who.Region, who.Account, id); err != nil {
		return nil, err
	}
	snap, err := tx.UpdateSnapshot(who.Region, id, func(snap *origami.Snapshot) error {
		if s.over(snap.Bin) {
			return origami.NotFound(id)
		}
		snap.Bin = nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return snap, rbin.Release(tx, who.Region, string(id))
}

// DropVolume deletes a volume that nothing uses any more, or puts it into the
// Recycle Bin if a rule of its owner keeps it. There it keeps its content, and
// what is under way in it goes on. Snapshots of it stay.
func (s *Service) DropVolume(tx *metadb.Tx, v *origami.Volume) error {
	if v.State == origami.VolumeError {
		return s.EraseVolume(tx, v) // there is nothing to keep
	}
	stay, err := rbin.Admit(tx, v.Region, v.Owner, origami.RetainVolumes, string(v.ID), s.now())
	if err != nil {
		return err
	}
	if stay == nil {
		return s.EraseVolume(tx, v)
	}
	_, err = tx.UpdateVolume(v.Region, v.ID, func(v *origami.Volume) error {
		v.State, v.Attachments, v.Bin = origami.VolumeAvailable, nil, stay
		return nil
	})
	if err != nil {
		return err
	}
	return s.later(tx, volumeTask(taskExpire, v), stay.Exit)
}

// RestoreVolume takes a volume of the caller's out of the Recycle Bin, as it was.
func (s *Service) RestoreVolume(tx *metadb.Tx, who origami.Caller, id origami.VolumeID) error {
	if _, err := tx.RecycledVolume(who.Region, who.Account, id); err != nil {
		return err
	}
	_, err := tx.UpdateVolume(who.Region, id, func(v *origami.Volume) error {
		if s.over(v.Bin) {
			return origami.NotFound(id)
		}
		v.Bin = nil
		return nil
	})
	if err != nil {
		return err
	}
	return rbin.Release(tx, who.Region, string(id))
}

// over reports whether a stay in the Recycle Bin is over, and the task that ends
// it about to see that.
func (s *Service) over(stay *origami.BinStay) bool { return !s.now().Before(stay.Exit) }

// runExpire removes a snapshot or a volume whose stay in the Recycle Bin is over.
// One that was restored, and perhaps deleted again, is left to the task of that.
func (s *Service) runExpire(ctx context.Context, run *task.Run) error {
	expire := s.expireSnapshot
	if origami.ResourceType(run.Task.Resource) == "volume" {
		expire = s.expireVolume
	}
	return task.Retry(s.db.Update(ctx, func(tx *metadb.Tx) error { return expire(tx, &run.Task) }))
}

func (s *Service) expireSnapshot(tx *metadb.Tx, t *origami.Task) error {
	snap, err := tx.RecycledSnapshot(t.Region, t.Owner, origami.SnapshotID(t.Resource))
	switch {
	case isNoSnapshot(err):
		return nil
	case err != nil:
		return err
	case !s.over(snap.Bin):
		return s.later(tx, snapshotTask(taskExpire, snap), snap.Bin.Exit)
	}
	return tx.DeleteSnapshot(t.Region, snap.ID)
}

func (s *Service) expireVolume(tx *metadb.Tx, t *origami.Task) error {
	v, err := tx.RecycledVolume(t.Region, t.Owner, origami.VolumeID(t.Resource))
	switch {
	case isGone(err):
		return nil
	case err != nil:
		return err
	case !s.over(v.Bin):
		return s.later(tx, volumeTask(taskExpire, v), v.Bin.Exit)
	}
	return s.EraseVolume(tx, v)
}
