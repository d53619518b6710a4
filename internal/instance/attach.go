package instance

import (
	"context"
	"errors"
	"slices"
	"strings"

	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/task"
	"origami/internal/vmm"
)

// attachAttempts is how often a machine is given a volume that its monitor
// refuses; the pauses between them add up to some seconds.
const attachAttempts = 6

// AttachVolume attaches a volume of the caller's to an instance of the
// caller's under a device name. A stopped instance has it at once; a running
// one gets it by a task, and the attachment is attaching until then. The
// instance's end does not delete the volume.
func (s *Service) AttachVolume(ctx context.Context, who origami.Caller, id origami.VolumeID, to origami.InstanceID, device string) (*origami.Attachment, error) {
	var a origami.Attachment
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		v, err := tx.Volume(who.Region, who.Account, id)
		if err != nil {
			return err
		}
		i, err := tx.Instance(who.Region, who.Account, to)
		if err != nil {
			return err
		}
		a = origami.Attachment{Instance: to, Device: device, State: origami.Attaching, Attached: s.Now().UTC()}
		if a.Slot, err = s.checkAttach(tx, v, i, device); err != nil {
			return err
		}
		if err := s.EBS.CheckAttach(tx, who, v); err != nil {
			return err
		}
		if i.State == origami.InstanceStopped {
			a.State = origami.Attached
		}
		_, err = tx.UpdateVolume(who.Region, id, func(v *origami.Volume) error {
			v.State, v.Attachments = origami.VolumeInUse, []origami.Attachment{a}
			return nil
		})
		if err != nil || a.State == origami.Attached {
			return err
		}
		return s.queueVolume(tx, taskAttach, v)
	})
	if err != nil {
		return nil, err
	}
	a.State = origami.Attaching // as EC2 answers, whatever the instance's state
	return &a, nil
}

// queueVolume adds a task about a volume to the transaction.
func (s *Service) queueVolume(tx *metadb.Tx, kind string, v *origami.Volume) error {
	return s.Queue.Add(tx, &origami.Task{Kind: kind, Region: v.Region, Owner: v.Owner, Resource: string(v.ID)})
}

// checkAttach checks whether a volume can be attached to an instance, and
// decides where.
func (s *Service) checkAttach(tx *metadb.Tx, v *origami.Volume, i *origami.Instance, device string) (slot int, err error) {
	entry := origami.BlockDevice{DeviceName: device, EBS: &origami.EBSBlockDevice{}}
	if err := ami.CheckDevices([]origami.BlockDevice{entry}); err != nil {
		return 0, err
	}
	switch {
	case v.State == origami.VolumeInUse:
		return 0, origami.Errorf(origami.CodeVolumeInUse, "%s is already attached to an instance", v.ID)
	case v.State != origami.VolumeAvailable:
		return 0, origami.Errorf(origami.CodeIncorrectState, "%s is not 'available'.", v.ID)
	case i.State != origami.InstanceRunning && i.State != origami.InstanceStopped:
		return 0, origami.Errorf(origami.CodeIncorrectState, "Instance '%s' is not 'running'.", i.ID)
	case v.Zone != i.Zone:
		return 0, origami.Errorf("InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'", v.ID, i.ID)
	case device == i.RootDeviceName && !ebs.Bootable(v.Type):
		return 0, origami.Errorf(origami.CodeInvalidParameterValue, "Volume type %s is not supported for the root device '%s'.", v.Type, device)
	}
	attached, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return 0, err
	}
	if !deviceFree(i, attached, device) {
		return 0, origami.Errorf(origami.CodeInvalidParameterValue,
			"Invalid value '%s' for unixDevice. Attachment point %s is already in use", device, device)
	}
	if device == i.RootDeviceName {
		return rootSlot, nil
	}
	slot, ok := freeSlot(attached, i.ID, rootSlot+1)
	if !ok {
		return 0, origami.Errorf("AttachmentLimitExceeded", "An instance can have at most %d volumes.", maxVolumes)
	}
	return slot, nil
}

// rootSlot is the slot of the root volume, and of no other.
const rootSlot = 0

// deviceFree reports whether no volume and no instance store of the instance
// has the device name, with or without /dev/.
func deviceFree(i *origami.Instance, attached []*origami.Volume, device string) bool {
	short := func(name string) string { return strings.TrimPrefix(name, "/dev/") }
	return !slices.ContainsFunc(attached, func(v *origami.Volume) bool { return short(deviceOf(v, i.ID)) == short(device) }) &&
		!slices.ContainsFunc(i.InstanceStores, func(d origami.BlockDevice) bool { return short(d.DeviceName) == short(device) })
}

// freeSlot finds the lowest slot, from a given one on, that no volume of the
// instance has.
func freeSlot(attached []*origami.Volume, id origami.InstanceID, from int) (int, bool) {
	taken := make(map[int]bool)
	for _, v := range attached {
		taken[slotOf(v, id)] = true
	}
	for slot := from; slot < maxVolumes; slot++ {
		if !taken[slot] {
			return slot, true
		}
	}
	return 0, false
}

