package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// ListVolumesInRecycleBin lists the caller's volumes in the Recycle Bin.
func (s *Server) ListVolumesInRecycleBin(ctx context.Context, who origami.Caller, in *ec2api.ListVolumesInRecycleBinInput) (*ec2api.ListVolumesInRecycleBinOutput, error) {
	p, err := s.page(who, "ListVolumesInRecycleBin", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	ids, err := parseVolumeIDs(in.VolumeIds)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, IDs: ids, After: p.after, Expect: p.expect()}
	out := &ec2api.ListVolumesInRecycleBinOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.Volumes = nil
		for _, id := range ids {
			if _, err := tx.RecycledVolume(who.Region, who.Account, origami.VolumeID(id)); err != nil {
				return err
			}
		}
		all := func(tagged[*origami.Volume]) bool { return true }
		found, next, err := collect(tx, who, p, tx.RecycledVolumes(q), func(v *origami.Volume) string { return string(v.ID) }, all)
		for _, v := range found {
			out.Volumes = append(out.Volumes, wireRecycledVolume(v.noun))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// wireRecycledVolume writes what is shown of a volume in the Recycle Bin.
func wireRecycledVolume(v *origami.Volume) ec2api.VolumeRecycleBinInfo {
	w := wireVolume(v, nil)
	return ec2api.VolumeRecycleBinInfo{
		AvailabilityZone: w.AvailabilityZone, AvailabilityZoneId: w.AvailabilityZoneId, CreateTime: w.CreateTime,
		Iops: w.Iops, RecycleBinEnterTime: instant(v.Bin.Entered), RecycleBinExitTime: instant(v.Bin.Exit), Size: w.Size,
		SnapshotId: w.SnapshotId, SourceVolumeId: w.SourceVolumeId, State: w.State, Throughput: w.Throughput, VolumeId: w.VolumeId, VolumeType: w.VolumeType,
	}
}

// RestoreVolumeFromRecycleBin takes a volume out of the Recycle Bin.
func (s *Server) RestoreVolumeFromRecycleBin(ctx context.Context, who origami.Caller, in *ec2api.RestoreVolumeFromRecycleBinInput) (*ec2api.RestoreVolumeFromRecycleBinOutput, error) {
	id, err := origami.ParseVolumeID(deref(in.VolumeId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ebs.RestoreVolume(tx, who, id) })
	if err != nil {
		return nil, err
	}
	return &ec2api.RestoreVolumeFromRecycleBinOutput{Return: done()}, nil
}
