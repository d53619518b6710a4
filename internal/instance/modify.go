package instance

import (
	"context"
	"errors"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/task"
	"origami/internal/vmm"
)

// grownLater is the message of a modification that a guest will learn of when
// its machine starts the next time. A guest that reboots itself keeps its
// machine.
const grownLater = "The instance sees the new size of the volume after RebootInstances, or after it was stopped and started."

// ModifyVolume changes the size, type or performance of a volume of the
// caller's. The answer comes at once, and a task does the work. A machine that
// has the volume as a virtio disk sees a new size while it runs, one that has
// it as an NVMe disk after its next start.
func (s *Service) ModifyVolume(ctx context.Context, who origami.Caller, id origami.VolumeID, want ebs.Shape) (*origami.Volume, error) {
	var v *origami.Volume
	err := s.DB.Update(ctx, func(tx *metadb.Tx) (err error) {
		if v, err = s.EBS.BeginModification(tx, who, id, want, s.ModificationsPerDay); err != nil {
			return err
		}
		for _, a := range v.Attachments {
			i, err := tx.Instance(who.Region, who.Account, a.Instance)
			if err != nil {
				return err
			}
			if t := v.Modification.Target.Type; a.Device == i.RootDeviceName && !ebs.Bootable(t) {
				return origami.Errorf(origami.CodeInvalidParameterValue, "Volume type %s is not supported for the root device '%s'.", t, a.Device)
			}
		}
		return s.queueVolume(tx, taskModify, v)
	})
	return v, err
}

// runModify grows a volume and tells the machine that has it.
func (s *Service) runModify(ctx context.Context, run *task.Run) error {
	region, id := run.Task.Region, origami.VolumeID(run.Task.Resource)
	ok, err := s.EBS.Grow(ctx, region, id)
	if err != nil || !ok {
		return task.Retry(err)
	}
	// Who attaches the volume from here on finds it grown.
	var v *origami.Volume
	err = s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		v, err = tx.Volume(region, metadb.System, id)
		return err
	})
	if isVolumeGone(err) {
		return nil
	}
	if err != nil {
		return task.Retry(err)
	}
	message := ""
	for _, a := range v.Attachments {
		m := s.machine(region, a.Instance)
		err := s.grown(ctx, m, id)
		if errors.Is(err, vmm.ErrFixedSize) {
			message = grownLater
		} else if err != nil {
			return task.Retry(err)
		}
	}
	return task.Retry(s.EBS.EndModification(ctx, region, id, message))
}

// grown tells the machine of an instance that a volume has grown, if it has it.
func (s *Service) grown(ctx context.Context, m *machine, id origami.VolumeID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, a, err := s.attached(ctx, m.region, id, origami.Attached)
	if err != nil || v == nil || a.Instance != m.id || s.running(m) == nil {
		return err // it is attached later, or no more
	}
	if v.Modification == nil || v.Modification.Original.Size == v.Size {
		return nil
	}
	i, err := s.instance(ctx, m.region, m.id)
	if err != nil {
		return err
	}
	return s.resize(ctx, m, i, v)
}

// tellSize is resize for a volume that was just attached, and may have been
// attached by an attempt before it grew. The machine's lock is held.
func (s *Service) tellSize(ctx context.Context, m *machine, i *origami.Instance, v *origami.Volume) error {
	if v.Modification == nil || !v.Modification.Ended.IsZero() {
		return nil
	}
	err := s.resize(ctx, m, i, v)
	if errors.Is(err, vmm.ErrFixedSize) {
		return nil
	}
	return err
}

// resize tells a running machine the size of a volume that it has. The
// machine's lock is held.
func (s *Service) resize(ctx context.Context, m *machine, i *origami.Instance, v *origami.Volume) error {
	plugger, err := s.plugger()
	if err != nil {
		return err
	}
	t, err := TypeByName(i.Type)
	if err != nil {
		return err
	}
	o, ok := m.volumes[v.ID]
	if !ok {
		return errors.New("the volume is not open")
	}
	err = plugger.Resize(ctx, string(m.id), s.disk(t, v, m.id), o.volume.Size())
	if errors.Is(err, vmm.ErrNotFound) {
		return nil // it ended
	}
	return err
}

// modifyFailed does not let a modification end halfway.
func (s *Service) modifyFailed(tx *metadb.Tx, t *origami.Task, _ string) error {
	v, err := tx.Volume(t.Region, metadb.System, origami.VolumeID(t.Resource))
	if isVolumeGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.queueVolume(tx, taskModify, v)
}
