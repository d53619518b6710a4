package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// GetImageAncestry follows an image to the one that it goes back to.
func (s *Server) GetImageAncestry(ctx context.Context, who origami.Caller, in *ec2api.GetImageAncestryInput) (*ec2api.GetImageAncestryOutput, error) {
	id, err := origami.ParseImageID(deref(in.ImageId))
	if err != nil {
		return nil, err
	}
	out := &ec2api.GetImageAncestryOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		found, err := s.ami.Ancestry(tx, who, id)
		for _, a := range found {
			out.ImageAncestryEntries = append(out.ImageAncestryEntries, ec2api.ImageAncestryEntry{
				CreationDate: ptr(a.Created), ImageId: text(a.ID), ImageOwnerAlias: text(a.Alias),
				SourceImageId: text(a.SourceImage), SourceImageRegion: text(a.SourceImageRegion),
			})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
