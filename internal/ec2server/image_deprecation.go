package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// EnableImageDeprecation sets the time from which an image is deprecated.
func (s *Server) EnableImageDeprecation(ctx context.Context, who origami.Caller, in *ec2api.EnableImageDeprecationInput) (*ec2api.EnableImageDeprecationOutput, error) {
	id, err := origami.ParseImageID(deref(in.ImageId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.Deprecate(tx, who, id, deref(in.DeprecateAt)) })
	return &ec2api.EnableImageDeprecationOutput{Return: done()}, err
}

// DisableImageDeprecation cancels the deprecation of an image.
func (s *Server) DisableImageDeprecation(ctx context.Context, who origami.Caller, in *ec2api.DisableImageDeprecationInput) (*ec2api.DisableImageDeprecationOutput, error) {
	id, err := origami.ParseImageID(deref(in.ImageId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.Undeprecate(tx, who, id) })
	return &ec2api.DisableImageDeprecationOutput{Return: done()}, err
}
