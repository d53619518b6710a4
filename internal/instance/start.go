package instance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"origami"
	"origami/internal/ebs"
	"origami/internal/metadb"
	"origami/internal/task"
)

// Change is what an operation did to the state of one instance.
type Change struct {
	ID       origami.InstanceID
	Previous origami.InstanceState
	Current  origami.InstanceState
}

// launching is the payload of the start task of a new instance: if it fails,
// the instance is terminated rather than stopped.
var launching = []byte("launch")

// overQuota is the payload of the start task of a new instance whose volumes
// its account may not have.
var overQuota = []byte("volume-limit")

// noKey is the payload of the start task of an instance whose starter may not
// use the key of a volume.
var noKey = []byte("no-key")

// change applies f to each of the caller's instances in one transaction: all
// change or none does. f refuses a state it cannot act on.
func (s *Service) change(ctx context.Context, who origami.Caller, ids []origami.InstanceID, f func(*metadb.Tx, *origami.Instance) error) ([]Change, error) {
	if len(ids) == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter InstanceId")
	}
	var out []Change
	err := s.DB.Update(ctx, func(tx *metadb.Tx) error {
		out = nil
		if err := s.exist(tx, who, ids); err != nil {
			return err
		}
		for _, id := range ids {
			var c Change
			_, err := tx.UpdateInstance(who.Region, id, func(i *origami.Instance) error {
				c = Change{ID: id, Previous: i.State}
				err := f(tx, i)
				c.Current = i.State
				return err
			})
			if err != nil {
				return err
			}
			out = append(out, c)
		}
		return nil
	})
	return out, err
}

// exist checks that all instances are the caller's, and names those that are
// not in one error, as EC2 does.
func (s *Service) exist(tx *metadb.Tx, who origami.Caller, ids []origami.InstanceID) error {
	var missing []string
	for _, id := range ids {
		if _, err := tx.Instance(who.Region, who.Account, id); err != nil {
			if !isNotFound(err) {
				return err
			}
			missing = append(missing, string(id))
		}
	}
	return missingInstances(missing)
}

// Start starts stopped instances of the caller's. Those that run already, or
// are about to, stay as they are.
func (s *Service) Start(ctx context.Context, who origami.Caller, ids []origami.InstanceID) ([]Change, error) {
	return s.change(ctx, who, ids, func(tx *metadb.Tx, i *origami.Instance) error {
		switch i.State {
		case origami.InstanceRunning, origami.InstancePending:
			return nil
		case origami.InstanceStopped:
		default:
			return wrongState(i, "started")
		}
		if _, err := rootVolume(tx, i); err != nil {
			return err
		}
		t, err := TypeByName(i.Type)
		if err != nil {
			return err
		}
		if err := s.Host.fits(demands(i), t); err != nil {
			return err
		}
		if _, err := s.Quotas.instances(tx, who, 1, 1); err != nil {
			return err
		}
		if _, err := s.room(tx, t, 1, 1); err != nil {
			return err
		}
		i.State = origami.InstancePending
		i.StateReason, i.TransitionReason = nil, ""
		i.Launched = s.Now().UTC()
		if i.AssociatePublicIP && i.Allocation == "" {
			if i.PublicIP, err = tx.AllocatePublicIP(s.PublicPrefix); err != nil {
				return err
			}
		}
		how, err := s.startable(tx, who, i)
		if err != nil {
			return err
		}
		return s.queue(tx, taskStart, i, how)
	})
}

// startable is the payload of the task that starts an instance: a start by who
// may not use the key of an attached volume is accepted, and fails.
func (s *Service) startable(tx *metadb.Tx, who origami.Caller, i *origami.Instance) ([]byte, error) {
	vols, err := tx.VolumesOf(i.Region, i.ID)
	if err != nil {
		return nil, err
	}
	for _, v := range vols {
		fault, err := s.EBS.MayOpen(tx, who, v)
		if err != nil {
			return nil, err
		}
		if fault == ebs.FaultAccess {
			return noKey, nil
		}
	}
	return nil, nil
}

