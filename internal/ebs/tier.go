package ebs

import (
	"context"
	"slices"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// Bounds of the archive tier.
const (
	maxArchived       = 25 // snapshots of one volume
	maxArchiving      = 25 // of an account in a region, under way
	maxRestoring      = 5
	maxTemporaryDays  = 180
	leastTemporaryDay = 1
)

// ArchiveSnapshot begins to move a snapshot of the caller's to the archive
// tier, where nothing can be made from it.
func (s *Service) ArchiveSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) (*origami.Snapshot, error) {
	snap, err := s.Owned(tx, who, id)
	if err != nil {
		return nil, err
	}
	if snap.State != origami.SnapshotCompleted {
		return nil, origami.Errorf(origami.CodeIncorrectState, "Snapshot '%s' is not in the completed state.", id)
	}
	if t := snap.Tiering; t != nil && (t.Archived || t.Status == origami.ArchivalInProgress) {
		return nil, origami.Errorf(origami.CodeIncorrectState, "Snapshot '%s' is already archived, or being archived.", id)
	}
	images, err := tx.ImagesWithSnapshot(who.Region, id)
	if err != nil {
		return nil, err
	}
	if len(images) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidSnapshotInUse, "The snapshot %s is currently in use by %s", id, slices.Min(images))
	}
	var archived, archiving int
	err = s.eachTiered(tx, who, func(other *origami.Snapshot) {
		if other.Tiering.Archived && other.Volume == snap.Volume && snap.Volume != origami.NoVolume {
			archived++
		}
		if other.Tiering.Status == origami.ArchivalInProgress {
			archiving++
		}
	})
	if err != nil {
		return nil, err
	}
	if archived >= maxArchived || archiving >= maxArchiving {
		return nil, origami.Errorf(origami.CodeResourceLimitExceeded, "A volume has at most %d archived snapshots, and at most %d can be archived at a time.",
			maxArchived, maxArchiving)
	}
	if err := s.stopFastRestores(tx, snap); err != nil {
		return nil, err
	}
	return s.move(tx, snap, func(t *origami.Tiering) {
		*t = origami.Tiering{Status: origami.ArchivalInProgress}
	})
}

// RestoreRequest is a request to bring an archived snapshot back: for a number
// of days (1 if it is 0), or for good.
type RestoreRequest struct {
	Permanent bool
	Days      int
}

// CheckTemporaryDays checks for how many days a snapshot is to be restored.
func CheckTemporaryDays(days int) error {
	if days < leastTemporaryDay || days > maxTemporaryDays {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%d) for parameter TemporaryRestoreDays is invalid. It must be between %d and %d.", days, leastTemporaryDay, maxTemporaryDays)
	}
	return nil
}

// UnarchiveSnapshot begins to bring an archived snapshot of the caller's back.
// For one that is back for a time it changes for how long.
func (s *Service) UnarchiveSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID, r RestoreRequest) (*origami.Snapshot, error) {
	if r.Permanent && r.Days != 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter PermanentRestore cannot be used with the parameter TemporaryRestoreDays")
	}
	if r.Days == 0 {
		r.Days = leastTemporaryDay
	}
	if err := CheckTemporaryDays(r.Days); err != nil {
		return nil, err
	}
	snap, err := s.Owned(tx, who, id)
	if err != nil {
		return nil, err
	}
	t := snap.Tiering
	switch {
	case t == nil || !t.Archived:
		return nil, origami.Errorf(origami.CodeIncorrectState, "Snapshot '%s' is not archived.", id)
	case t.Status == origami.TemporaryRestoreInProgress || t.Status == origami.PermanentRestoreInProgress:
		return nil, origami.Errorf(origami.CodeIncorrectState, "Snapshot '%s' is being restored.", id)
	}
	restoring := 0
	err = s.eachTiered(tx, who, func(other *origami.Snapshot) {
		if st := other.Tiering.Status; st == origami.TemporaryRestoreInProgress || st == origami.PermanentRestoreInProgress {
			restoring++
		}
	})
	if err != nil {
		return nil, err
	}
	if restoring >= maxRestoring {
		return nil, origami.Errorf(origami.CodeResourceLimitExceeded, "At most %d snapshots can be restored at a time.", maxRestoring)
	}
	return s.move(tx, snap, func(t *origami.Tiering) {
		t.Status, t.Days = origami.TemporaryRestoreInProgress, r.Days
		if r.Permanent {
			t.Status, t.Days = origami.PermanentRestoreInProgress, 0
		}
	})
}

// eachTiered calls f for the caller's snapshots that have been moved between
// tiers.
func (s *Service) eachTiered(tx *metadb.Tx, who origami.Caller, f func(*origami.Snapshot)) error {
	own := metadb.Query{Region: who.Region, Viewer: who.Account, Owners: []origami.AccountID{who.Account}}
	for snap, err := range tx.Snapshots(own) {
		if err != nil {
			return err
		}
		if snap.Tiering != nil {
			f(snap)
		}
	}
	return nil
}

