package ebs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami"
	"origami/internal/blockstore"
	"origami/internal/metadb"
	"origami/internal/overlay"
	"origami/internal/task"
)

// The copy of a volume has the content that its source had at the instant of the
// request. The source is frozen then, as for a snapshot, and goes on; a task puts
// what the frozen layers changed into the store, on top of the manifest that the
// source stands on, and the copy is a volume over the result. So it shares all
// blocks with its source, and what it costs is what was written to the source
// since that was last in the store. A copy with another key than its source is
// encrypted anew in the background, as a volume made of a snapshot is.
//
// Until it is all there the copy is under way (origami.Volume.Copy): it counts
// towards the limits, and its source cannot be copied again.

// Codes of the limits of copies.
const (
	codeConcurrentCopy  origami.Code = "ConcurrentCopyVolumeLimitExceeded"
	codeCopiesOfVolumes origami.Code = "CopyVolumesLimitExceeded"
)

// VolumeCopyRequest is a request for a copy of a volume. Zero values mean "not
// given".
type VolumeCopyRequest struct {
	Source origami.VolumeID
	Shape  Shape // that of a new volume, but of the size of the source

	Encryption Encryption

	Tags origami.Tags

	// ClientToken makes the request safe to repeat; Fingerprint tells whether
	// a repetition asks for the same.
	ClientToken string
	Fingerprint [32]byte
}

// CopyVolume makes a copy of a volume of the caller's, in its zone, with what the
// volume holds at the instant of the call, whether or not a guest is writing to
// it. The copy is creating until a task has made it; the source may be deleted
// meanwhile.
func (s *Service) CopyVolume(ctx context.Context, who origami.Caller, r VolumeCopyRequest) (*origami.Volume, error) {
	var v *origami.Volume
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if v, err = earlierCopy(tx, who, r); err != nil || v != nil {
			return err
		}
		_, err = s.copySource(tx, who, r)
		return err
	})
	if err != nil || v != nil {
		return v, err
	}
	frozen, err := s.Freeze(ctx, who.Region, r.Source)
	if err != nil {
		return nil, err
	}
	defer frozen.Release()
	layer, _ := frozen.Layer(r.Source)
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		if v, err = earlierCopy(tx, who, r); err != nil || v != nil {
			return err
		}
		v, err = s.addVolumeCopy(tx, who, layer, r)
		return err
	})
	return v, err
}

const opCopyVolumes = "CopyVolumes"

// earlierCopy is what an earlier request with the same token has made, or nil.
func earlierCopy(tx *metadb.Tx, who origami.Caller, r VolumeCopyRequest) (*origami.Volume, error) {
	id, done, err := tx.Once(who.Account, who.Region, opCopyVolumes, r.ClientToken, r.Fingerprint)
	if err != nil || !done {
		return nil, err
	}
	return tx.Volume(who.Region, who.Account, origami.VolumeID(id))
}

// copySource is the volume that a request copies, if it can be copied now and the
// caller may have another volume.
func (s *Service) copySource(tx *metadb.Tx, who origami.Caller, r VolumeCopyRequest) (*origami.Volume, error) {
	if err := r.Tags.Validate(); err != nil {
		return nil, err
	}
	v, err := tx.Volume(who.Region, who.Account, r.Source)
	if err != nil {
		return nil, err
	}
	if v.State != origami.VolumeAvailable && v.State != origami.VolumeInUse {
		return nil, wrongState(v)
	}
	if v.Copy != nil {
		return nil, origami.Errorf(origami.CodeIncorrectState, "Volume '%s' is a copy that is being initialized.", v.ID)
	}
	if m := v.Modification; m != nil && m.State != origami.ModificationCompleted && m.State != origami.Optimizing {
		return nil, origami.Errorf(origami.CodeIncorrectState, "The modification of volume '%s' is in the '%s' state.", v.ID, m.State)
	}
	if size := r.Shape.Size; size != 0 && size < v.Size {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue,
			"Volume of size %dGB is smaller than volume '%s', expect size >= %dGB", size, v.ID, v.Size)
	}
	others, err := tx.VolumeCopies(who.Region, v.ID)
	if err != nil {
		return nil, err
	}
	if len(others) > 0 {
		return nil, origami.Errorf(codeConcurrentCopy, "A copy of volume '%s' is in progress. Wait until it is initialized.", v.ID)
	}
	n, err := tx.CountVolumeCopies(who.Region, who.Account)
	if err != nil {
		return nil, err
	}
	if most := s.limits.volumeCopies(); n >= most {
		return nil, origami.Errorf(codeCopiesOfVolumes, "The maximum number of volume copies in progress (%d) has been reached.", most)
	}
	return v, s.CheckQuota(tx, who, 1)
}

// addVolumeCopy records a copy of a frozen layer and queues the work that makes
// it.
func (s *Service) addVolumeCopy(tx *metadb.Tx, who origami.Caller, layer overlay.LayerID, r VolumeCopyRequest) (*origami.Volume, error) {
	source, err := s.copySource(tx, who, r)
	if err != nil {
		return nil, err
	}
	spec := VolumeSpec{Zone: source.Zone, Shape: r.Shape, State: origami.VolumeCreating, Source: source.ID, Layer: layer}
	if spec.Shape.Size == 0 {
		spec.Shape.Size = source.Size
	}
	if spec.Secrecy, err = s.VolumeCopySecrecy(tx, who, source, r.Encryption); err != nil {
		return nil, err
	}
	if fault := spec.Secrecy.Fault; fault != "" {
		return nil, Failure(fault) // a request is told at once
	}
	v, err := s.NewVolume(tx, who, spec)
	if err != nil {
		return nil, err
	}
	if len(r.Tags) > 0 {
		if err := tx.PutTags(who.Region, who.Account, []string{string(v.ID)}, r.Tags); err != nil {
			return nil, err
		}
	}
	if err := s.queue.Add(tx, volumeTask(taskCopyVolume, v)); err != nil {
		return nil, err
	}
	return v, tx.SetOnce(who.Account, who.Region, opCopyVolumes, r.ClientToken, r.Fingerprint, string(v.ID))
}

