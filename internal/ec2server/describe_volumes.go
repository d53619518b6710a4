package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DescribeVolumes lists the caller's volumes.
func (s *Server) DescribeVolumes(ctx context.Context, who origami.Caller, in *ec2api.DescribeVolumesInput) (*ec2api.DescribeVolumesOutput, error) {
	if in.MaxResults != nil && len(in.VolumeIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter volumeSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeVolumes", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := volumeProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
	for _, id := range in.VolumeIds {
		if _, err := origami.ParseVolumeID(id); err != nil {
			return nil, err
		}
		q.IDs = append(q.IDs, id)
	}
	out := &ec2api.DescribeVolumesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for _, id := range q.IDs {
			if _, err := tx.Volume(who.Region, who.Account, origami.VolumeID(id)); err != nil {
				return err
			}
		}
		match := func(v tagged[*origami.Volume]) bool { return volumeProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, tx.Volumes(q), func(v *origami.Volume) string { return string(v.ID) }, match)
		for _, v := range found {
			out.Volumes = append(out.Volumes, wireVolume(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}
