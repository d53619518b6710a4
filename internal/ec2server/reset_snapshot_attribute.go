package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// ResetSnapshotAttribute takes away every permission to make volumes from a
// snapshot: no other attribute can be reset.
func (s *Server) ResetSnapshotAttribute(ctx context.Context, who origami.Caller, in *ec2api.ResetSnapshotAttributeInput) (*ec2api.ResetSnapshotAttributeOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.Unshare(tx, who, id) })
	return &ec2api.ResetSnapshotAttributeOutput{}, err
}
