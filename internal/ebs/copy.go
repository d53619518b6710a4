package ebs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/metadb"
	"origami/internal/task"
)

// CopyRequest is a request for a copy of a snapshot in the caller's region.
type CopyRequest struct {
	Source       origami.SnapshotID
	SourceRegion origami.Region
	Description  string
	Encryption   Encryption
	Minutes      *int64 // in which it is to be complete; nil if that does not matter
	Tags         origami.Tags
	// Fault, if not empty, is why the copy must fail after it was begun.
	Fault string
	// ForImage says that it is part of the copy of an image, and counts as that.
	ForImage bool
}

// CopySnapshot promises a copy of a snapshot that the caller may use, which is
// pending until a task of the same transaction has made it.
func (s *Service) CopySnapshot(tx *metadb.Tx, who origami.Caller, r CopyRequest) (*origami.Snapshot, error) {
	if err := CheckMinutes(r.Minutes); err != nil {
		return nil, err
	}
	if err := CheckDescription(r.Description); err != nil {
		return nil, err
	}
	if err := r.Tags.Validate(); err != nil {
		return nil, err
	}
	if r.Encryption.declined() {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (false) for parameter encrypted is invalid. A copy is encrypted as its source is, or anew.")
	}
	source, err := tx.Snapshot(r.SourceRegion, who.Account, r.Source)
	if err != nil {
		return nil, err
	}
	if err := Usable(source); err != nil {
		return nil, err
	}
	secrecy, err := s.CopySecrecy(tx, who, source, r.Encryption, false)
	if err != nil {
		return nil, err
	}
	if r.Fault != "" {
		secrecy.Fault = r.Fault
	}
	n := 0
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Owners: []origami.AccountID{who.Account}, Filters: []origami.Filter{
		{Name: "status", Values: []string{string(origami.SnapshotPending)}},
	}}
	for snap, err := range tx.Snapshots(q) {
		if err != nil {
			return nil, err
		}
		if snap.Copy != nil && !snap.Copy.ForImage {
			n++
		}
	}
	if most := s.limits.snapshotCopies(); n >= most {
		return nil, origami.Errorf(origami.CodeResourceLimitExceeded, "Too many snapshot copies in progress. The limit is %d for this destination region.", most)
	}
	return s.AddCopy(tx, who, source, secrecy, r)
}

// CheckMinutes checks the time in which a copy is to be complete, if it is given.
func CheckMinutes(n *int64) error {
	if n != nil && (*n < 15 || *n > 2880 || *n%15 != 0) {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%d) for the completion duration in minutes is invalid. It must be a multiple of 15 from 15 to 2880.", *n)
	}
	return nil
}

// AddCopy promises a copy of a usable snapshot and queues the work. Whether the
// caller may is decided already.
func (s *Service) AddCopy(tx *metadb.Tx, who origami.Caller, source *origami.Snapshot, secrecy Secrecy, r CopyRequest) (*origami.Snapshot, error) {
	snap := s.newSnapshot(who, &origami.Volume{ID: origami.NoVolume, Size: source.VolumeSize, Encrypted: secrecy.Key != "", KMSKey: secrecy.Key},
		SnapshotSpec{Description: r.Description})
	snap.Copy = &origami.SnapshotCopy{
		Source: source.ID, SourceRegion: source.Region, Root: source.Root, Fault: secrecy.Fault, ForImage: r.ForImage,
	}
	if r.Minutes != nil {
		snap.Copy.Minutes = int(*r.Minutes)
	}
	if err := tx.PutSnapshot(snap); err != nil {
		return nil, err
	}
	if len(r.Tags) > 0 {
		if err := tx.PutTags(who.Region, who.Account, []string{string(snap.ID)}, r.Tags); err != nil {
			return nil, err
		}
	}
	return snap, s.queue.Add(tx, snapshotTask(taskCopy, snap))
}

// CancelCopy removes a snapshot that is a copy and still pending. Its task finds
// it gone and ends.
func (s *Service) CancelCopy(tx *metadb.Tx, region origami.Region, id origami.SnapshotID) error {
	snap, err := tx.Snapshot(region, metadb.System, id)
	if isNoSnapshot(err) || err == nil && (snap.Copy == nil || snap.State != origami.SnapshotPending) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.DeleteSnapshot(region, id)
}

// errGone ends the copy of a snapshot that was deleted meanwhile.
var errGone = errors.New("the snapshot was deleted")

// runCopy completes a copy. Inside a domain of the block store the copy is the
// same content; otherwise every block is encrypted anew, and the row of the
// snapshot knows how far that is, so that it may be run again at any point.
func (s *Service) runCopy(ctx context.Context, run *task.Run) error {
	id, region := origami.SnapshotID(run.Task.Resource), run.Task.Region
	var snap *origami.Snapshot
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = tx.Snapshot(region, metadb.System, id)
		return err
	})
	switch {
	case isNoSnapshot(err):
		return nil
	case err != nil:
		return task.Retry(err)
	case snap.State != origami.SnapshotPending:
		return nil
	case snap.Copy.Fault != "":
		return Failure(snap.Copy.Fault)
	}
	from, err := parseRoot(snap.Copy.Root)
	if err != nil {
		return err
	}
	root, err := s.store.Copy(ctx, from, blockstore.Domain(snap.KMSKey), s.copyOptions(ctx, run, snap))
	switch fault := faultOf(err); {
	case errors.Is(err, errGone):
		return nil
	case fault != "":
		return Failure(fault)
	case err != nil:
		return err
	}
	return task.Retry(s.completeSnapshot(ctx, region, id, root))
}

// copyOptions has a copy begin where an earlier run came to, and tell how far it
// is.
func (s *Service) copyOptions(ctx context.Context, run *task.Run, snap *origami.Snapshot) blockstore.CopyOptions {
	o := blockstore.CopyOptions{Every: s.copyEvery}
	if part, err := parseRoot(snap.Copy.Part); err == nil && snap.Copy.Part != "" {
		o.From = blockstore.Checkpoint{Root: part, Block: snap.Copy.Block}
	}
	note := func(f func(*origami.Snapshot)) error {
		err := s.db.Update(ctx, func(tx *metadb.Tx) error {
			_, err := tx.UpdateSnapshot(snap.Region, snap.ID, func(snap *origami.Snapshot) error {
				if snap.State != origami.SnapshotPending {
					return errGone
				}
				f(snap)
				return nil
			})
			return err
		})
		if isNoSnapshot(err) {
			return errGone
		}
		return err
	}
	percent := 0
	o.Save = func(c blockstore.Checkpoint) error {
		return note(func(snap *origami.Snapshot) {
			snap.Copy.Part, snap.Copy.Block = c.Root.String(), c.Block
			snap.Progress = max(snap.Progress, percent)
		})
	}
	last := s.now()
	o.Progress = func(done, total int64) error {
		percent = int(min(99, 100*done/max(total, 1)))
		run.Progress(percent, fmt.Sprintf("encrypting %s", snap.ID))
		if now := s.now(); now.Sub(last) >= time.Second {
			last = now
			return note(func(snap *origami.Snapshot) { snap.Progress = max(snap.Progress, percent) })
		}
		return nil
	}
	return o
}

// isNoSnapshot reports whether a snapshot could not be found.
func isNoSnapshot(err error) bool {
	return errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound})
}
