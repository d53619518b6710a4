package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// ModifyVolume changes the size, type or performance of a volume.
func (s *Server) ModifyVolume(ctx context.Context, who origami.Caller, in *ec2api.ModifyVolumeInput) (*ec2api.ModifyVolumeOutput, error) {
	id, err := origami.ParseVolumeID(deref(in.VolumeId))
	if err != nil {
		return nil, err
	}
	shape, err := parseShape(in.Size, in.VolumeType, in.Iops, in.Throughput)
	if err != nil {
		return nil, err
	}
	v, err := s.instances.ModifyVolume(ctx, who, id, shape)
	if err != nil {
		return nil, err
	}
	return &ec2api.ModifyVolumeOutput{VolumeModification: ptr(wireModification(v))}, nil
}

// wireModification writes the last modification of a volume.
func wireModification(v *origami.Volume) ec2api.VolumeModification {
	m := v.Modification
	out := ec2api.VolumeModification{
		ModificationState:          text(m.State),
		OriginalMultiAttachEnabled: ptr(false),
		OriginalSize:               ptr(int32(m.Original.Size)),
		OriginalVolumeType:         text(m.Original.Type),
		Progress:                   ptr(int64(m.Progress)),
		StartTime:                  ptr(m.Started),
		StatusMessage:              text(m.StatusMessage),
		TargetMultiAttachEnabled:   ptr(false),
		TargetSize:                 ptr(int32(m.Target.Size)),
		TargetVolumeType:           text(m.Target.Type),
		VolumeId:                   text(v.ID),
	}
	if !m.Ended.IsZero() {
		out.EndTime = ptr(m.Ended)
	}
	for _, n := range []struct {
		to   **int32
		from int64
	}{
		{&out.OriginalIops, m.Original.IOPS}, {&out.TargetIops, m.Target.IOPS},
		{&out.OriginalThroughput, m.Original.Throughput}, {&out.TargetThroughput, m.Target.Throughput},
	} {
		if n.from != 0 {
			*n.to = ptr(int32(n.from))
		}
	}
	return out
}
