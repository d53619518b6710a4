package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// MonitorInstances turns detailed monitoring on.
func (s *Server) MonitorInstances(ctx context.Context, who origami.Caller, in *ec2api.MonitorInstancesInput) (*ec2api.MonitorInstancesOutput, error) {
	states, err := s.monitor(ctx, who, in.InstanceIds, true)
	return &ec2api.MonitorInstancesOutput{InstanceMonitorings: states}, err
}

// UnmonitorInstances turns detailed monitoring off.
func (s *Server) UnmonitorInstances(ctx context.Context, who origami.Caller, in *ec2api.UnmonitorInstancesInput) (*ec2api.UnmonitorInstancesOutput, error) {
	states, err := s.monitor(ctx, who, in.InstanceIds, false)
	return &ec2api.UnmonitorInstancesOutput{InstanceMonitorings: states}, err
}

// monitor answers with the states that EC2 goes through on the way.
func (s *Server) monitor(ctx context.Context, who origami.Caller, names []string, on bool) ([]ec2api.InstanceMonitoring, error) {
	ids, err := parseInstanceIDs(names)
	if err != nil {
		return nil, err
	}
	if err := s.instances.Monitor(ctx, who, ids, on); err != nil {
		return nil, err
	}
	state := "disabling"
	if on {
		state = "pending"
	}
	var out []ec2api.InstanceMonitoring
	for _, id := range ids {
		out = append(out, ec2api.InstanceMonitoring{InstanceId: text(id), Monitoring: &ec2api.Monitoring{State: ptr(state)}})
	}
	return out, nil
}
