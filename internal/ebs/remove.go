package ebs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"origami"
	"origami/internal/metadb"
	"origami/internal/overlay"
	"origami/internal/task"
)

// snapshotsOf yields the snapshots of a volume, whoever owns them.
func snapshotsOf(tx *metadb.Tx, region origami.Region, id origami.VolumeID) iter.Seq2[*origami.Snapshot, error] {
	q := metadb.Query{Region: region, Viewer: metadb.System, Filters: []origami.Filter{
		{Name: "volume-id", Values: []string{string(id)}},
	}}
	return func(yield func(*origami.Snapshot, error) bool) {
		for snap, err := range tx.Snapshots(q) {
			if (err != nil || snap.Volume == id) && !yield(snap, err) {
				return
			}
		}
	}
}

// runRemove removes the files of a volume that has no row any more. Pending
// snapshots of it, and copies that are being created, still need them and go
// first. It is tried until it succeeds.
func (s *Service) runRemove(ctx context.Context, run *task.Run) error {
	id := origami.VolumeID(run.Task.Resource)
	pending := 0
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		for snap, err := range snapshotsOf(tx, run.Task.Region, id) {
			if err != nil {
				return err
			}
			if snap.State == origami.SnapshotPending {
				pending++
			}
		}
		copies, err := tx.VolumeCopies(run.Task.Region, id)
		for _, c := range copies {
			if c.Copy.Layer != 0 {
				pending++
			}
		}
		return err
	})
	if err != nil {
		return task.Retry(err)
	}
	if pending > 0 {
		return task.Retry(fmt.Errorf("%d pending snapshots and copies still read %s", pending, id))
	}
	return task.Retry(s.removeFiles(id))
}

// removeFiles removes the files of a volume that nobody has open. Those of a
// volume that was never opened are not there.
func (s *Service) removeFiles(id origami.VolumeID) error {
	d, role := s.enter(id, 0)
	if role != first {
		return fmt.Errorf("volume %s is still open", id)
	}
	defer s.leave(d)
	err := overlay.Remove(s.volumes, string(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isGone reports whether a volume could not be opened because it has neither
// files nor a row.
func isGone(err error) bool {
	return errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound})
}

// Recover removes the files of volumes that were deleted and that no task will
// look after, and the logs of uploads that have ended or never begun; and it has
// volumes encrypted with their own key for which no task does it. It is called
// once, before the queue runs and a volume is opened.
func (s *Service) Recover(ctx context.Context) error {
	names, err := s.volumes.List(".")
	if err != nil {
		return fmt.Errorf("list volumes: %w", err)
	}
	kept := make(map[string]bool)
	uploads := make(map[origami.SnapshotID]bool)
	var foreign []*origami.Volume
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for v, err := range tx.AllVolumes() {
			if err != nil {
				return err
			}
			kept[string(v.ID)] = true
			if v.Copy != nil && v.Copy.Layer != 0 {
				kept[string(v.Source)] = true
			}
			if s.standsForeign(v) {
				foreign = append(foreign, v)
			}
		}
		for t, err := range tx.UnfinishedTasks() {
			if err != nil {
				return err
			}
			switch t.Kind {
			case taskRemove:
				kept[t.Resource] = true
			case taskRekey:
				foreign = slices.DeleteFunc(foreign, func(v *origami.Volume) bool { return string(v.ID) == t.Resource })
			}
		}
		for snap, err := range tx.AllSnapshots() {
			if err != nil {
				return err
			}
			if snap.State == origami.SnapshotPending {
				kept[string(snap.Volume)] = true // until the start after its end
				uploads[snap.ID] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		for _, v := range foreign {
			if err := s.queueRekey(tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if id, ok := uploadOf(name); ok && (!uploads[id] || name != uploadName(id)) {
			s.log.Info("removing what is left of an upload", "snapshot", id)
			if err := s.volumes.Remove(name); err != nil {
				return fmt.Errorf("remove what is left of an upload: %w", err)
			}
		}
		id, err := origami.ParseVolumeID(name)
		if err != nil || kept[name] {
			continue
		}
		s.log.Info("removing what is left of a deleted volume", "volume", id)
		if err := s.removeFiles(id); err != nil {
			return err
		}
	}
	return nil
}
