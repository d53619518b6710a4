package ec2server

import (
	"context"

	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// managedBy says who decides about the settings of an account.
const managedBy = "account"

// EnableImageBlockPublicAccess keeps images from being made public.
func (s *Server) EnableImageBlockPublicAccess(ctx context.Context, who origami.Caller, in *ec2api.EnableImageBlockPublicAccessInput) (*ec2api.EnableImageBlockPublicAccessOutput, error) {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.SetBlockPublicAccess(tx, who, ami.BlockNewSharing) })
	return &ec2api.EnableImageBlockPublicAccessOutput{ImageBlockPublicAccessState: text(ami.BlockNewSharing)}, err
}

// DisableImageBlockPublicAccess lets images be made public.
func (s *Server) DisableImageBlockPublicAccess(ctx context.Context, who origami.Caller, in *ec2api.DisableImageBlockPublicAccessInput) (*ec2api.DisableImageBlockPublicAccessOutput, error) {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.SetBlockPublicAccess(tx, who, ami.Unblocked) })
	return &ec2api.DisableImageBlockPublicAccessOutput{ImageBlockPublicAccessState: text(ami.Unblocked)}, err
}

// GetImageBlockPublicAccessState tells whether images can be made public.
func (s *Server) GetImageBlockPublicAccessState(ctx context.Context, who origami.Caller, in *ec2api.GetImageBlockPublicAccessStateInput) (*ec2api.GetImageBlockPublicAccessStateOutput, error) {
	out := &ec2api.GetImageBlockPublicAccessStateOutput{ManagedBy: ptr(managedBy)}
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		state, err := s.ami.BlockPublicAccess(tx, who)
		out.ImageBlockPublicAccessState = text(state)
		return err
	})
	return out, err
}
