package ebs

import (
	"context"
	"errors"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// createAttempts is how often the files of a volume are tried to be made
// before the volume is in error.
const createAttempts = 5

// VolumeRequest is a request for a volume that stands for itself. Zero values
// mean "not given".
type VolumeRequest struct {
	Zone     string             // by name
	Snapshot origami.SnapshotID // which the caller may use
	Shape    Shape              // with a size, unless there is a snapshot

	Encryption Encryption

	Tags origami.Tags

	// ClientToken makes the request safe to repeat; Fingerprint tells whether
	// a repetition asks for the same.
	ClientToken string
	Fingerprint [32]byte
}

// CreateVolume makes a volume of the caller's, which is creating until a task
// of the same transaction has made its files.
func (s *Service) CreateVolume(tx *metadb.Tx, who origami.Caller, r VolumeRequest) (*origami.Volume, error) {
	earlier, done, err := tx.Once(who.Account, who.Region, "CreateVolume", r.ClientToken, r.Fingerprint)
	if err != nil {
		return nil, err
	}
	if done {
		return tx.Volume(who.Region, who.Account, origami.VolumeID(earlier))
	}
	if r.Snapshot == "" && r.Shape.Size == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter size/snapshot")
	}
	if err := r.Tags.Validate(); err != nil {
		return nil, err
	}
	spec := VolumeSpec{Zone: r.Zone, Shape: r.Shape}
	if r.Snapshot != "" {
		if spec.Snapshot, err = tx.Snapshot(who.Region, who.Account, r.Snapshot); err != nil {
			return nil, err
		}
		if size := spec.Snapshot.VolumeSize; r.Shape.Size != 0 && r.Shape.Size < size {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue,
				"Volume of size %dGB is smaller than snapshot '%s', expect size >= %dGB", r.Shape.Size, r.Snapshot, size)
		}
	}
	if err := s.CheckQuota(tx, who, 1); err != nil {
		return nil, err
	}
	if spec.Secrecy, err = s.Restore(tx, who, spec.Snapshot, r.Encryption); err != nil {
		return nil, err
	}
	spec.State = origami.VolumeCreating
	v, err := s.NewVolume(tx, who, spec)
	if err != nil {
		return nil, err
	}
	if len(r.Tags) > 0 {
		if err := tx.PutTags(who.Region, who.Account, []string{string(v.ID)}, r.Tags); err != nil {
			return nil, err
		}
	}
	err = s.queue.Add(tx, volumeTask(taskCreate, v))
	if err != nil {
		return nil, err
	}
	return v, tx.SetOnce(who.Account, who.Region, "CreateVolume", r.ClientToken, r.Fingerprint, string(v.ID))
}

// runCreate makes the files of a volume, so that a volume that is available is
// one that can be written.
func (s *Service) runCreate(ctx context.Context, run *task.Run) error {
	id, region := origami.VolumeID(run.Task.Resource), run.Task.Region
	return s.makeFiles(ctx, region, id)
}

// makeFiles makes the files of a volume that is being created, which is available
// then. It does nothing if the volume is gone.
func (s *Service) makeFiles(ctx context.Context, region origami.Region, id origami.VolumeID) error {
	v, err := s.Open(ctx, region, id)
	if isGone(err) {
		return nil
	}
	if fault := faultOf(err); fault != "" {
		return Failure(fault)
	}
	if err == nil {
		err = v.Close()
	}
	if err != nil {
		return task.Retry(err)
	}
	return task.Retry(s.db.Update(ctx, func(tx *metadb.Tx) error {
		return s.endCreation(tx, region, id, origami.VolumeAvailable)
	}))
}

// createFailed ends the creation of a volume whose files cannot be made.
func (s *Service) createFailed(tx *metadb.Tx, t *origami.Task, _ string) error {
	return s.endCreation(tx, t.Region, origami.VolumeID(t.Resource), origami.VolumeError)
}

func (s *Service) endCreation(tx *metadb.Tx, region origami.Region, id origami.VolumeID, state origami.VolumeState) error {
	_, err := tx.UpdateVolume(region, id, func(v *origami.Volume) error {
		if v.State == origami.VolumeCreating {
			v.State = state
		}
		if v.State == origami.VolumeError {
			v.Copy = nil
		}
		return nil
	})
	if isGone(err) {
		return nil
	}
	return err
}

// DeleteVolume deletes a volume of the caller's that is attached to nothing, or
// puts it into the Recycle Bin if a rule says so. Its snapshots stay.
func (s *Service) DeleteVolume(tx *metadb.Tx, who origami.Caller, id origami.VolumeID) error {
	v, err := tx.Volume(who.Region, who.Account, id)
	if err != nil {
		return err
	}
	switch v.State {
	case origami.VolumeAvailable, origami.VolumeError:
		return s.DropVolume(tx, v)
	case origami.VolumeInUse:
		if len(v.Attachments) == 0 {
			return errors.New("volume " + string(id) + " is in use and has no attachment")
		}
		return origami.Errorf(origami.CodeVolumeInUse, "Volume %s is currently attached to %s", id, v.Attachments[0].Instance)
	}
	return wrongState(v)
}

// wrongState is the refusal of what the volume's state does not allow.
func wrongState(v *origami.Volume) error {
	return origami.Errorf(origami.CodeIncorrectState, "Volume '%s' is in the '%s' state.", v.ID, v.State)
}
