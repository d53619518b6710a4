package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// minParallelLaunches is the least that EnableFastLaunch can be given.
const minParallelLaunches = 6

// EnableFastLaunch is for images of Windows: others are refused.
func (s *Server) EnableFastLaunch(ctx context.Context, who origami.Caller, in *ec2api.EnableFastLaunchInput) (*ec2api.EnableFastLaunchOutput, error) {
	if t := deref(in.ResourceType); t != "" && t != "snapshot" {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%.64s) for parameter resourceType is invalid. The only valid value is snapshot.", t)
	}
	if n := in.MaxParallelLaunches; n != nil && *n < minParallelLaunches {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%d) for parameter maxParallelLaunches is invalid. It must be at least %d.", *n, minParallelLaunches)
	}
	if c := in.SnapshotConfiguration; c != nil && c.TargetResourceCount != nil && *c.TargetResourceCount < 1 {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Value (%d) for parameter targetResourceCount is invalid. It must be at least 1.", *c.TargetResourceCount)
	}
	if t := in.LaunchTemplate; t != nil {
		id, name := deref(t.LaunchTemplateId), deref(t.LaunchTemplateName)
		if (id == "") == (name == "") || deref(t.Version) == "" {
			return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "A launch template is given by its ID or its name, with a version.")
		}
		if _, err := origami.ParseLaunchTemplateID(id); id != "" && err != nil {
			return nil, err
		}
	}
	return nil, s.refuseFastLaunch(ctx, who, in.ImageId)
}

// DisableFastLaunch is for images of Windows: others are refused.
func (s *Server) DisableFastLaunch(ctx context.Context, who origami.Caller, in *ec2api.DisableFastLaunchInput) (*ec2api.DisableFastLaunchOutput, error) {
	return nil, s.refuseFastLaunch(ctx, who, in.ImageId)
}

func (s *Server) refuseFastLaunch(ctx context.Context, who origami.Caller, image *string) error {
	id, err := origami.ParseImageID(deref(image))
	if err != nil {
		return err
	}
	return s.db.View(ctx, func(tx *metadb.Tx) error { return s.ami.FastLaunch(tx, who, id) })
}

// fastLaunchProperties are the filters of DescribeFastLaunchImages.
var fastLaunchProperties = properties[*origami.Image]{
	"owner-id":      func(i *origami.Image) []string { return one(i.Owner) },
	"resource-type": func(*origami.Image) []string { return one("snapshot") },
	"state":         func(*origami.Image) []string { return nil },
}

// DescribeFastLaunchImages lists the images whose launches are prepared: none
// can be.
func (s *Server) DescribeFastLaunchImages(ctx context.Context, who origami.Caller, in *ec2api.DescribeFastLaunchImagesInput) (*ec2api.DescribeFastLaunchImagesOutput, error) {
	if _, err := s.page(who, "DescribeFastLaunchImages", in, in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	if _, err := fastLaunchProperties.parse(in.Filters); err != nil {
		return nil, err
	}
	ids, err := parseImageIDs(in.ImageIds)
	if err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		view, err := s.ami.View(tx, who)
		if err != nil {
			return err
		}
		return imagesExist(view, ids)
	})
	return &ec2api.DescribeFastLaunchImagesOutput{}, err
}
