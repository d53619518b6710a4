package ec2server

import (
	"context"

	"origami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
)

// CreateSnapshot takes a snapshot of a volume.
func (s *Server) CreateSnapshot(ctx context.Context, who origami.Caller, in *ec2api.CreateSnapshotInput) (*ec2api.CreateSnapshotOutput, error) {
	id, err := origami.ParseVolumeID(deref(in.VolumeId))
	if err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "snapshot")
	if err != nil {
		return nil, err
	}
	snap, err := s.ebs.CreateSnapshot(ctx, who, ebs.SnapshotSpec{
		Volume: id, Description: deref(in.Description), Tags: tags["snapshot"],
	})
	if err != nil {
		return nil, err
	}
	out := ec2api.CreateSnapshotOutput(wireSnapshot(snap, tags["snapshot"]))
	return &out, nil
}
