package instance

import (
	"context"
	"sync"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/vmm"
)

// purgeEvery is how often terminated instances are looked for.
const purgeEvery = time.Minute

// Serve follows what the monitor reports until ctx ends.
func (s *Service) Serve(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ticker := time.NewTicker(purgeEvery)
	defer ticker.Stop()
	asked := make(map[string]bool) // guests that powered themselves off
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := s.purge(ctx); err != nil && ctx.Err() == nil {
				s.Log.Error("purge terminated instances", "err", err)
			}
		case e, ok := <-s.VMM.Events():
			if !ok {
				return nil
			}
			switch e.Kind {
			case vmm.GuestShutdown:
				asked[e.ID] = true
			case vmm.Stopped:
				byGuest := asked[e.ID]
				delete(asked, e.ID)
				// Noted at once, in the order of the reports.
				if m := s.known(e.ID); m != nil {
					s.ended(m)
					wg.Go(func() { s.machineStopped(ctx, m, e.Reason, byGuest) })
				}
			}
		}
	}
}

// known returns the entry of a machine, or nil.
func (s *Service) known(id string) *machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machines[origami.InstanceID(id)]
}

// machineStopped follows the end of a machine: somebody may be waiting for it,
// and if nobody asked for it the instance's row must learn of it.
func (s *Service) machineStopped(ctx context.Context, m *machine, reason string, byGuest bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.restarting || s.running(m) != nil {
		return // somebody started it again, or is about to
	}
	if err := s.follow(ctx, m, reason, byGuest); err != nil && ctx.Err() == nil {
		s.Log.Error("follow the end of a machine", "instance", m.id, "err", err)
	}
}

// follow makes the row of an instance whose machine ended unasked say so. The
// machine's lock is held.
func (s *Service) follow(ctx context.Context, m *machine, reason string, byGuest bool) error {
	i, err := s.instance(ctx, m.region, m.id)
	if err != nil || i.State != origami.InstanceRunning {
		return err
	}
	m.detach(s.Log)
	s.discardStores(i)
	s.Log.Info("machine ended", "instance", m.id, "by_guest", byGuest, "reason", reason)
	why := &origami.StateReason{Code: "Server.InternalError", Message: "Server.InternalError: The machine ended unexpectedly: " + reason}
	if byGuest {
		why = &origami.StateReason{Code: "Client.InstanceInitiatedShutdown", Message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown"}
	}
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateInstance(m.region, m.id, func(row *origami.Instance) error {
			if row.State != origami.InstanceRunning {
				return nil
			}
			row.StateReason, row.TransitionReason = why, why.Code
			if byGuest && (row.ShutdownBehavior == "terminate" || row.RootDeviceType == rootInstanceStore) {
				row.State = origami.InstanceShuttingDown
				return s.queue(tx, taskTerminate, row, forcing)
			}
			s.stopped(row)
			return nil
		})
		return err
	})
}
