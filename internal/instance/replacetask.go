package instance

import (
	"context"
	"errors"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/policy"
	"origami/internal/task"
)

// runReplaceRoot replaces the root volume of an instance. Each step is a
// transaction that says so; when the task is run again after a crash it goes on
// behind the last one.
func (s *Service) runReplaceRoot(ctx context.Context, run *task.Run) error {
	m := s.machine(run.Task.Region, origami.InstanceID(run.Task.Resource))
	m.mu.Lock()
	defer m.mu.Unlock()
	id := origami.ReplaceRootTaskID(run.Task.Payload)
	r, i, err := s.replacement(ctx, m, id)
	if err != nil || !r.Completed.IsZero() {
		return err
	}
	if r.NewVolume == "" {
		if i.State != origami.InstanceRunning {
			return s.endReplacement(ctx, r, origami.ReplacementFailed, "the instance is "+string(i.State))
		}
		if err := s.stepReplacement(ctx, r, origami.ReplacementInProgress); err != nil {
			return err
		}
		run.Progress(10, "waiting for the guest to shut down")
		if _, err := s.halt(ctx, m, s.Grace); err != nil {
			return err
		}
		run.Progress(50, "exchanging the volumes")
		if err := s.DB.Update(ctx, func(tx *metadb.Tx) error { return s.exchangeRoot(tx, r) }); err != nil {
			if ctx.Err() != nil {
				return err
			}
			reason := err.Error()
			if err := s.bootAgain(ctx, m); err != nil {
				return err
			}
			return s.endReplacement(ctx, r, origami.ReplacementFailed, reason)
		}
	}
	run.Progress(70, "starting the guest")
	return s.startReplaced(ctx, m, id)
}

// startReplaced starts the machine with its new root volume and, if that is
// impossible, with the old one again. The machine's lock is held.
func (s *Service) startReplaced(ctx context.Context, m *machine, id origami.ReplaceRootTaskID) error {
	r, i, err := s.replacement(ctx, m, id)
	if err != nil {
		return err
	}
	if s.running(m) == nil && i.State == origami.InstanceRunning && r.State != origami.ReplacementFailing {
		bootErr := s.boot(ctx, m, i)
		if bootErr != nil && ctx.Err() != nil {
			return bootErr
		}
		if bootErr != nil {
			s.Log.Warn("start with the new root volume", "instance", m.id, "err", bootErr)
			if err := s.stepReplacement(ctx, r, origami.ReplacementFailing); err != nil {
				return err
			}
			r.State, r.Reason = origami.ReplacementFailing, bootErr.Error()
		}
	}
	if r.State != origami.ReplacementFailing {
		return s.endReplacement(ctx, r, origami.ReplacementSucceeded, "")
	}
	state := origami.ReplacementFailed
	err = s.DB.Update(ctx, func(tx *metadb.Tx) (err error) {
		state, err = s.restoreRoot(tx, r)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(s.endReplacement(ctx, r, state, r.Reason), s.bootAgain(ctx, m))
}

// replacement reads a replacement and its instance.
func (s *Service) replacement(ctx context.Context, m *machine, id origami.ReplaceRootTaskID) (r *origami.RootReplacement, i *origami.Instance, err error) {
	err = s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		if r, err = tx.RootReplacement(m.region, metadb.System, id); err != nil {
			return err
		}
		i, err = tx.Instance(m.region, metadb.System, m.id)
		return err
	})
	return r, i, err
}

// exchangeRoot detaches the old root volume and attaches a new one, which has
// its device, its type and its DeleteOnTermination.
func (s *Service) exchangeRoot(tx *metadb.Tx, r *origami.RootReplacement) error {
	i, err := tx.Instance(r.Region, metadb.System, r.Instance)
	if err != nil {
		return err
	}
	old, err := rootVolume(tx, i)
	if err != nil {
		return err
	}
	snap, err := tx.Snapshot(r.Region, metadb.System, r.Snapshot)
	if err != nil {
		return err
	}
	at := *attachment(old, i.ID)
	at.Attached, at.State = s.Now().UTC(), origami.Attached
	if err := freeVolume(tx, old); err != nil {
		return err
	}
	shape := ebs.Shape{Type: old.Type, Size: max(old.Size, snap.VolumeSize), IOPS: old.IOPS, Throughput: old.Throughput}
	if r.Image != "" {
		img, err := tx.Image(r.Region, metadb.System, r.Image)
		if err != nil {
			return err
		}
		if root := img.Root(); root != nil {
			shape.Size = max(shape.Size, root.EBS.VolumeSize)
		}
		_, err = tx.UpdateInstance(i.Region, i.ID, func(i *origami.Instance) error {
			i.Image, i.BootMode = img.ID, img.BootMode
			return nil
		})
		if err != nil {
			return err
		}
	}
	if old.Type == origami.GP2 {
		shape.IOPS = 0 // follows from the size
	}
	secrecy, err := s.EBS.Restore(tx, owner(i), snap, ebs.Encryption{})
	if err != nil {
		return err
	}
	made, err := s.EBS.NewVolume(tx, owner(i), ebs.VolumeSpec{
		Zone: i.Zone, Snapshot: snap, Shape: shape, Attach: &at, Secrecy: secrecy,
	})
	if err != nil {
		return err
	}
	_, err = tx.UpdateRootReplacement(r.Region, r.ID, func(r *origami.RootReplacement) error {
		r.OldVolume, r.NewVolume = old.ID, made.ID
		return nil
	})
	return err
}

