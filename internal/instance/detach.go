package instance

import (
	"context"
	"errors"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
	"origami/internal/vmm"
)

// Detachment says which attachment to end. Instance and Device may be empty.
type Detachment struct {
	Volume   origami.VolumeID
	Instance origami.InstanceID
	Device   string
	Force    bool // also if the guest does not let go
}

// DetachVolume detaches a volume of the caller's. A stopped instance loses it
// at once. A running one is asked to let go, and the attachment is detaching,
// and busy if that takes long, until it has; a root volume stays. With Force a
// guest that does not let go loses the volume all the same, and perhaps what
// it has not written yet.
func (s *Service) DetachVolume(ctx context.Context, who origami.Caller, d Detachment) (*origami.Attachment, error) {
	var out origami.Attachment
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		v, err := tx.Volume(who.Region, who.Account, d.Volume)
		if err != nil {
			return err
		}
		i, err := s.checkDetach(tx, who, v, d)
		if err != nil {
			return err
		}
		again := false
		v, err = tx.UpdateVolume(who.Region, d.Volume, func(v *origami.Volume) error {
			a := attachment(v, i.ID)
			again = leaving(a) && a.Forced == (a.Forced || d.Force)
			if !leaving(a) {
				a.State = origami.Detaching
			}
			a.Forced = a.Forced || d.Force
			out = *a
			if i.State == origami.InstanceStopped {
				release(v)
			}
			return nil
		})
		if err != nil || again || i.State == origami.InstanceStopped {
			return err
		}
		return s.queueVolume(tx, taskDetach, v)
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// release makes a volume available.
func release(v *origami.Volume) {
	v.Attachments, v.State = nil, origami.VolumeAvailable
}

// checkDetach checks whether a volume can be detached, and returns the instance that has it.
func (s *Service) checkDetach(tx *metadb.Tx, who origami.Caller, v *origami.Volume, d Detachment) (*origami.Instance, error) {
	if d.Instance != "" {
		if _, err := tx.Instance(who.Region, who.Account, d.Instance); err != nil {
			return nil, err
		}
	}
	if len(v.Attachments) == 0 {
		return nil, origami.Errorf(origami.CodeIncorrectState, "Volume '%s' is in the '%s' state.", v.ID, v.State)
	}
	a := v.Attachments[0]
	if d.Instance != "" && d.Instance != a.Instance {
		return nil, origami.Errorf("InvalidAttachment.NotFound", "Volume '%s' is not attached to instance '%s'", v.ID, d.Instance)
	}
	if d.Device != "" && d.Device != a.Device {
		return nil, origami.Errorf("InvalidAttachment.NotFound", "Volume '%s' is not attached as device '%s'", v.ID, d.Device)
	}
	i, err := tx.Instance(who.Region, who.Account, a.Instance)
	if err != nil {
		return nil, err
	}
	switch {
	case i.State == origami.InstanceStopped:
	case i.State == origami.InstanceShuttingDown:
		return nil, origami.Errorf(origami.CodeIncorrectState, "Instance '%s' is in the '%s' state.", i.ID, i.State)
	case a.Device == i.RootDeviceName:
		return nil, origami.Errorf(origami.CodeOperationNotPermitted, "Unable to detach root volume '%s' from instance '%s'", v.ID, i.ID)
	}
	return i, nil
}

// runDetach takes a volume out of a machine and makes it available. A guest
// that does not let go is asked again and again.
func (s *Service) runDetach(ctx context.Context, run *task.Run) error {
	region, id := run.Task.Region, origami.VolumeID(run.Task.Resource)
	_, a, err := s.attached(ctx, region, id, origami.Detaching, origami.Busy)
	if err != nil || a.Instance == "" {
		return task.Retry(err)
	}
	m := s.machine(region, a.Instance)
	m.mu.Lock()
	defer m.mu.Unlock()
	v, a, err := s.attached(ctx, region, id, origami.Detaching, origami.Busy)
	if err != nil || v == nil || a.Instance != m.id {
		return task.Retry(err)
	}
	if err := s.unplug(ctx, m, a); err != nil {
		if errors.Is(err, vmm.ErrBusy) {
			run.Progress(0, "waiting for the guest to let go")
			err = errors.Join(err, s.setAttachment(ctx, v, m.id, func(a *origami.Attachment) {
				if a.State == origami.Detaching {
					a.State = origami.Busy
				}
			}))
		}
		return task.Retry(err)
	}
	m.withdraw(id, s.Log)
	err = s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(region, id, func(v *origami.Volume) error {
			if a := attachment(v, m.id); a != nil && leaving(a) {
				release(v)
			}
			return nil
		})
		return err
	})
	if isVolumeGone(err) {
		return nil
	}
	return task.Retry(err)
}

// unplug takes a volume out of the machine, if it runs. The machine's lock is
// held.
func (s *Service) unplug(ctx context.Context, m *machine, a origami.Attachment) error {
	if s.running(m) == nil {
		return nil
	}
	plugger, err := s.plugger()
	if err != nil {
		return err
	}
	err = plugger.Detach(ctx, string(m.id), a.Slot, a.Forced)
	if errors.Is(err, vmm.ErrNotFound) {
		return nil // it ended
	}
	return err
}

// detachFailed does not let a detachment end halfway.
func (s *Service) detachFailed(tx *metadb.Tx, t *origami.Task, _ string) error {
	v, err := tx.Volume(t.Region, metadb.System, origami.VolumeID(t.Resource))
	if isVolumeGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.queueVolume(tx, taskDetach, v)
}