// move begins a move between tiers.
func (s *Service) move(tx *metadb.Tx, snap *origami.Snapshot, f func(*origami.Tiering)) (*origami.Snapshot, error) {
	snap, err := tx.UpdateSnapshot(snap.Region, snap.ID, func(snap *origami.Snapshot) error {
		if snap.Tiering == nil {
			snap.Tiering = &origami.Tiering{}
		}
		f(snap.Tiering)
		snap.Tiering.Started, snap.Tiering.Progress, snap.Tiering.Detail = s.now().UTC(), 0, ""
		return nil
	})
	if err != nil {
		return nil, err
	}
	return snap, s.queue.Add(tx, snapshotTask(taskTier, snap))
}

// runTier ends a move between tiers: what is moved has been read, at least as
// far as the manifest goes.
func (s *Service) runTier(ctx context.Context, run *task.Run) error {
	id, region := origami.SnapshotID(run.Task.Resource), run.Task.Region
	snap, err := s.anySnapshot(ctx, region, id)
	if err != nil || snap == nil {
		return task.Retry(err)
	}
	root, err := parseRoot(snap.Root)
	if err != nil {
		return err
	}
	if _, err := s.store.Usage(ctx, root); err != nil {
		return task.Retry(err)
	}
	return task.Retry(s.db.Update(ctx, func(tx *metadb.Tx) error {
		var expires time.Time
		snap, err := tx.UpdateSnapshot(region, id, func(snap *origami.Snapshot) error {
			expires = s.endMove(snap.Tiering)
			return nil
		})
		if isNoSnapshot(err) || err == nil && expires.IsZero() {
			return nil
		}
		if err != nil {
			return err
		}
		return s.later(tx, snapshotTask(taskTierExpire, snap), expires)
	}))
}

// endMove ends a move, and returns when the temporary restore that it was ends.
func (s *Service) endMove(t *origami.Tiering) (expires time.Time) {
	if t == nil {
		return expires
	}
	now := s.now().UTC()
	switch t.Status {
	case origami.ArchivalInProgress:
		*t = origami.Tiering{Archived: true, Status: origami.ArchivalCompleted, Started: t.Started, Stored: now}
	case origami.TemporaryRestoreInProgress:
		t.Status, t.Restored, t.Expires = origami.TemporaryRestoreCompleted, true, now.AddDate(0, 0, t.Days)
		expires = t.Expires
	case origami.PermanentRestoreInProgress:
		*t = origami.Tiering{Status: origami.PermanentRestoreCompleted, Started: t.Started}
	default:
		return expires
	}
	t.Progress = 100
	return expires
}

// tierFailed shows that a move came to nothing.
func (s *Service) tierFailed(tx *metadb.Tx, t *origami.Task, reason string) error {
	failed := map[origami.TieringStatus]origami.TieringStatus{
		origami.ArchivalInProgress:         origami.ArchivalFailed,
		origami.TemporaryRestoreInProgress: origami.TemporaryRestoreFailed,
		origami.PermanentRestoreInProgress: origami.PermanentRestoreFailed,
	}
	_, err := tx.UpdateSnapshot(t.Region, origami.SnapshotID(t.Resource), func(snap *origami.Snapshot) error {
		if snap.Tiering != nil && failed[snap.Tiering.Status] != "" {
			snap.Tiering.Status, snap.Tiering.Detail = failed[snap.Tiering.Status], reason
		}
		return nil
	})
	if isNoSnapshot(err) {
		return nil
	}
	return err
}

// runTierExpire ends a temporary restore whose time is over.
func (s *Service) runTierExpire(ctx context.Context, run *task.Run) error {
	id, region := origami.SnapshotID(run.Task.Resource), run.Task.Region
	return task.Retry(s.db.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(region, id, func(snap *origami.Snapshot) error {
			// If it was prolonged, a later task ends it.
			if t := snap.Tiering; t != nil && t.Restored && !s.now().Before(t.Expires) && t.Status != origami.TemporaryRestoreInProgress {
				t.Restored, t.Expires, t.Days = false, time.Time{}, 0
			}
			return nil
		})
		if isNoSnapshot(err) {
			return nil
		}
		return err
	}))
}

// anySnapshot is a snapshot, whoever owns it, or nil if it is gone.
func (s *Service) anySnapshot(ctx context.Context, region origami.Region, id origami.SnapshotID) (snap *origami.Snapshot, err error) {
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		snap, err = tx.Snapshot(region, metadb.System, id)
		return err
	})
	if isNoSnapshot(err) {
		return nil, nil
	}
	return snap, err
}
