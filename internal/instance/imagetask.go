package instance

import (
	"context"
	"errors"
	"fmt"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// runImage freezes the volumes of a running instance at rest: it shuts the
// guest down, freezes, and starts it again. When it is run again after a
// crash, what is frozen stays so, and a machine that was down starts.
func (s *Service) runImage(ctx context.Context, run *task.Run) (err error) {
	region, id := run.Task.Region, origami.ImageID(run.Task.Resource)
	img, open, err := s.promised(ctx, region, id)
	if err != nil {
		return err
	}
	m := s.machine(region, img.SourceInstance)
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := s.instance(ctx, region, img.SourceInstance)
	if err != nil {
		return err
	}
	// Whatever becomes of the image, an instance that runs goes on running.
	defer func() {
		if i.State == origami.InstanceRunning && ctx.Err() == nil {
			run.Progress(60, "starting the guest again")
			err = errors.Join(err, s.bootAgain(ctx, m))
		}
	}()
	if len(open) == 0 {
		return nil
	}
	if img.State != origami.ImagePending {
		return s.failSnapshots(ctx, open, fmt.Sprintf("The image %s was deregistered before the snapshot was taken.", id))
	}
	switch i.State {
	case origami.InstanceRunning, origami.InstanceStopping, origami.InstanceStopped:
	default:
		return s.failImage(ctx, img, "Client.InstanceTerminated", fmt.Sprintf("instance %s was terminated", i.ID))
	}
	run.Progress(10, "waiting for the guest to shut down")
	if _, err := s.halt(ctx, m, s.Grace); err != nil {
		return err
	}
	run.Progress(50, "freezing volumes")
	return s.fixSnapshots(ctx, region, open)
}

// promised reads an image and those of its snapshots that are still to be
// taken.
func (s *Service) promised(ctx context.Context, region origami.Region, id origami.ImageID) (img *origami.Image, open []*origami.Snapshot, err error) {
	err = s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		if img, err = tx.Image(region, metadb.System, id); err != nil {
			return err
		}
		open, err = promisedSnapshots(tx, img)
		return err
	})
	return img, open, err
}

// promisedSnapshots are the snapshots of an image that were promised and have
// nothing that they could be made of. Those that are frozen complete by
// themselves; those of an image that is deregistered may be deleted.
func promisedSnapshots(tx *metadb.Tx, img *origami.Image) ([]*origami.Snapshot, error) {
	var open []*origami.Snapshot
	for _, id := range img.Snapshots() {
		snap, err := tx.Snapshot(img.Region, metadb.System, id)
		if errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if snap.State == origami.SnapshotPending && snap.Layer == 0 && snap.Volume != origami.NoVolume {
			open = append(open, snap)
		}
	}
	return open, nil
}

// failSnapshots ends promised snapshots with a reason.
func (s *Service) failSnapshots(ctx context.Context, snaps []*origami.Snapshot, why string) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		for _, snap := range snaps {
			if err := s.EBS.FailSnapshot(tx, snap.Region, snap.ID, why); err != nil {
				return err
			}
		}
		return nil
	})
}

// fixSnapshots freezes the volumes of promised snapshots together and gives
// each its layer.
func (s *Service) fixSnapshots(ctx context.Context, region origami.Region, snaps []*origami.Snapshot) error {
	ids := make([]origami.VolumeID, len(snaps))
	for n, snap := range snaps {
		ids[n] = snap.Volume
	}
	frozen, err := s.EBS.Freeze(ctx, region, ids...)
	if err != nil {
		return err
	}
	defer frozen.Release()
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		for _, snap := range snaps {
			layer, _ := frozen.Layer(snap.Volume)
			if err := s.EBS.FixSnapshot(tx, region, snap.ID, layer); err != nil {
				return err
			}
		}
		return nil
	})
}

// failImage ends a pending image and its snapshots with a reason.
func (s *Service) failImage(ctx context.Context, img *origami.Image, code, why string) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		err := s.AMI.Fail(tx, img.Region, img.ID, origami.StateReason{Code: code, Message: code + ": " + why})
		for _, id := range img.Snapshots() {
			err = errors.Join(err, s.EBS.FailSnapshot(tx, img.Region, id, why))
		}
		return err
	})
}

// imageFailed ends an image whose task failed for good, in the transaction
// that says so.
func (s *Service) imageFailed(tx *metadb.Tx, t *origami.Task, reason string) error {
	img, err := tx.Image(t.Region, metadb.System, origami.ImageID(t.Resource))
	if err != nil {
		return err
	}
	open, err := promisedSnapshots(tx, img)
	if err != nil {
		return err
	}
	for _, snap := range open {
		if err := s.EBS.FailSnapshot(tx, t.Region, snap.ID, reason); err != nil {
			return err
		}
	}
	return nil
}
