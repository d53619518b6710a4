package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// ResetImageAttribute takes away every launch permission of an image: no other
// attribute can be reset.
func (s *Server) ResetImageAttribute(ctx context.Context, who origami.Caller, in *ec2api.ResetImageAttributeInput) (*ec2api.ResetImageAttributeOutput, error) {
	id, err := origami.ParseImageID(deref(in.ImageId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.Unshare(tx, who, id) })
	return &ec2api.ResetImageAttributeOutput{}, err
}
