package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
)

// DetachVolume detaches a volume from the instance that has it.
func (s *Server) DetachVolume(ctx context.Context, who origami.Caller, in *ec2api.DetachVolumeInput) (*ec2api.DetachVolumeOutput, error) {
	d := instance.Detachment{Device: deref(in.Device), Force: deref(in.Force)}
	var err error
	if d.Volume, err = origami.ParseVolumeID(deref(in.VolumeId)); err != nil {
		return nil, err
	}
	if in.InstanceId != nil {
		if d.Instance, err = origami.ParseInstanceID(*in.InstanceId); err != nil {
			return nil, err
		}
	}
	a, err := s.instances.DetachVolume(ctx, who, d)
	if err != nil {
		return nil, err
	}
	out := ec2api.DetachVolumeOutput(wireAttachment(d.Volume, *a))
	return &out, nil
}
