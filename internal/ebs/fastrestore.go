package ebs

import (
	"context"
	"math"
	"strings"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// Bounds of fast snapshot restore.
const (
	maxFastSize     = 16 << 10 // GiB of a snapshot
	maxFastRestores = 50       // of an account in a region
	maxCredits      = 10
)

// The reasons of changes of state.
const (
	reasonUser      = "Client.UserInitiated"
	reasonLifecycle = "Client.UserInitiated - Lifecycle state transition"
)

// EnableFastRestore begins to make a snapshot, which the caller may use,
// restore fast in a zone. One that does already stays as it is.
func (s *Service) EnableFastRestore(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID, zone string) (*origami.FastRestore, error) {
	snap, err := tx.Snapshot(who.Region, who.Account, id)
	if err != nil {
		return nil, err
	}
	if err := Usable(snap); err != nil {
		return nil, err
	}
	if snap.VolumeSize > maxFastSize {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Snapshot '%s' is larger than %d GiB.", id, maxFastSize)
	}
	n := 0
	for f, err := range tx.FastRestores(metadb.Query{Region: who.Region, Viewer: who.Account}) {
		if err != nil {
			return nil, err
		}
		if f.Snapshot == id && f.Zone == zone && (f.State != origami.FastRestoreDisabled && f.State != origami.FastRestoreDisabling) {
			return f, nil
		}
		if f.State != origami.FastRestoreDisabled {
			n++
		}
	}
	if n >= maxFastRestores {
		return nil, origami.Errorf("FastSnapshotRestoreLimitExceeded", "At most %d fast snapshot restores can be enabled.", maxFastRestores)
	}
	others, err := tx.FastRestoresOf(who.Region, id)
	if err != nil {
		return nil, err
	}
	for _, f := range others {
		if f.Zone != zone || f.Owner == who.Account {
			continue
		}
		if f.State != origami.FastRestoreDisabled {
			return nil, origami.Errorf(origami.CodeIncorrectState, "Fast snapshot restore of '%s' in %s is enabled by another account.", id, zone)
		}
		if err := tx.DeleteFastRestore(f); err != nil { // it is over, and in the way
			return nil, err
		}
	}
	f := &origami.FastRestore{
		Snapshot: id, Region: who.Region, Zone: zone, Owner: who.Account,
		State: origami.FastRestoreEnabling, Reason: reasonUser, Enabling: s.now().UTC(),
	}
	return f, s.putFastRestore(tx, f)
}

// DisableFastRestore ends a fast restore of the caller's.
func (s *Service) DisableFastRestore(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID, zone string) (*origami.FastRestore, error) {
	if _, err := tx.Snapshot(who.Region, who.Account, id); err != nil {
		return nil, err
	}
	all, err := tx.FastRestoresOf(who.Region, id)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		if f.Zone != zone || f.Owner != who.Account {
			continue
		}
		if f.State == origami.FastRestoreDisabled || f.State == origami.FastRestoreDisabling {
			return f, nil
		}
		f.State, f.Reason, f.Disabling = origami.FastRestoreDisabling, reasonUser, s.now().UTC()
		return f, s.putFastRestore(tx, f)
	}
	return nil, origami.Errorf(origami.CodeIncorrectState, "Fast snapshot restore of '%s' is not enabled in %s.", id, zone)
}

// putFastRestore writes a fast restore and queues what moves it on.
func (s *Service) putFastRestore(tx *metadb.Tx, f *origami.FastRestore) error {
	if err := tx.PutFastRestore(f); err != nil {
		return err
	}
	return s.queue.Add(tx, &origami.Task{Kind: taskFastRestore, Region: f.Region, Owner: f.Owner, Resource: f.Key()})
}

// runFastRestore moves a fast restore to its next state, until it has arrived.
// Optimizing reads the manifest, so that every block is known to be there and
// where.
func (s *Service) runFastRestore(ctx context.Context, run *task.Run) error {
	for {
		more, err := s.stepFastRestore(ctx, run)
		if err != nil || !more {
			return task.Retry(err)
		}
	}
}

func (s *Service) stepFastRestore(ctx context.Context, run *task.Run) (more bool, err error) {
	id, zone, _ := strings.Cut(run.Task.Resource, "/")
	region := run.Task.Region
	snap, err := s.anySnapshot(ctx, region, origami.SnapshotID(id))
	if err != nil || snap == nil {
		return false, err
	}
	root, err := parseRoot(snap.Root)
	if err != nil {
		return false, err
	}
	if _, err := s.store.Usage(ctx, root); err != nil {
		return false, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		all, err := tx.FastRestoresOf(region, snap.ID)
		if err != nil {
			return err
		}
		more = false
		for _, f := range all {
			if f.Zone == zone && f.Owner == run.Task.Owner && s.advance(f, snap) {
				more = true
				return tx.PutFastRestore(f)
			}
		}
		return nil
	})
	return more, err
}

// advance moves a fast restore to its next state. It returns false if there is
// none.
func (s *Service) advance(f *origami.FastRestore, snap *origami.Snapshot) bool {
	now := s.now().UTC()
	switch f.State {
	case origami.FastRestoreEnabling:
		f.State, f.Optimizing = origami.FastRestoreOptimizing, now
	case origami.FastRestoreOptimizing:
		f.State, f.Enabled = origami.FastRestoreEnabled, now
		f.Credits, f.CreditsAt = bucketSize(snap.VolumeSize), now
	case origami.FastRestoreDisabling:
		f.State, f.Disabled = origami.FastRestoreDisabled, now
	default:
		return false
	}
	f.Reason = reasonLifecycle
	return true
}

// bucketSize is how many volumes can be made at once from a snapshot of that
// many GiB.
func bucketSize(size int64) float64 {
	return max(1, min(maxCredits, math.Floor(1024/float64(size))))
}

// spendCredit takes a credit of the fast restore of a snapshot in a zone. It
// returns false if there is none.
func (s *Service) spendCredit(tx *metadb.Tx, snap *origami.Snapshot, zone string) (bool, error) {
	all, err := tx.FastRestoresOf(snap.Region, snap.ID)
	if err != nil {
		return false, err
	}
	for _, f := range all {
		if f.Zone != zone || f.State != origami.FastRestoreEnabled {
			continue
		}
		now, size := s.now().UTC(), float64(snap.VolumeSize)
		perHour := min(maxCredits, 1024/size)
		f.Credits = min(bucketSize(snap.VolumeSize), f.Credits+perHour*max(0, now.Sub(f.CreditsAt).Hours()))
		f.CreditsAt = now
		if f.Credits < 1 {
			return false, nil
		}
		f.Credits--
		return true, tx.PutFastRestore(f)
	}
	return false, nil
}

// stopFastRestores ends the fast restores of a snapshot that is archived.
func (s *Service) stopFastRestores(tx *metadb.Tx, snap *origami.Snapshot) error {
	all, err := tx.FastRestoresOf(snap.Region, snap.ID)
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.State == origami.FastRestoreDisabled || f.State == origami.FastRestoreDisabling {
			continue
		}
		f.State, f.Reason, f.Disabling = origami.FastRestoreDisabling, reasonLifecycle, s.now().UTC()
		if err := s.putFastRestore(tx, f); err != nil {
			return err
		}
	}
	return nil
}
