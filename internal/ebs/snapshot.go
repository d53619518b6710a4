package ebs

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"origami"
	"origami/internal/metadb"
	"origami/internal/overlay"
)

// SnapshotSpec says which snapshot to take.
type SnapshotSpec struct {
	Volume      origami.VolumeID
	Description string
	Tags        origami.Tags
	Started     time.Time // now, if it is zero
}

// AddSnapshot records a pending snapshot of a frozen layer and queues the work
// that completes it.
func (s *Service) AddSnapshot(tx *metadb.Tx, who origami.Caller, v *origami.Volume, layer overlay.LayerID, spec SnapshotSpec) (*origami.Snapshot, error) {
	if err := s.limits.room(tx, v); err != nil {
		return nil, err
	}
	snap := s.newSnapshot(who, v, spec)
	snap.Layer = uint64(layer)
	if err := tx.PutSnapshot(snap); err != nil {
		return nil, err
	}
	if len(spec.Tags) > 0 {
		if err := tx.PutTags(who.Region, who.Account, []string{string(snap.ID)}, spec.Tags); err != nil {
			return nil, err
		}
	}
	return snap, s.queue.Add(tx, snapshotTask(taskSnapshot, snap))
}

// PromiseSnapshot records a pending snapshot of a volume that is yet to be
// frozen: [Service.FixSnapshot] gives it its content, and
// [Service.FailSnapshot] ends it without.
func (s *Service) PromiseSnapshot(tx *metadb.Tx, who origami.Caller, v *origami.Volume, spec SnapshotSpec) (*origami.Snapshot, error) {
	if err := s.limits.room(tx, v); err != nil {
		return nil, err
	}
	snap := s.newSnapshot(who, v, spec)
	if err := tx.PutSnapshot(snap); err != nil {
		return nil, err
	}
	if len(spec.Tags) > 0 {
		if err := tx.PutTags(who.Region, who.Account, []string{string(snap.ID)}, spec.Tags); err != nil {
			return nil, err
		}
	}
	return snap, nil
}

// FixSnapshot gives a promised snapshot the layer that holds its content and
// queues the work that completes it. A snapshot that is no longer pending, or
// already has its layer, is left alone.
func (s *Service) FixSnapshot(tx *metadb.Tx, region origami.Region, id origami.SnapshotID, layer overlay.LayerID) error {
	queue := false
	snap, err := tx.UpdateSnapshot(region, id, func(snap *origami.Snapshot) error {
		if queue = snap.State == origami.SnapshotPending && snap.Layer == 0; queue {
			snap.Layer = uint64(layer)
			snap.Started = s.now().UTC()
		}
		return nil
	})
	if err != nil || !queue {
		return err
	}
	return s.queue.Add(tx, snapshotTask(taskSnapshot, snap))
}

func (s *Service) newSnapshot(who origami.Caller, v *origami.Volume, spec SnapshotSpec) *origami.Snapshot {
	started := spec.Started
	if started.IsZero() {
		started = s.now().UTC()
	}
	lineage := ""
	if v.ID != origami.NoVolume {
		lineage = v.Line()
	}
	return &origami.Snapshot{
		Lineage:     lineage,
		ID:          origami.NewSnapshotID(),
		Region:      who.Region,
		Owner:       who.Account,
		Volume:      v.ID,
		State:       origami.SnapshotPending,
		Started:     started,
		Description: spec.Description,
		VolumeSize:  v.Size,
		Encrypted:   v.Encrypted,
		KMSKey:      v.KMSKey,
	}
}

// maxDescription is how many characters the description of a snapshot may have.
const maxDescription = 255

// CheckDescription checks the description that a caller wants for a snapshot.
func CheckDescription(d string) error {
	if utf8.RuneCountInString(d) > maxDescription {
		return origami.Errorf(origami.CodeInvalidParameterValue,
			"Value (%.128s...) for parameter description is invalid. Length exceeds maximum of %d.", d, maxDescription)
	}
	return nil
}

// CreateSnapshot takes a snapshot of a volume of the caller's as it is at the
// instant of the call, whether or not a guest is writing to it.
func (s *Service) CreateSnapshot(ctx context.Context, who origami.Caller, spec SnapshotSpec) (*origami.Snapshot, error) {
	if err := CheckDescription(spec.Description); err != nil {
		return nil, err
	}
	check := func(tx *metadb.Tx) (*origami.Volume, error) {
		v, err := tx.Volume(who.Region, who.Account, spec.Volume)
		if err != nil {
			return nil, err
		}
		if v.State != origami.VolumeAvailable && v.State != origami.VolumeInUse {
			return nil, origami.Errorf(origami.CodeIncorrectState, "Volume '%s' is in the '%s' state.", v.ID, v.State)
		}
		if err := s.limits.check(tx, v, s.now()); err != nil {
			return nil, err
		}
		return v, spec.Tags.Validate()
	}
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		_, err := check(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	frozen, err := s.Freeze(ctx, who.Region, spec.Volume)
	if err != nil {
		return nil, err
	}
	defer frozen.Release()
	var snap *origami.Snapshot
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		v, err := check(tx)
		if err != nil {
			return err
		}
		layer, _ := frozen.Layer(v.ID)
		snap, err = s.AddSnapshot(tx, who, v, layer, spec)
		return err
	})
	return snap, err
}

// DeleteSnapshot deletes a snapshot of the caller's, or puts it into the
// Recycle Bin if a rule says so. It is refused while an image maps it and while
// it is locked. Blocks that nothing else refers to become garbage.
func (s *Service) DeleteSnapshot(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) error {
	snap, err := tx.Snapshot(who.Region, who.Account, id)
	if err != nil {
		return err
	}
	if snap.Owner != who.Account {
		return origami.Errorf(origami.CodeUnauthorizedOperation, "You are not authorized to perform this operation on snapshot %s.", id)
	}
	images, err := tx.ImagesWithSnapshot(who.Region, id)
	if err != nil {
		return err
	}
	if len(images) > 0 {
		return origami.Errorf(origami.CodeInvalidSnapshotInUse, "The snapshot %s is currently in use by %s", id, slices.Min(images))
	}
	if err := s.unlocked(snap); err != nil {
		return err
	}
	return s.drop(tx, snap)
}