// owner is the owner of an instance, on whose behalf its volumes are made.
func owner(i *origami.Instance) origami.Caller {
	return origami.Caller{Account: i.Owner, ARN: policy.RootARN(string(i.Owner)), Region: i.Region}
}

// freeVolume detaches a volume.
func freeVolume(tx *metadb.Tx, v *origami.Volume) error {
	_, err := tx.UpdateVolume(v.Region, v.ID, func(v *origami.Volume) error {
		v.Attachments, v.State = nil, origami.VolumeAvailable
		return nil
	})
	return err
}

// restoreRoot attaches the old root volume in place of the new one, which is
// deleted. If the old one is gone or used elsewhere, the instance is left
// without a root volume.
func (s *Service) restoreRoot(tx *metadb.Tx, r *origami.RootReplacement) (origami.RootReplacementState, error) {
	made, err := tx.Volume(r.Region, metadb.System, r.NewVolume)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound}) {
		return origami.ReplacementFailedDetached, nil
	}
	if err != nil {
		return "", err
	}
	a := attachment(made, r.Instance)
	if a == nil {
		return origami.ReplacementFailedDetached, nil
	}
	at := *a
	if err := freeVolume(tx, made); err != nil {
		return "", err
	}
	if err := s.EBS.EraseVolume(tx, made); err != nil {
		return "", err
	}
	old, err := tx.Volume(r.Region, metadb.System, r.OldVolume)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound}) || err == nil && old.State != origami.VolumeAvailable {
		return origami.ReplacementFailedDetached, nil
	}
	if err != nil {
		return "", err
	}
	_, err = tx.UpdateVolume(r.Region, old.ID, func(v *origami.Volume) error {
		v.Attachments, v.State = []origami.Attachment{at}, origami.VolumeInUse
		return nil
	})
	return origami.ReplacementFailed, err
}

// stepReplacement notes a state that is not the last.
func (s *Service) stepReplacement(ctx context.Context, r *origami.RootReplacement, state origami.RootReplacementState) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateRootReplacement(r.Region, r.ID, func(r *origami.RootReplacement) error {
			r.State = state
			return nil
		})
		return err
	})
}

// endReplacement notes the last state. After success the old volume is
// deleted, if that was asked for and nobody has taken it meanwhile.
func (s *Service) endReplacement(ctx context.Context, r *origami.RootReplacement, state origami.RootReplacementState, reason string) error {
	return s.DB.Update(ctx, func(tx *metadb.Tx) error { return s.concludeReplacement(tx, r, state, reason) })
}

func (s *Service) concludeReplacement(tx *metadb.Tx, r *origami.RootReplacement, state origami.RootReplacementState, reason string) error {
	r, err := tx.UpdateRootReplacement(r.Region, r.ID, func(r *origami.RootReplacement) error {
		r.State, r.Reason, r.Completed = state, reason, s.Now().UTC()
		return nil
	})
	if err != nil || state != origami.ReplacementSucceeded || !r.DeleteOld {
		return err
	}
	old, err := tx.Volume(r.Region, metadb.System, r.OldVolume)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound}) || err == nil && old.State != origami.VolumeAvailable {
		return nil
	}
	if err != nil {
		return err
	}
	return s.EBS.DropVolume(tx, old)
}

// replaceRootFailed ends a replacement whose task failed for good: the old
// root volume is attached again.
func (s *Service) replaceRootFailed(tx *metadb.Tx, t *origami.Task, reason string) error {
	r, err := tx.RootReplacement(t.Region, metadb.System, origami.ReplaceRootTaskID(t.Payload))
	if err != nil || !r.Completed.IsZero() {
		return err
	}
	state := origami.ReplacementFailed
	if r.NewVolume != "" {
		if state, err = s.restoreRoot(tx, r); err != nil {
			return err
		}
	}
	return s.concludeReplacement(tx, r, state, reason)
}
