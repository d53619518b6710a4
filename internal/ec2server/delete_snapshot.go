package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DeleteSnapshot deletes a snapshot that no image uses.
func (s *Server) DeleteSnapshot(ctx context.Context, who origami.Caller, in *ec2api.DeleteSnapshotInput) (*ec2api.DeleteSnapshotOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.DeleteSnapshot(tx, who, id) })
	if err != nil {
		return nil, err
	}
	return &ec2api.DeleteSnapshotOutput{}, nil
}
