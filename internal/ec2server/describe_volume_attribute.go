package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DescribeVolumeAttribute shows one attribute of a volume.
func (s *Server) DescribeVolumeAttribute(ctx context.Context, who origami.Caller, in *ec2api.DescribeVolumeAttributeInput) (*ec2api.DescribeVolumeAttributeOutput, error) {
	v, err := s.volume(ctx, who, in.VolumeId)
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeVolumeAttributeOutput{VolumeId: text(v.ID)}
	switch deref(in.Attribute) {
	case "autoEnableIO":
		out.AutoEnableIO = &ec2api.AttributeBooleanValue{Value: ptr(v.AutoEnableIO)}
	case "productCodes":
		out.ProductCodes = []ec2api.ProductCode{}
	}
	return out, nil
}

// volume reads a volume of the caller's.
func (s *Server) volume(ctx context.Context, who origami.Caller, id *string) (*origami.Volume, error) {
	parsed, err := origami.ParseVolumeID(deref(id))
	if err != nil {
		return nil, err
	}
	var v *origami.Volume
	err = s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		v, err = tx.Volume(who.Region, who.Account, parsed)
		return err
	})
	return v, err
}
