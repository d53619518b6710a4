package ec2server

import (
	"context"

	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DeregisterImage removes an image, and its snapshots if asked to.
func (s *Server) DeregisterImage(ctx context.Context, who origami.Caller, in *ec2api.DeregisterImageInput) (*ec2api.DeregisterImageOutput, error) {
	id, err := origami.ParseImageID(deref(in.ImageId))
	if err != nil {
		return nil, err
	}
	var deleted []ami.DeletedSnapshot
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		deleted, err = s.ami.Deregister(tx, who, id, deref(in.DeleteAssociatedSnapshots))
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ec2api.DeregisterImageOutput{Return: done()}
	for _, d := range deleted {
		out.DeleteSnapshotResults = append(out.DeleteSnapshotResults, ec2api.DeleteSnapshotReturnCode{
			SnapshotId: text(d.ID), ReturnCode: text(d.Result),
		})
	}
	return out, nil
}
