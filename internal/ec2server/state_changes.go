package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
)

// StartInstances starts stopped instances.
func (s *Server) StartInstances(ctx context.Context, who origami.Caller, in *ec2api.StartInstancesInput) (*ec2api.StartInstancesOutput, error) {
	ids, err := parseInstanceIDs(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	changes, err := s.instances.Start(ctx, who, ids)
	return &ec2api.StartInstancesOutput{StartingInstances: wireChanges(changes)}, err
}

// StopInstances stops running instances.
func (s *Server) StopInstances(ctx context.Context, who origami.Caller, in *ec2api.StopInstancesInput) (*ec2api.StopInstancesOutput, error) {
	ids, err := parseInstanceIDs(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	changes, err := s.instances.Stop(ctx, who, ids, deref(in.Force) || deref(in.SkipOsShutdown))
	return &ec2api.StopInstancesOutput{StoppingInstances: wireChanges(changes)}, err
}

// RebootInstances restarts running instances.
func (s *Server) RebootInstances(ctx context.Context, who origami.Caller, in *ec2api.RebootInstancesInput) (*ec2api.RebootInstancesOutput, error) {
	ids, err := parseInstanceIDs(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	return &ec2api.RebootInstancesOutput{}, s.instances.Reboot(ctx, who, ids)
}

// TerminateInstances ends instances for good.
func (s *Server) TerminateInstances(ctx context.Context, who origami.Caller, in *ec2api.TerminateInstancesInput) (*ec2api.TerminateInstancesOutput, error) {
	ids, err := parseInstanceIDs(in.InstanceIds)
	if err != nil {
		return nil, err
	}
	changes, err := s.instances.Terminate(ctx, who, ids, deref(in.Force) || deref(in.SkipOsShutdown))
	return &ec2api.TerminateInstancesOutput{TerminatingInstances: wireChanges(changes)}, err
}

// parseInstanceIDs checks the shape of every ID. One that is given twice
// counts once.
func parseInstanceIDs(in []string) ([]origami.InstanceID, error) {
	var out []origami.InstanceID
	seen := make(map[origami.InstanceID]bool)
	for _, s := range in {
		id, err := origami.ParseInstanceID(s)
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out, nil
}

func wireChanges(changes []instance.Change) []ec2api.InstanceStateChange {
	var out []ec2api.InstanceStateChange
	for _, c := range changes {
		out = append(out, ec2api.InstanceStateChange{
			InstanceId: text(c.ID), PreviousState: wireState(c.Previous), CurrentState: wireState(c.Current),
		})
	}
	return out
}

func wireState(s origami.InstanceState) *ec2api.InstanceState {
	return &ec2api.InstanceState{Code: ptr(int32(s.Code())), Name: text(s)}
}