// wrongState is the refusal of an operation that the instance's state does not
// allow.
func wrongState(i *origami.Instance, verb string) error {
	return origami.Errorf(origami.CodeIncorrectInstanceState, "The instance '%s' is not in a state from which it can be %s.", i.ID, verb)
}

// runStart makes a pending instance run.
func (s *Service) runStart(ctx context.Context, run *task.Run) error {
	id := origami.InstanceID(run.Task.Resource)
	m := s.machine(run.Task.Region, id)
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := s.instance(ctx, m.region, id)
	if err != nil {
		return err
	}
	if i.State != origami.InstancePending {
		return nil // terminated before it started
	}
	if bytes.Equal(run.Task.Payload, overQuota) {
		return errors.New("volume limit exceeded")
	}
	if bytes.Equal(run.Task.Payload, noKey) {
		return ebs.Failure(ebs.FaultAccess)
	}
	if s.running(m) == nil {
		// What a run left that nobody saw end is not for this one.
		if err := s.eraseStores(i); err != nil {
			return err
		}
		if err := s.boot(ctx, m, i); err != nil {
			s.discardStores(i)
			if fault := ebs.FaultOf(err); fault != "" {
				s.Log.Info("volume cannot be decrypted", "instance", id, "err", err)
				return ebs.Failure(fault)
			}
			return err
		}
	}
	return s.DB.Update(ctx, func(tx *metadb.Tx) error {
		_, err := tx.UpdateInstance(m.region, id, func(i *origami.Instance) error {
			if i.State == origami.InstancePending {
				i.State = origami.InstanceRunning
			}
			return nil
		})
		return err
	})
}

// startFailed ends a start that cannot succeed: a new instance is terminated,
// one that existed before is stopped.
func (s *Service) startFailed(tx *metadb.Tx, t *origami.Task, reason string) error {
	tooMany := bytes.Equal(t.Payload, overQuota)
	launch := tooMany || bytes.Equal(t.Payload, launching)
	terminated := false
	i, err := tx.UpdateInstance(t.Region, origami.InstanceID(t.Resource), func(i *origami.Instance) error {
		if i.State != origami.InstancePending {
			return nil
		}
		why := &origami.StateReason{Code: "Server.InternalError", Message: "Server.InternalError: Internal error on launch: " + reason}
		switch {
		case reason == ebs.FaultState:
			why = &origami.StateReason{Code: "Client.InvalidKMSKey.InvalidState", Message: "Client.InvalidKMSKey.InvalidState: " + ebs.FaultState}
		case reason == ebs.FaultAccess:
			why = &origami.StateReason{Code: "Client.InternalError", Message: "Client.InternalError: Client error on launch"}
		case tooMany:
			why = &origami.StateReason{Code: "Client.VolumeLimitExceeded", Message: "Client.VolumeLimitExceeded: Volume limit exceeded"}
		}
		if terminated = launch; launch {
			s.terminated(i)
		} else {
			s.stopped(i)
		}
		i.StateReason, i.TransitionReason = why, why.Code
		return nil
	})
	if err != nil || !terminated {
		return err
	}
	return s.releaseVolumes(tx, i, s.EBS.EraseVolume)
}

// stopped makes the row of an instance say that it is stopped.
func (s *Service) stopped(i *origami.Instance) {
	i.State = origami.InstanceStopped
	if i.Allocation == "" { // an elastic address stays
		i.PublicIP = netip.Addr{}
	}
}

// terminated makes the row of an instance say that it is no more.
func (s *Service) terminated(i *origami.Instance) {
	i.State = origami.InstanceTerminated
	i.Terminated = s.Now().UTC()
	i.PublicIP, i.PrivateIP, i.Allocation = netip.Addr{}, netip.Addr{}, ""
}

// userInitiated explains a state that a request brought about.
func userInitiated(i *origami.Instance, now time.Time) {
	i.StateReason = &origami.StateReason{
		Code: "Client.UserInitiatedShutdown", Message: "Client.UserInitiatedShutdown: User initiated shutdown",
	}
	i.TransitionReason = fmt.Sprintf("User initiated (%s GMT)", now.UTC().Format(time.DateTime))
}
