package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// changeImage changes the image that a request names by f.
func (s *Server) changeImage(ctx context.Context, image *string, f func(*metadb.Tx, origami.ImageID) error) error {
	id, err := origami.ParseImageID(deref(image))
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *metadb.Tx) error { return f(tx, id) })
}

// DisableImage makes an image unusable and takes away its launch permissions.
func (s *Server) DisableImage(ctx context.Context, who origami.Caller, in *ec2api.DisableImageInput) (*ec2api.DisableImageOutput, error) {
	err := s.changeImage(ctx, in.ImageId, func(tx *metadb.Tx, id origami.ImageID) error { return s.ami.Disable(tx, who, id) })
	return &ec2api.DisableImageOutput{Return: done()}, err
}

// EnableImage makes a disabled image available again.
func (s *Server) EnableImage(ctx context.Context, who origami.Caller, in *ec2api.EnableImageInput) (*ec2api.EnableImageOutput, error) {
	err := s.changeImage(ctx, in.ImageId, func(tx *metadb.Tx, id origami.ImageID) error { return s.ami.Enable(tx, who, id) })
	return &ec2api.EnableImageOutput{Return: done()}, err
}

// EnableImageDeregistrationProtection keeps an image from being deregistered.
func (s *Server) EnableImageDeregistrationProtection(ctx context.Context, who origami.Caller, in *ec2api.EnableImageDeregistrationProtectionInput) (*ec2api.EnableImageDeregistrationProtectionOutput, error) {
	out := &ec2api.EnableImageDeregistrationProtectionOutput{}
	err := s.changeImage(ctx, in.ImageId, func(tx *metadb.Tx, id origami.ImageID) error {
		state, err := s.ami.Protect(tx, who, id, deref(in.WithCooldown))
		out.Return = text(state)
		return err
	})
	return out, err
}

// DisableImageDeregistrationProtection lets an image be deregistered, after its
// cooldown if it has one.
func (s *Server) DisableImageDeregistrationProtection(ctx context.Context, who origami.Caller, in *ec2api.DisableImageDeregistrationProtectionInput) (*ec2api.DisableImageDeregistrationProtectionOutput, error) {
	out := &ec2api.DisableImageDeregistrationProtectionOutput{}
	err := s.changeImage(ctx, in.ImageId, func(tx *metadb.Tx, id origami.ImageID) error {
		state, err := s.ami.Unprotect(tx, who, id)
		out.Return = text(state)
		return err
	})
	return out, err
}
