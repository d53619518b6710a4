package instance

import (
	"bytes"
	"context"
	"errors"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

const (
	// terminateGrace is how long a guest may take to write back what belongs
	// on volumes that outlive it.
	terminateGrace = 30 * time.Second
	// visible is how long a terminated instance is still described.
	visible = time.Hour
)

// Terminate ends instances of the caller's for good, whatever their state.
// Their volumes are deleted or become available, as each attachment says.
// Terminating again succeeds. A guest whose volumes outlive it is asked to shut
// down first, unless force says otherwise.
func (s *Service) Terminate(ctx context.Context, who origami.Caller, ids []origami.InstanceID, force bool) ([]Change, error) {
	return s.change(ctx, who, ids, func(tx *metadb.Tx, i *origami.Instance) error {
		switch i.State {
		case origami.InstanceShuttingDown, origami.InstanceTerminated:
			return nil
		}
		if i.DisableTermination {
			return origami.Errorf(origami.CodeOperationNotPermitted,
				"The instance '%s' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.", i.ID)
		}
		i.State = origami.InstanceShuttingDown
		userInitiated(i, s.Now())
		var payload []byte
		if force {
			payload = forcing
		}
		return s.queue(tx, taskTerminate, i, payload)
	})
}

// runTerminate ends the machine of an instance and releases its volumes.
func (s *Service) runTerminate(ctx context.Context, run *task.Run) error {
	id := origami.InstanceID(run.Task.Resource)
	i, err := s.instance(ctx, run.Task.Region, id)
	if err != nil {
		if isNotFound(err) {
			return nil // purged
		}
		return task.Retry(err)
	}
	if i.State != origami.InstanceShuttingDown {
		return nil
	}
	return task.Retry(s.finish(ctx, s.machine(i.Region, id), i, bytes.Equal(run.Task.Payload, forcing)))
}

// finish ends an instance that is shutting down.
func (s *Service) finish(ctx context.Context, m *machine, i *origami.Instance, force bool) error {
	vols, err := s.volumesOf(ctx, i)
	if err != nil {
		return err
	}
	grace := time.Duration(0)
	for _, v := range vols {
		if a := attachment(v, i.ID); a != nil && !a.DeleteOnTermination && !force {
			grace = min(s.Grace, terminateGrace)
		}
	}
	if grace == 0 {
		if err := s.cutShort(ctx, m, origami.InstanceShuttingDown); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := s.halt(ctx, m, grace); err != nil {
		return err
	}
	if err := s.eraseStores(i); err != nil {
		return err
	}
	err = s.DB.Update(ctx, func(tx *metadb.Tx) error {
		i, err := tx.UpdateInstance(m.region, m.id, func(i *origami.Instance) error {
			if i.State == origami.InstanceShuttingDown {
				s.terminated(i)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return s.releaseVolumes(tx, i, s.EBS.DropVolume)
	})
	if err != nil {
		return err
	}
	s.forget(m)
	return nil
}

// releaseVolumes deletes, by drop, or frees the volumes of a terminated instance,
// frees its elastic address, and forgets the tags of its network interface. The
// Recycle Bin keeps volumes of instances that ran, and not of launches that
// failed.
func (s *Service) releaseVolumes(tx *metadb.Tx, i *origami.Instance, drop func(*metadb.Tx, *origami.Volume) error) error {
	if err := tx.DropTags(i.Region, string(i.NetworkInterface)); err != nil {
		return err
	}
	if err := s.releaseAddresses(tx, i); err != nil {
		return err
	}
	vols, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return err
	}
	for _, v := range vols {
		if a := attachment(v, i.ID); a.DeleteOnTermination {
			if err := drop(tx, v); err != nil {
				return err
			}
			continue
		}
		_, err := tx.UpdateVolume(v.Region, v.ID, func(v *origami.Volume) error {
			v.Attachments = nil
			v.State = origami.VolumeAvailable
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// purge removes terminated instances that have been shown long enough, with
// their console output.
func (s *Service) purge(ctx context.Context) error {
	var old []*origami.Instance
	err := s.DB.View(ctx, func(tx *metadb.Tx) error {
		for i, err := range tx.AllInstances() {
			if err != nil {
				return err
			}
			if i.State == origami.InstanceTerminated && s.Now().Sub(i.Terminated) >= visible {
				old = append(old, i)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range old {
		errs = append(errs, s.purgeInstance(ctx, i))
	}
	return errors.Join(errs...)
}

// purgeInstance removes a terminated instance. Its machine has ended long ago,
// unless its start could not be followed to the end.
func (s *Service) purgeInstance(ctx context.Context, i *origami.Instance) error {
	if err := s.VMM.Kill(ctx, string(i.ID)); err != nil {
		return err
	}
	if err := s.VMM.Remove(ctx, string(i.ID)); err != nil {
		return err
	}
	if err := s.DB.Update(ctx, func(tx *metadb.Tx) error { return tx.DeleteInstance(i.Region, i.ID) }); err != nil {
		return err
	}
	if m := s.known(string(i.ID)); m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.detach(s.Log)
		s.forget(m)
	}
	return nil
}
