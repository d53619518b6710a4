package instance

import (
	"context"
	"fmt"

	"origami"
	"origami/internal/metadb"
)

// Recover finds the machines of an earlier process again. It is called once,
// before the queue and [Service.Serve] run.
//
// A machine that still runs gets its disks and its network back. An instance
// that should run and does not is stopped, with a reason, unless queued work
// is about to start it. A machine that nobody knows is ended.
func (s *Service) Recover(ctx context.Context) error {
	ids, err := s.VMM.Recover(ctx)
	if err != nil {
		return fmt.Errorf("recover machines: %w", err)
	}
	alive := make(map[origami.InstanceID]bool, len(ids))
	for _, id := range ids {
		alive[origami.InstanceID(id)] = true
	}
	var all []*origami.Instance
	busy := make(map[origami.InstanceID]bool)
	err = s.DB.View(ctx, func(tx *metadb.Tx) error {
		for i, err := range tx.AllInstances() {
			if err != nil {
				return err
			}
			all = append(all, i)
		}
		return s.busy(tx, busy)
	})
	if err != nil {
		return err
	}
	for _, i := range all {
		if err := s.recoverInstance(ctx, i, alive[i.ID], busy[i.ID]); err != nil {
			return fmt.Errorf("recover %s: %w", i.ID, err)
		}
		delete(alive, i.ID)
	}
	for id := range alive {
		s.Log.Warn("ending a machine that no instance owns", "machine", id)
		if err := s.VMM.Kill(ctx, string(id)); err != nil {
			return err
		}
	}
	return nil
}

// busy notes the instances that unfinished tasks will look after.
func (s *Service) busy(tx *metadb.Tx, busy map[origami.InstanceID]bool) error {
	for t, err := range tx.UnfinishedTasks() {
		if err != nil {
			return err
		}
		switch t.Kind {
		case taskReboot:
			busy[origami.InstanceID(t.Resource)] = true
		case taskImage:
			img, err := tx.Image(t.Region, metadb.System, origami.ImageID(t.Resource))
			if err != nil {
				return err
			}
			busy[img.SourceInstance] = true
		}
	}
	return nil
}

func (s *Service) recoverInstance(ctx context.Context, i *origami.Instance, alive, busy bool) error {
	m := s.machine(i.Region, i.ID)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch i.State {
	case origami.InstanceTerminated, origami.InstanceStopped:
		s.forget(m)
		if alive {
			return s.VMM.Kill(ctx, string(i.ID))
		}
		return nil
	}
	if alive {
		s.began(m)
		vols, err := s.volumesOf(ctx, i)
		if err != nil {
			return err
		}
		err = s.attach(ctx, m, i, vols)
		if err == nil {
			return nil
		}
		// Without its disks the machine is of no use. Its end is reported,
		// and the instance's row follows.
		s.Log.Error("give a machine its disks back", "instance", i.ID, "err", err)
		return s.VMM.Kill(ctx, string(i.ID))
	}
	if i.State == origami.InstanceRunning && !busy {
		return s.follow(ctx, m, "it was gone when the service started", false)
	}
	return nil
}
