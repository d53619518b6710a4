package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// CancelImageLaunchPermission takes away the caller's own permission to launch
// another account's image.
func (s *Server) CancelImageLaunchPermission(ctx context.Context, who origami.Caller, in *ec2api.CancelImageLaunchPermissionInput) (*ec2api.CancelImageLaunchPermissionOutput, error) {
	err := s.changeImage(ctx, in.ImageId, func(tx *metadb.Tx, id origami.ImageID) error { return s.ami.Leave(tx, who, id) })
	return &ec2api.CancelImageLaunchPermissionOutput{Return: done()}, err
}
