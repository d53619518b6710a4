package ebs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami"
	"origami/internal/metadb"
)

// modificationDay is the time over which modifications of a volume are
// counted.
const modificationDay = 24 * time.Hour

// BeginModification records that the shape of a volume of the caller's is to
// change. Zero fields of want stay as they are, or become what a new type has
// by default. If most is not 0 it is how many modifications a volume may have
// in 24 hours. The caller brings the modification to its end: it takes
// [Service.Grow] and then [Service.EndModification].
func (s *Service) BeginModification(tx *metadb.Tx, who origami.Caller, id origami.VolumeID, want Shape, most int) (*origami.Volume, error) {
	v, err := tx.Volume(who.Region, who.Account, id)
	if err != nil {
		return nil, err
	}
	if v.State != origami.VolumeAvailable && v.State != origami.VolumeInUse {
		return nil, wrongState(v)
	}
	if m := v.Modification; m != nil && m.Ended.IsZero() {
		return nil, origami.Errorf("IncorrectModificationState", "The volume '%s' is in the '%s' modification state and cannot be modified.", id, m.State)
	}
	target, err := decideModification(v, want)
	if err != nil {
		return nil, err
	}
	now := s.now().UTC()
	var recent []time.Time
	for _, t := range v.Modified {
		if now.Sub(t) < modificationDay {
			recent = append(recent, t)
		}
	}
	if most > 0 && len(recent) >= most {
		return nil, origami.Errorf("VolumeModificationRateExceeded",
			"You've reached the maximum modification rate per volume limit: %d in 24 hours. Wait before the next modification of '%s'.", most, id)
	}
	return tx.UpdateVolume(who.Region, id, func(v *origami.Volume) error {
		v.Modified = append(recent, now)
		v.Modification = &origami.VolumeModification{
			State: origami.Modifying, Original: v.Shape(), Target: target, Started: now,
		}
		return nil
	})
}

// decideModification checks what is asked for against the rules.
func decideModification(v *origami.Volume, want Shape) (origami.VolumeShape, error) {
	if want == (Shape{}) {
		return origami.VolumeShape{}, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter size, volumeType, iops or throughput")
	}
	if want.Size != 0 && want.Size < v.Size {
		return origami.VolumeShape{}, origami.Errorf(origami.CodeInvalidParameterValue, "New size cannot be smaller than existing size")
	}
	shape := want
	if shape.Size == 0 {
		shape.Size = v.Size
	}
	if shape.Type == "" {
		shape.Type = v.Type
	}
	if shape.Type == v.Type && v.Type != origami.GP2 { // which derives its IOPS
		if shape.IOPS == 0 {
			shape.IOPS = v.IOPS
		}
		if shape.Throughput == 0 {
			shape.Throughput = v.Throughput
		}
	}
	shape, err := shape.Decide()
	return origami.VolumeShape(shape), err
}

// Grow gives a volume that is being modified its new shape: in its row first,
// so that no snapshot can be larger than the row says, and then in its files.
// A guest that has the volume does not see it yet. It may be called again; ok
// is false if there is nothing to do any more.
func (s *Service) Grow(ctx context.Context, region origami.Region, id origami.VolumeID) (ok bool, err error) {
	var size int64
	err = s.updateModification(ctx, region, id, func(v *origami.Volume, m *origami.VolumeModification) {
		v.Size, v.Type, v.IOPS, v.Throughput = m.Target.Size, m.Target.Type, m.Target.IOPS, m.Target.Throughput
		size = v.Size
	})
	if err != nil || size == 0 {
		return false, err
	}
	v, err := s.Open(ctx, region, id)
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := errors.Join(v.Grow(size*GiB), v.Close()); err != nil {
		return false, fmt.Errorf("grow %s: %w", id, err)
	}
	return true, s.updateModification(ctx, region, id, func(_ *origami.Volume, m *origami.VolumeModification) {
		m.State, m.Progress = origami.Optimizing, 99
	})
}

// EndModification completes the modification of a volume, with a message for
// its owner that may be empty.
func (s *Service) EndModification(ctx context.Context, region origami.Region, id origami.VolumeID, message string) error {
	return s.updateModification(ctx, region, id, func(_ *origami.Volume, m *origami.VolumeModification) {
		m.State, m.Progress, m.StatusMessage = origami.ModificationCompleted, 100, message
		m.Ended = s.now().UTC()
	})
}

// updateModification changes a modification that is under way. It does nothing
// if there is none, or no volume.
func (s *Service) updateModification(ctx context.Context, region origami.Region, id origami.VolumeID, f func(*origami.Volume, *origami.VolumeModification)) error {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(region, id, func(v *origami.Volume) error {
			if m := v.Modification; m != nil && m.Ended.IsZero() {
				f(v, m)
			}
			return nil
		})
		return err
	})
	if isGone(err) {
		return nil
	}
	return err
}

// SetAutoEnableIO sets whether I/O to a volume of the caller's goes on by
// itself after its data was found to be inconsistent.
func (s *Service) SetAutoEnableIO(tx *metadb.Tx, who origami.Caller, id origami.VolumeID, on bool) error {
	if _, err := tx.Volume(who.Region, who.Account, id); err != nil {
		return err
	}
	_, err := tx.UpdateVolume(who.Region, id, func(v *origami.Volume) error {
		v.AutoEnableIO = on
		return nil
	})
	return err
}
