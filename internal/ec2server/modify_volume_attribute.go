package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// ModifyVolumeAttribute sets the attribute of a volume that can be set:
// autoEnableIO.
func (s *Server) ModifyVolumeAttribute(ctx context.Context, who origami.Caller, in *ec2api.ModifyVolumeAttributeInput) (*ec2api.ModifyVolumeAttributeOutput, error) {
	id, err := origami.ParseVolumeID(deref(in.VolumeId))
	if err != nil {
		return nil, err
	}
	if in.AutoEnableIO == nil || in.AutoEnableIO.Value == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter AutoEnableIO")
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.SetAutoEnableIO(tx, who, id, *in.AutoEnableIO.Value) })
	if err != nil {
		return nil, err
	}
	return &ec2api.ModifyVolumeAttributeOutput{}, nil
}
