package ec2server

import (
	"context"

	"origami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
)

// CopyVolumes makes a copy of a volume in its zone.
func (s *Server) CopyVolumes(ctx context.Context, who origami.Caller, in *ec2api.CopyVolumesInput) (*ec2api.CopyVolumesOutput, error) {
	shape, err := parseShape(in.Size, in.VolumeType, in.Iops, in.Throughput)
	if err != nil {
		return nil, err
	}
	r := ebs.VolumeCopyRequest{
		Shape: shape, Encryption: ebs.Encryption{Encrypted: in.Encrypted, Key: deref(in.KmsKeyId)},
		ClientToken: deref(in.ClientToken), Fingerprint: fingerprint(in),
	}
	if r.Source, err = origami.ParseVolumeID(deref(in.SourceVolumeId)); err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "volume")
	if err != nil {
		return nil, err
	}
	r.Tags = tags["volume"]
	v, err := s.ebs.CopyVolume(ctx, who, r)
	if err != nil {
		return nil, err
	}
	return &ec2api.CopyVolumesOutput{Volumes: []ec2api.Volume{wireVolume(v, r.Tags)}}, nil
}
