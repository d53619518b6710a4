package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// CreateSnapshots takes snapshots of the volumes of an instance at one instant.
func (s *Server) CreateSnapshots(ctx context.Context, who origami.Caller, in *ec2api.CreateSnapshotsInput) (*ec2api.CreateSnapshotsOutput, error) {
	spec := deref(in.InstanceSpecification)
	r := instance.SnapshotsRequest{
		ExcludeBoot: deref(spec.ExcludeBootVolume), Description: deref(in.Description),
		CopyTags: in.CopyTagsFromSource != nil, // its only value is "volume"
	}
	var err error
	if r.Instance, err = origami.ParseInstanceID(deref(spec.InstanceId)); err != nil {
		return nil, err
	}
	for _, id := range spec.ExcludeDataVolumeIds {
		v, err := origami.ParseVolumeID(id)
		if err != nil {
			return nil, err
		}
		r.Exclude = append(r.Exclude, v)
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "snapshot")
	if err != nil {
		return nil, err
	}
	r.Tags = tags["snapshot"]
	snaps, err := s.instances.CreateSnapshots(ctx, who, r)
	if err != nil {
		return nil, err
	}
	out := &ec2api.CreateSnapshotsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.Snapshots = nil
		for _, snap := range snaps {
			tags, err := tx.Tags(who.Region, who.Account, string(snap.ID))
			if err != nil {
				return err
			}
			out.Snapshots = append(out.Snapshots, wireSnapshotInfo(snap, tags[string(snap.ID)]))
		}
		return nil
	})
	return out, err
}

func wireSnapshotInfo(s *origami.Snapshot, tags origami.Tags) ec2api.SnapshotInfo {
	return ec2api.SnapshotInfo{
		Description: ptr(s.Description),
		Encrypted:   ptr(s.Encrypted),
		OwnerId:     text(s.Owner),
		Progress:    text(progress(s.Progress)),
		SnapshotId:  text(s.ID),
		StartTime:   ptr(s.Started),
		State:       text(s.State),
		Tags:        wireTags(tags),
		VolumeId:    text(s.Volume),
		VolumeSize:  ptr(int32(s.VolumeSize)),
	}
}
