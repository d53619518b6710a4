package instance

import (
	"context"
	"errors"
	"fmt"

	"origami"
	"origami/internal/metadb"
	"origami/internal/vmm"
)

// Recover finds the machines of an earlier process again, and removes what it
// left of deleted volumes. It is called once, before the queue and
// [Service.Serve] run.
//
// A machine that still runs gets its disks and its network back. An instance
// that should run and does not is stopped, with a reason, unless queued work
// is about to start it. One that is on its way somewhere with no task to take
// it there gets one. A machine that nobody knows is ended.
func (s *Service) Recover(ctx context.Context) error {
	if err := s.EBS.Recover(ctx); err != nil {
		return fmt.Errorf("recover volumes: %w", err)
	}
	ids, ended, err := s.VMM.Recover(ctx)
	if err != nil {
		return fmt.Errorf("recover machines: %w", err)
	}
	alive := make(map[origami.InstanceID]bool, len(ids))
	for _, id := range ids {
		alive[origami.InstanceID(id)] = true
	}
	ends := make(map[origami.InstanceID]vmm.Ending, len(ended))
	for _, e := range ended {
		ends[origami.InstanceID(e.ID)] = e
	}
	var all []*origami.Instance
	var work promises
	err = s.DB.View(ctx, func(tx *metadb.Tx) (err error) {
		all = nil
		for i, err := range tx.AllInstances() {
			if err != nil {
				return err
			}
			all = append(all, i)
		}
		work, err = unfinished(tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, i := range all {
		if err := s.recoverInstance(ctx, i, alive[i.ID], ends, work); err != nil {
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
	return s.sweep(ctx)
}

// sweep removes what was left of instances that have ended by now.
func (s *Service) sweep(ctx context.Context) error {
	var all []*origami.Instance
	err := s.DB.View(ctx, func(tx *metadb.Tx) error {
		all = nil
		for i, err := range tx.AllInstances() {
			if err != nil {
				return err
			}
			all = append(all, i)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.sweepStores(all); err != nil {
		return fmt.Errorf("sweep instance stores: %w", err)
	}
	return nil
}

// promises tells what unfinished tasks will do to instances, by kind.
type promises map[promise]bool

type promise struct {
	kind string
	id   origami.InstanceID
}

// unfinished reads the unfinished tasks.
func unfinished(tx *metadb.Tx) (promises, error) {
	work := make(promises)
	for t, err := range tx.UnfinishedTasks() {
		if err != nil {
			return nil, err
		}
		id := origami.InstanceID(t.Resource)
		if t.Kind == taskImage {
			img, err := tx.Image(t.Region, metadb.System, origami.ImageID(t.Resource))
			if errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) {
				continue
			}
			if err != nil {
				return nil, err
			}
			id = img.SourceInstance
		}
		work[promise{t.Kind, id}] = true
	}
	return work, nil
}

// recoverInstance makes what is known of one machine fit its instance.
func (s *Service) recoverInstance(ctx context.Context, i *origami.Instance, alive bool, ends map[origami.InstanceID]vmm.Ending, work promises) error {
	m := s.machine(i.Region, i.ID)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch i.State {
	case origami.InstanceTerminated:
		s.forget(m)
		fallthrough
	case origami.InstanceStopped:
		if alive {
			return s.VMM.Kill(ctx, string(i.ID))
		}
		return nil
	}
	m.restarting = work[promise{taskReboot, i.ID}] || work[promise{taskImage, i.ID}] || work[promise{taskReplaceRoot, i.ID}]
	if alive {
		if err := s.adopt(ctx, m, i); err != nil {
			return err
		}
	} else if i.State == origami.InstanceRunning && !m.restarting {
		end, known := ends[i.ID]
		if !known {
			end.Reason = "it was gone when the service started"
		}
		return s.follow(ctx, m, end.Reason, end.ByGuest)
	}
	return s.promiseAgain(ctx, i, work)
}

// adopt gives a machine that runs its disks and its network back. The
// machine's lock is held.
func (s *Service) adopt(ctx context.Context, m *machine, i *origami.Instance) error {
	s.began(m)
	vols, err := s.volumesOf(ctx, i)
	if err != nil {
		return err
	}
	if err := s.attach(ctx, m, i, vols); err != nil {
		// Without its disks the machine is of no use. Its end is reported,
		// and the instance's row follows.
		s.Log.Error("give a machine its disks back", "instance", i.ID, "err", err)
		return s.VMM.Kill(ctx, string(i.ID))
	}
	return nil
}

// promiseAgain queues the task that takes an instance out of a passing state,
// if it has none any more.
func (s *Service) promiseAgain(ctx context.Context, i *origami.Instance, work promises) error {
	kind := map[origami.InstanceState]string{
		origami.InstancePending:      taskStart,
		origami.InstanceStopping:     taskStop,
		origami.InstanceShuttingDown: taskTerminate,
	}[i.State]
	if kind == "" || work[promise{kind, i.ID}] {
		return nil
	}
	s.Log.Warn("an instance was left halfway", "instance", i.ID, "state", i.State)
	return s.DB.Update(ctx, func(tx *metadb.Tx) error { return s.queue(tx, kind, i, nil) })
}