// runCopyVolume makes a copy. It may be run again at any point: the layer of the
// source stays until the row of the copy has what is in the store of it.
func (s *Service) runCopyVolume(ctx context.Context, run *task.Run) error {
	id, region := origami.VolumeID(run.Task.Resource), run.Task.Region
	var v *origami.Volume
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		v, err = tx.Volume(region, metadb.System, id)
		return err
	})
	switch {
	case isGone(err):
		return nil
	case err != nil:
		return task.Retry(err)
	case v.State != origami.VolumeCreating:
		return nil
	}
	if v.Copy != nil && v.Copy.Layer != 0 {
		err := s.fillCopy(ctx, run, v)
		if fault := faultOf(err); fault != "" {
			return Failure(fault)
		}
		if err != nil {
			return err
		}
	}
	return s.makeFiles(ctx, region, id)
}

// fillCopy puts the frozen layer that a copy is made of into the store and gives
// it to the copy.
func (s *Service) fillCopy(ctx context.Context, run *task.Run, v *origami.Volume) error {
	source, err := s.Open(ctx, v.Region, v.Source)
	if err != nil {
		return err
	}
	defer s.closeVolume(source)
	at := stored{layer: overlay.LayerID(v.Copy.Layer)}
	label, clean, err := unwritten(ctx, source, at.layer)
	if err != nil {
		return err
	}
	if clean {
		if at.root, err = parseRoot(label); err != nil {
			return err
		}
		return s.giveContent(ctx, v, at.root)
	}
	progress := s.copyProgress(ctx, run, v)
	half := func(done, total int64) { progress(done, 2*total) } // the rest is what changed
	if err := s.rekey(ctx, v.Region, source, rekeying{progress: half}); err != nil {
		return err
	}
	frozen, err := source.Frozen(at.layer)
	if err != nil {
		return fmt.Errorf("find layer %d of %s: %w", at.layer, v.Source, err)
	}
	defer frozen.Close()
	if at.root, err = s.storeFrozen(ctx, frozen, source.domain(), progress); err != nil {
		return err
	}
	if err := s.giveContent(ctx, v, at.root); err != nil {
		return err
	}
	return s.rebase(ctx, v.Region, source, at)
}

// unwritten reports whether a volume held nothing but what it stands on, whose
// label it returns, when a layer was frozen.
func unwritten(ctx context.Context, v *Volume, layer overlay.LayerID) (label string, clean bool, err error) {
	frozen, err := v.Frozen(layer)
	if err != nil {
		return "", false, fmt.Errorf("find layer %d of %s: %w", layer, v.d.id, err)
	}
	defer frozen.Close()
	for range frozen.Dirty(ctx) {
		return "", false, nil
	}
	return frozen.Base(), true, ctx.Err()
}

// copyProgress returns a function that shows progress in the task and, at most
// once a second, in the copy.
func (s *Service) copyProgress(ctx context.Context, run *task.Run, v *origami.Volume) func(done, total int64) {
	last := s.now()
	return func(done, total int64) {
		percent := int(min(99, 100*done/max(total, 1)))
		now := s.now()
		if now.Sub(last) < time.Second {
			return
		}
		last = now
		run.Progress(percent, fmt.Sprintf("copying %s to %s", v.Source, v.ID))
		err := s.db.Update(ctx, func(tx *metadb.Tx) error {
			_, err := tx.UpdateVolume(v.Region, v.ID, func(v *origami.Volume) error {
				if v.Copy != nil {
					v.Copy.Progress = max(v.Copy.Progress, percent)
				}
				return nil
			})
			return err
		})
		if err != nil {
			s.log.Warn("show progress", "volume", v.ID, "err", err)
		}
	}
}

// errNotCreating says that somebody else has ended the creation of a volume.
var errNotCreating = errors.New("the volume is not being created")

// giveContent makes a disk in the store what a copy begins with. If that is not
// encrypted with the key of the copy, the copy is under way until it is.
func (s *Service) giveContent(ctx context.Context, v *origami.Volume, root blockstore.Root) error {
	label := ""
	if root != (blockstore.Root{}) {
		label = root.String()
	}
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		v, err := tx.UpdateVolume(v.Region, v.ID, func(v *origami.Volume) error {
			if v.State != origami.VolumeCreating || v.Copy == nil {
				return errNotCreating
			}
			v.Base, v.Copy.Layer = label, 0
			if v.Encrypted && foreign(root, blockstore.Domain(v.KMSKey)) {
				v.Rekey = &origami.VolumeRekey{From: label}
			} else {
				v.Copy = nil
			}
			return nil
		})
		if err != nil || v.Rekey == nil {
			return err
		}
		return s.queueRekey(tx, v)
	})
	if errors.Is(err, errNotCreating) || isGone(err) {
		return nil
	}
	return err
}
