package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// AttachVolume attaches a volume to an instance.
func (s *Server) AttachVolume(ctx context.Context, who origami.Caller, in *ec2api.AttachVolumeInput) (*ec2api.AttachVolumeOutput, error) {
	volume, err := origami.ParseVolumeID(deref(in.VolumeId))
	if err != nil {
		return nil, err
	}
	instance, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	a, err := s.instances.AttachVolume(ctx, who, volume, instance, deref(in.Device))
	if err != nil {
		return nil, err
	}
	out := ec2api.AttachVolumeOutput(wireAttachment(volume, *a))
	return &out, nil
}
