package instance

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"origami"
	"origami/internal/metadb"
	"origami/internal/task"
)

// forcing is the payload of a stop task that does not ask the guest.
var forcing = []byte("force")

// Stop shuts running instances of the caller's down; force powers them off
// instead. Those that are stopped, or about to be, stay as they are. Their
// volumes, addresses in the network and data stay; public addresses go.
func (s *Service) Stop(ctx context.Context, who origami.Caller, ids []origami.InstanceID, force bool) ([]Change, error) {
	return s.change(ctx, who, ids, func(tx *metadb.Tx, i *origami.Instance) error {
		if i.RootDeviceType == rootInstanceStore {
			return origami.Errorf(origami.CodeUnsupportedOperation, "The instance '%s' does not have an 'ebs' root device type and cannot be stopped.", i.ID)
		}
		switch i.State {
		case origami.InstanceStopped:
			return nil
		case origami.InstanceStopping:
			if !force {
				return nil
			}
		case origami.InstanceRunning:
		default:
			return wrongState(i, "stopped")
		}
		if i.DisableStop {
			return origami.Errorf(origami.CodeOperationNotPermitted,
				"The instance '%s' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.", i.ID)
		}
		i.State = origami.InstanceStopping
		userInitiated(i, s.Now())
		var payload []byte
		if force {
			payload = forcing
		}
		return s.queue(tx, taskStop, i, payload)
	})
}

// runStop makes a stopping instance stopped.
func (s *Service) runStop(ctx context.Context, run *task.Run) error {
	id := origami.InstanceID(run.Task.Resource)
	m := s.machine(run.Task.Region, id)
	grace := s.Grace
	if bytes.Equal(run.Task.Payload, forcing) {
		grace = 0
		if err := s.cutShort(ctx, m, origami.InstanceStopping); err != nil {
			return task.Retry(err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := s.instance(ctx, m.region, id)
	if err != nil {
		return err
	}
	if i.State != origami.InstanceStopping {
		return nil
	}
	run.Progress(0, "waiting for the guest to shut down")
	if _, err := s.halt(ctx, m, grace); err != nil {
		return task.Retry(err)
	}
	if err := s.eraseStores(i); err != nil {
		return task.Retry(err)
	}
	return task.Retry(s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateInstance(m.region, id, func(i *origami.Instance) error {
			if i.State == origami.InstanceStopping {
				s.stopped(i)
			}
			return nil
		})
		return err
	}))
}

// cutShort powers off the machine of an instance in the given state without
// the machine's lock: another task may hold it, waiting for the guest. Its run
// ends, and so does the wait.
func (s *Service) cutShort(ctx context.Context, m *machine, state origami.InstanceState) error {
	i, err := s.instance(ctx, m.region, m.id)
	if err != nil || i.State != state || s.running(m) == nil {
		return err
	}
	return s.VMM.Kill(ctx, string(m.id))
}

// Reboot restarts running instances of the caller's: the guest is asked to
// shut down and started again, and reset when it does not obey.
func (s *Service) Reboot(ctx context.Context, who origami.Caller, ids []origami.InstanceID) error {
	_, err := s.change(ctx, who, ids, func(tx *metadb.Tx, i *origami.Instance) error {
		if i.State != origami.InstanceRunning {
			return wrongState(i, "rebooted")
		}
		return s.queue(tx, taskReboot, i, nil)
	})
	return err
}

// runReboot restarts a running instance. When it is run again after a crash it
// starts a machine that was down at that moment.
func (s *Service) runReboot(ctx context.Context, run *task.Run) error {
	id := origami.InstanceID(run.Task.Resource)
	m := s.machine(run.Task.Region, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := s.instance(ctx, m.region, id)
	if err != nil {
		return err
	}
	if i.State != origami.InstanceRunning {
		return nil
	}
	run.Progress(0, "waiting for the guest to shut down")
	if _, err := s.halt(ctx, m, s.Grace); err != nil {
		return err
	}
	run.Progress(50, "starting the guest")
	return s.bootAgain(ctx, m)
}

// bootAgain starts the machine of an instance whose row says that it runs. If
// that fails the row says that it is stopped, and why. The machine's lock is
// held.
func (s *Service) bootAgain(ctx context.Context, m *machine) error {
	m.restarting = false
	i, err := s.instance(ctx, m.region, m.id)
	if err != nil || i.State != origami.InstanceRunning || s.running(m) != nil {
		return err
	}
	bootErr := s.boot(ctx, m, i)
	if bootErr == nil || ctx.Err() != nil {
		return bootErr
	}
	s.discardStores(i)
	err = s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateInstance(m.region, m.id, func(i *origami.Instance) error {
			if i.State == origami.InstanceRunning {
				s.stopped(i)
				i.StateReason = &origami.StateReason{Code: "Server.InternalError", Message: "Server.InternalError: " + bootErr.Error()}
				i.TransitionReason = "Server.InternalError"
			}
			return nil
		})
		return err
	})
	return errors.Join(bootErr, err)
}

// missingInstances is the error that names instances which do not exist.
func missingInstances(ids []string) error {
	switch len(ids) {
	case 0:
		return nil
	case 1:
		return origami.NotFound(origami.InstanceID(ids[0]))
	}
	return origami.Errorf(origami.CodeInvalidInstanceIDNotFound, "The instance IDs '%s' do not exist", strings.Join(ids, ", "))
}

func isNotFound(err error) bool {
	return errors.Is(err, &origami.Error{Code: origami.CodeInvalidInstanceIDNotFound})
}