// staying are the volumes that a machine has when it starts: those that are
// not being detached.
func staying(vols []*origami.Volume, id origami.InstanceID) []*origami.Volume {
	return slices.DeleteFunc(vols, func(v *origami.Volume) bool {
		a := attachment(v, id)
		return a == nil || leaving(a)
	})
}

// leaving reports whether an attachment is about to end.
func leaving(a *origami.Attachment) bool {
	return a.State == origami.Detaching || a.State == origami.Busy
}

// attached reads a volume and its attachment, in one of the given states. v is
// nil if there is none.
func (s *Service) attached(ctx context.Context, region origami.Region, id origami.VolumeID, states ...origami.AttachmentState) (v *origami.Volume, a origami.Attachment, err error) {
	err = s.DB.View(ctx, func(tx *metadb.Tx) error {
		v, err = tx.Volume(region, metadb.System, id)
		return err
	})
	if isVolumeGone(err) {
		return nil, a, nil
	}
	if err != nil || len(v.Attachments) == 0 || !slices.Contains(states, v.Attachments[0].State) {
		return nil, a, err
	}
	return v, v.Attachments[0], nil
}

// runAttach gives a machine the volume that its instance has got.
func (s *Service) runAttach(ctx context.Context, run *task.Run) error {
	region, id := run.Task.Region, origami.VolumeID(run.Task.Resource)
	_, a, err := s.attached(ctx, region, id, origami.Attaching)
	if err != nil || a.Instance == "" {
		return task.Retry(err)
	}
	m := s.machine(region, a.Instance)
	m.mu.Lock()
	defer m.mu.Unlock()
	v, a, err := s.attached(ctx, region, id, origami.Attaching)
	if err != nil || v == nil || a.Instance != m.id {
		return task.Retry(err)
	}
	if s.running(m) != nil {
		if err := s.plug(ctx, m, v); err != nil {
			return task.Retry(err)
		}
	}
	return task.Retry(s.setAttachment(ctx, v, m.id, func(a *origami.Attachment) {
		if a.State == origami.Attaching {
			a.State = origami.Attached
		}
	}))
}

// plug puts a volume into a running machine. If that ends meanwhile it will
// have the volume when it starts again. The machine's lock is held.
func (s *Service) plug(ctx context.Context, m *machine, v *origami.Volume) error {
	plugger, err := s.plugger()
	if err != nil {
		return err
	}
	i, err := s.instance(ctx, m.region, m.id)
	if err != nil {
		return err
	}
	t, err := TypeByName(i.Type)
	if err != nil {
		return err
	}
	if err := m.offer(ctx, s.EBS, v.ID); err != nil {
		return err
	}
	for {
		err := plugger.Attach(ctx, string(m.id), s.disk(t, v, m.id))
		switch {
		case errors.Is(err, vmm.ErrNotFound):
			return nil
		case errors.Is(err, vmm.ErrSlotTaken):
			if v, err = s.nextSlot(ctx, m, v); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		// It may have been there before, and smaller.
		return s.tellSize(ctx, m, i, v)
	}
}

// nextSlot moves an attachment to another slot, because a guest holds on to
// the disk that was in this one.
func (s *Service) nextSlot(ctx context.Context, m *machine, v *origami.Volume) (*origami.Volume, error) {
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		all, err := tx.VolumesOf(m.region, m.id)
		if err != nil {
			return err
		}
		slot, ok := freeSlot(all, m.id, slotOf(v, m.id)+1)
		if !ok {
			return errors.New("the machine has no free slot for a disk")
		}
		v, err = tx.UpdateVolume(m.region, v.ID, func(v *origami.Volume) error {
			if a := attachment(v, m.id); a != nil {
				a.Slot = slot
			}
			return nil
		})
		return err
	})
	return v, err
}

// attachFailed gives up: what there is of the attachment is detached.
func (s *Service) attachFailed(tx *metadb.Tx, t *origami.Task, _ string) error {
	v, err := tx.UpdateVolume(t.Region, origami.VolumeID(t.Resource), func(v *origami.Volume) error {
		for n := range v.Attachments {
			if a := &v.Attachments[n]; a.State == origami.Attaching {
				a.State, a.Forced = origami.Detaching, true
			}
		}
		return nil
	})
	if isVolumeGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.queueVolume(tx, taskDetach, v)
}

// setAttachment changes the attachment of a volume to an instance, if there is
// still one.
func (s *Service) setAttachment(ctx context.Context, v *origami.Volume, id origami.InstanceID, f func(*origami.Attachment)) error {
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(v.Region, v.ID, func(v *origami.Volume) error {
			if a := attachment(v, id); a != nil {
				f(a)
			}
			return nil
		})
		return err
	})
	if isVolumeGone(err) {
		return nil
	}
	return err
}

// plugger is the monitor's ability to change the disks of running machines.
func (s *Service) plugger() (vmm.HotPlugger, error) {
	p, ok := s.VMM.(vmm.HotPlugger)
	if !ok {
		return nil, errors.New("the machine monitor cannot change the disks of running machines")
	}
	return p, nil
}

func isVolumeGone(err error) bool {
	return errors.Is(err, &origami.Error{Code: origami.CodeInvalidVolumeNotFound})
}
