package ec2server

import (
	"context"

	"origami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// EnableSnapshotBlockPublicAccess keeps snapshots of the account from becoming
// public, or from being so.
func (s *Server) EnableSnapshotBlockPublicAccess(ctx context.Context, who origami.Caller, in *ec2api.EnableSnapshotBlockPublicAccessInput) (*ec2api.EnableSnapshotBlockPublicAccessOutput, error) {
	to := ebs.PublicAccess(deref(in.State))
	if to == ebs.Unblocked {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%s) for parameter State is invalid. Use DisableSnapshotBlockPublicAccess.", to)
	}
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.SetPublicAccess(tx, who, to) })
	return &ec2api.EnableSnapshotBlockPublicAccessOutput{State: text(to)}, err
}

// DisableSnapshotBlockPublicAccess lets snapshots of the account be public.
func (s *Server) DisableSnapshotBlockPublicAccess(ctx context.Context, who origami.Caller, _ *ec2api.DisableSnapshotBlockPublicAccessInput) (*ec2api.DisableSnapshotBlockPublicAccessOutput, error) {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.SetPublicAccess(tx, who, ebs.Unblocked) })
	return &ec2api.DisableSnapshotBlockPublicAccessOutput{State: text(ebs.Unblocked)}, err
}

// GetSnapshotBlockPublicAccessState tells whether snapshots of the account may
// be public.
func (s *Server) GetSnapshotBlockPublicAccessState(ctx context.Context, who origami.Caller, _ *ec2api.GetSnapshotBlockPublicAccessStateInput) (*ec2api.GetSnapshotBlockPublicAccessStateOutput, error) {
	var state ebs.PublicAccess
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		state, err = s.ebs.PublicAccess(tx, who)
		return err
	})
	return &ec2api.GetSnapshotBlockPublicAccessStateOutput{State: text(state), ManagedBy: ptr("account")}, err
}
