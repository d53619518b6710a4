package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// modificationProperties are the filters of DescribeVolumesModifications, of
// volumes that have been modified.
var modificationProperties = properties[*origami.Volume]{
	"modification-state":         func(v *origami.Volume) []string { return one(v.Modification.State) },
	"original-iops":              func(v *origami.Volume) []string { return number(v.Modification.Original.IOPS) },
	"original-size":              func(v *origami.Volume) []string { return number(v.Modification.Original.Size) },
	"original-volume-type":       func(v *origami.Volume) []string { return one(v.Modification.Original.Type) },
	"originalMultiAttachEnabled": func(*origami.Volume) []string { return boolean(false) },
	"start-time":                 func(v *origami.Volume) []string { return timestamp(v.Modification.Started) },
	"target-iops":                func(v *origami.Volume) []string { return number(v.Modification.Target.IOPS) },
	"target-size":                func(v *origami.Volume) []string { return number(v.Modification.Target.Size) },
	"target-volume-type":         func(v *origami.Volume) []string { return one(v.Modification.Target.Type) },
	"targetMultiAttachEnabled":   func(*origami.Volume) []string { return boolean(false) },
	"volume-id":                  func(v *origami.Volume) []string { return one(v.ID) },
}

// DescribeVolumesModifications lists the last modification of each of the
// caller's volumes that had one.
func (s *Server) DescribeVolumesModifications(ctx context.Context, who origami.Caller, in *ec2api.DescribeVolumesModificationsInput) (*ec2api.DescribeVolumesModificationsOutput, error) {
	if in.MaxResults != nil && len(in.VolumeIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter volumeSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeVolumesModifications", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := modificationProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	ids, err := parseVolumeIDs(in.VolumeIds)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, IDs: ids, After: p.after, Expect: p.expect()}
	out := &ec2api.DescribeVolumesModificationsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.VolumesModifications = nil
		for _, id := range ids {
			v, err := tx.Volume(who.Region, who.Account, origami.VolumeID(id))
			if err != nil {
				return err
			}
			if v.Modification == nil {
				return origami.Errorf("InvalidVolumeModification.NotFound", "Modification for volume '%s' does not exist.", id)
			}
		}
		match := func(v tagged[*origami.Volume]) bool {
			return v.noun.Modification != nil && modificationProperties.match(filters, v.noun, v.tags)
		}
		found, next, err := collect(tx, who, p, tx.Volumes(q), func(v *origami.Volume) string { return string(v.ID) }, match)
		for _, v := range found {
			out.VolumesModifications = append(out.VolumesModifications, wireModification(v.noun))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// parseVolumeIDs checks the volume IDs of a request.
func parseVolumeIDs(in []string) ([]string, error) {
	for _, id := range in {
		if _, err := origami.ParseVolumeID(id); err != nil {
			return nil, err
		}
	}
	return in, nil
}
