package ec2server

import (
	"context"

	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// RegisterImage makes an image from snapshots.
func (s *Server) RegisterImage(ctx context.Context, who origami.Caller, in *ec2api.RegisterImageInput) (*ec2api.RegisterImageOutput, error) {
	devices, err := parseMapping(in.BlockDeviceMappings)
	if err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "image")
	if err != nil {
		return nil, err
	}
	r := ami.Registration{
		Name:               deref(in.Name),
		Description:        deref(in.Description),
		Architecture:       origami.Architecture(deref(in.Architecture)),
		VirtualizationType: origami.VirtualizationType(deref(in.VirtualizationType)),
		RootDeviceName:     deref(in.RootDeviceName),
		BlockDevices:       devices,
		KernelID:           deref(in.KernelId),
		RamdiskID:          deref(in.RamdiskId),
		ENASupport:         deref(in.EnaSupport),
		SriovNetSupport:    deref(in.SriovNetSupport),
		BootMode:           origami.BootMode(deref(in.BootMode)),
		TPMSupport:         deref(in.TpmSupport),
		UEFIData:           deref(in.UefiData),
		IMDSSupport:        deref(in.ImdsSupport),
		Tags:               tags["image"],
	}
	var img *origami.Image
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		img, err = s.ami.Register(tx, who, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.RegisterImageOutput{ImageId: text(img.ID)}, nil
}
