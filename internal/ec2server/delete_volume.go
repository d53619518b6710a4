package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DeleteVolume deletes a volume that is attached to nothing.
func (s *Server) DeleteVolume(ctx context.Context, who origami.Caller, in *ec2api.DeleteVolumeInput) (*ec2api.DeleteVolumeOutput, error) {
	id, err := origami.ParseVolumeID(deref(in.VolumeId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.DeleteVolume(tx, who, id) })
	if err != nil {
		return nil, err
	}
	return &ec2api.DeleteVolumeOutput{}, nil
}
