package instance

import (
	"context"
	"errors"
	"slices"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/policy"
	"origami/internal/task"
)

// ReplaceRootRequest asks for another root volume. Without a snapshot and an
// image the new one begins as the present one did.
type ReplaceRootRequest struct {
	Instance  origami.InstanceID
	Snapshot  origami.SnapshotID
	Image     origami.ImageID
	DeleteOld bool
	Tags      origami.Tags

	// Token and Fingerprint are as in [Launch].
	Token       string
	Fingerprint [32]byte
}

// ReplaceRoot promises to restart a running instance of the caller's with
// another root volume. It keeps its addresses and its other volumes.
func (s *Service) ReplaceRoot(ctx context.Context, who origami.Caller, r ReplaceRootRequest) (*origami.RootReplacement, error) {
	const operation = "CreateReplaceRootVolumeTask"
	var out *origami.RootReplacement
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		earlier, done, err := tx.Once(who.Account, who.Region, operation, r.Token, r.Fingerprint)
		if err != nil {
			return err
		}
		if done {
			out, err = tx.RootReplacement(who.Region, who.Account, origami.ReplaceRootTaskID(earlier))
			return err
		}
		if out, err = s.planReplacement(tx, who, r); err != nil {
			return err
		}
		if err := tx.PutRootReplacement(out); err != nil {
			return err
		}
		if err := putTags(tx, who, r.Tags, string(out.ID)); err != nil {
			return err
		}
		err = s.Queue.Add(tx, &origami.Task{
			Kind: taskReplaceRoot, Region: out.Region, Owner: out.Owner, Resource: string(out.Instance), Payload: []byte(out.ID),
		})
		if err != nil {
			return err
		}
		return tx.SetOnce(who.Account, who.Region, operation, r.Token, r.Fingerprint, string(out.ID))
	})
	return out, err
}

// planReplacement checks a request.
func (s *Service) planReplacement(tx *metadb.Tx, who origami.Caller, r ReplaceRootRequest) (*origami.RootReplacement, error) {
	if r.Snapshot != "" && r.Image != "" {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Specify either a snapshot or an image, not both.")
	}
	i, err := tx.Instance(who.Region, who.Account, r.Instance)
	if err != nil {
		return nil, err
	}
	if i.State != origami.InstanceRunning {
		return nil, origami.Errorf(origami.CodeIncorrectInstanceState, "The instance '%s' is not in the 'running' state.", i.ID)
	}
	old, err := rootVolume(tx, i)
	if err != nil {
		return nil, err
	}
	lineage := []origami.VolumeID{old.ID}
	for earlier, err := range tx.RootReplacements(metadb.Query{
		Region: i.Region, Viewer: i.Owner, Filters: []origami.Filter{{Name: "instance-id", Values: []string{string(i.ID)}}},
	}) {
		if err != nil {
			return nil, err
		}
		if earlier.Instance != i.ID {
			continue
		}
		if earlier.Completed.IsZero() {
			return nil, origami.Errorf(origami.CodeIncorrectInstanceState, "The root volume of the instance '%s' is being replaced already.", i.ID)
		}
		lineage = append(lineage, earlier.OldVolume, earlier.NewVolume)
	}
	out := &origami.RootReplacement{
		ID: origami.NewReplaceRootTaskID(), Region: i.Region, Owner: i.Owner, Instance: i.ID,
		Image: r.Image, Snapshot: r.Snapshot, DeleteOld: r.DeleteOld, OldVolume: old.ID,
		State: origami.ReplacementPending, Started: s.Now().UTC(),
	}
	switch {
	case r.Image != "":
		out.Snapshot, err = s.imageRoot(tx, who, r.Image, i, old)
	case r.Snapshot != "":
		err = checkLineage(tx, who, r.Snapshot, old, lineage)
	default:
		if out.Snapshot = old.Snapshot; out.Snapshot == "" {
			err = origami.Errorf(origami.CodeInvalidParameterCombination, "The root volume of the instance '%s' was not made from a snapshot.", i.ID)
		}
	}
	if err != nil {
		return nil, err
	}
	snap, err := tx.Snapshot(who.Region, metadb.System, out.Snapshot)
	if err == nil {
		err = ebs.Usable(snap)
	}
	return out, err
}

// rootVolume is the volume at the root device of an instance. It is an error
// if there is none.
func rootVolume(tx *metadb.Tx, i *origami.Instance) (*origami.Volume, error) {
	vols, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return nil, err
	}
	for _, v := range vols {
		if deviceOf(v, i.ID) == i.RootDeviceName {
			return v, nil
		}
	}
	return nil, origami.Errorf(origami.CodeInvalidParameterValue,
		"Invalid value '%s' for instanceId. Instance does not have a volume attached at root (%s)", i.ID, i.RootDeviceName)
}

// checkLineage refuses a snapshot that is not one of the instance's root
// volume, past or present.
func checkLineage(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID, old *origami.Volume, lineage []origami.VolumeID) error {
	snap, err := tx.Snapshot(who.Region, who.Account, id)
	if err != nil {
		return err
	}
	if snap.ID != old.Snapshot && !slices.Contains(lineage, snap.Volume) {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"The snapshot '%s' was not made of the root volume of the instance.", id)
	}
	return nil
}

// imageRoot is the snapshot of the root volume of an image that an instance
// can go on with.
func (s *Service) imageRoot(tx *metadb.Tx, who origami.Caller, id origami.ImageID, i *origami.Instance, old *origami.Volume) (origami.SnapshotID, error) {
	img, err := s.AMI.Resolve(tx, who, id)
	if err != nil {
		return "", err
	}
	t, err := TypeByName(i.Type)
	if err != nil {
		return "", err
	}
	if err := compatible(img, t); err != nil {
		return "", err
	}
	unfit := func(what string) error {
		return origami.Errorf(origami.CodeInvalidParameterValue, "The image '%s' does not match the instance '%s': %s.", id, i.ID, what)
	}
	root := img.Root()
	switch {
	case img.Architecture != i.Architecture:
		return "", unfit("another architecture")
	case img.VirtualizationType != i.VirtualizationType:
		return "", unfit("another virtualization type")
	case img.PlatformDetails != i.PlatformDetails || img.UsageOperation != i.UsageOperation:
		return "", unfit("another platform or billing")
	case i.ENASupport && !img.ENASupport:
		return "", unfit("it lacks ENA support")
	case i.SriovNetSupport != "" && img.SriovNetSupport == "":
		return "", unfit("it lacks SR-IOV support")
	case i.TPMSupport != img.TPMSupport:
		return "", unfit("another TPM support")
	case root == nil:
		return "", unfit("it has no root volume")
	case root.EBS.VolumeSize < old.Size:
		return "", unfit("its root volume is smaller than the present one")
	}
	return root.EBS.Snapshot, s.Host.fits(img, t)
}

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
	if err := s.EBS.DropVolume(tx, made); err != nil {
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
