package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
)

// CreateImage makes an image of an instance.
func (s *Server) CreateImage(ctx context.Context, who origami.Caller, in *ec2api.CreateImageInput) (*ec2api.CreateImageOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	devices, err := parseMapping(in.BlockDeviceMappings)
	if err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "image", "snapshot")
	if err != nil {
		return nil, err
	}
	img, err := s.instances.CreateImage(ctx, who, instance.ImageRequest{
		Instance:     id,
		Name:         deref(in.Name),
		Description:  deref(in.Description),
		NoReboot:     deref(in.NoReboot),
		BlockDevices: devices,
		ImageTags:    tags["image"],
		SnapshotTags: tags["snapshot"],
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.CreateImageOutput{ImageId: text(img.ID)}, nil
}
