package ec2server

import (
	"context"
	"slices"

	"origami"
	"origami/internal/ami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// CopyImage promises a copy of an image of this or another region.
func (s *Server) CopyImage(ctx context.Context, who origami.Caller, in *ec2api.CopyImageInput) (*ec2api.CopyImageOutput, error) {
	id, err := origami.ParseImageID(deref(in.SourceImageId))
	if err != nil {
		return nil, err
	}
	region, err := s.findRegion(deref(in.SourceRegion))
	if err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "image", "snapshot")
	if err != nil {
		return nil, err
	}
	var img *origami.Image
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		img, err = s.ami.Copy(tx, who, ami.CopyRequest{
			Source: id, SourceRegion: region,
			Name: deref(in.Name), Description: deref(in.Description),
			Encryption: ebs.Encryption{Encrypted: in.Encrypted, Key: deref(in.KmsKeyId)},
			Minutes:    in.SnapshotCopyCompletionDurationMinutes,
			CopyTags:   deref(in.CopyImageTags),
			Tags:       tags["image"], SnapshotTags: tags["snapshot"],
			ClientToken: deref(in.ClientToken), Fingerprint: fingerprint(in),
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.CopyImageOutput{ImageId: text(img.ID)}, nil
}

// findRegion finds a region of this installation that a request copies from.
func (s *Server) findRegion(name string) (origami.Region, error) {
	if name == "" {
		return "", origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter sourceRegion")
	}
	if !slices.Contains(s.regions, origami.Region(name)) {
		return "", origami.Errorf(origami.CodeInvalidParameterValue, "Value (%.64s) for parameter sourceRegion is invalid. There is no such region.", name)
	}
	return origami.Region(name), nil
}
