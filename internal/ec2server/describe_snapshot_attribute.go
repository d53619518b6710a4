package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DescribeSnapshotAttribute tells one attribute of a snapshot of the caller's:
// who may make volumes from it, or its product codes, of which there are none.
func (s *Server) DescribeSnapshotAttribute(ctx context.Context, who origami.Caller, in *ec2api.DescribeSnapshotAttributeInput) (*ec2api.DescribeSnapshotAttributeOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	var snap *origami.Snapshot
	err = s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = s.ebs.Owned(tx, who, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeSnapshotAttributeOutput{SnapshotId: text(id)}
	if deref(in.Attribute) == "productCodes" {
		out.ProductCodes = []ec2api.ProductCode{}
		return out, nil
	}
	out.CreateVolumePermissions = []ec2api.CreateVolumePermission{}
	for _, g := range wireGrants(origami.Grants{Public: snap.Public, Accounts: snap.SharedWith}) {
		out.CreateVolumePermissions = append(out.CreateVolumePermissions, ec2api.CreateVolumePermission{UserId: g.user, Group: g.group})
	}
	return out, nil
}
