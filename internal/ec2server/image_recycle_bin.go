package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// defaultBinned is how many images a page of the recycle bin has if a request
// does not say.
const defaultBinned = 1000

// maxBinnedIDs bounds the images that a request can name.
const maxBinnedIDs = 20

// ListImagesInRecycleBin lists the caller's images in the recycle bin.
func (s *Server) ListImagesInRecycleBin(ctx context.Context, who origami.Caller, in *ec2api.ListImagesInRecycleBinInput) (*ec2api.ListImagesInRecycleBinOutput, error) {
	p, err := s.page(who, "ListImagesInRecycleBin", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if p.limit == 0 {
		p.limit = defaultBinned
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, After: p.after}
	if q.IDs, err = parseImageIDs(in.ImageIds); err != nil {
		return nil, err
	}
	if len(q.IDs) > maxBinnedIDs {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "A request can name at most %d images.", maxBinnedIDs)
	}
	out := &ec2api.ListImagesInRecycleBinOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for _, id := range q.IDs {
			if _, err := s.ami.Binned(tx, who, origami.ImageID(id)); err != nil {
				return err
			}
		}
		there := func(i tagged[*origami.Image]) bool { return s.ami.InBin(i.noun) }
		found, next, err := collect(tx, who, p, tx.BinnedImages(q), func(i *origami.Image) string { return string(i.ID) }, there)
		for _, i := range found {
			out.Images = append(out.Images, ec2api.ImageRecycleBinInfo{
				ImageId: text(i.noun.ID), Name: text(i.noun.Name), Description: text(i.noun.Description),
				RecycleBinEnterTime: ptr(i.noun.Bin.Entered), RecycleBinExitTime: ptr(i.noun.Bin.Exit),
			})
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// RestoreImageFromRecycleBin makes an image in the recycle bin available again.
func (s *Server) RestoreImageFromRecycleBin(ctx context.Context, who origami.Caller, in *ec2api.RestoreImageFromRecycleBinInput) (*ec2api.RestoreImageFromRecycleBinOutput, error) {
	err := s.changeImage(ctx, in.ImageId, func(tx *metadb.Tx, id origami.ImageID) error { return s.ami.Restore(tx, who, id) })
	return &ec2api.RestoreImageFromRecycleBinOutput{Return: done()}, err
}
