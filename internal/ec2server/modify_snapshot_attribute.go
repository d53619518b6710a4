package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// maxGrantChanges is how many permissions of a snapshot one request may change.
const maxGrantChanges = 500

// ModifySnapshotAttribute changes who may make volumes from a snapshot: it adds
// permissions or removes some, not both.
func (s *Server) ModifySnapshotAttribute(ctx context.Context, who origami.Caller, in *ec2api.ModifySnapshotAttributeInput) (*ec2api.ModifySnapshotAttributeOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	c := change{name: "createVolumePermission", operation: in.OperationType, users: in.UserIds, groups: in.GroupNames}
	if p := in.CreateVolumePermission; p != nil {
		c.add, c.remove = volumeGrantees(p.Add), volumeGrantees(p.Remove)
	}
	add, remove, err := c.grants()
	if err != nil {
		return nil, err
	}
	if !add.Empty() && !remove.Empty() {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Permissions of a snapshot cannot be added and removed in the same request.")
	}
	if n := len(add.Accounts) + len(remove.Accounts); n > maxGrantChanges {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The request changes %d permissions. At most %d can be changed at once.", n, maxGrantChanges)
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.Share(tx, who, id, add, remove) })
	return &ec2api.ModifySnapshotAttributeOutput{}, err
}
