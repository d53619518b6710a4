package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// ListSnapshotsInRecycleBin lists the caller's snapshots in the Recycle Bin.
func (s *Server) ListSnapshotsInRecycleBin(ctx context.Context, who origami.Caller, in *ec2api.ListSnapshotsInRecycleBinInput) (*ec2api.ListSnapshotsInRecycleBinOutput, error) {
	p, err := s.page(who, "ListSnapshotsInRecycleBin", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	ids, err := snapshotIDs(in.SnapshotIds)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, IDs: ids, After: p.after, Expect: p.expect()}
	out := &ec2api.ListSnapshotsInRecycleBinOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.Snapshots = nil
		for _, id := range ids {
			if _, err := tx.RecycledSnapshot(who.Region, who.Account, origami.SnapshotID(id)); err != nil {
				return err
			}
		}
		all := func(tagged[*origami.Snapshot]) bool { return true }
		found, next, err := collect(tx, who, p, tx.RecycledSnapshots(q), func(s *origami.Snapshot) string { return string(s.ID) }, all)
		for _, f := range found {
			snap := f.noun
			out.Snapshots = append(out.Snapshots, ec2api.SnapshotRecycleBinInfo{
				Description: ptr(snap.Description), RecycleBinEnterTime: instant(snap.Bin.Entered), RecycleBinExitTime: instant(snap.Bin.Exit),
				SnapshotId: text(snap.ID), VolumeId: text(snap.Volume),
			})
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// RestoreSnapshotFromRecycleBin takes a snapshot out of the Recycle Bin.
func (s *Server) RestoreSnapshotFromRecycleBin(ctx context.Context, who origami.Caller, in *ec2api.RestoreSnapshotFromRecycleBinInput) (*ec2api.RestoreSnapshotFromRecycleBinOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	var snap *origami.Snapshot
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = s.ebs.RestoreSnapshot(tx, who, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	w := wireSnapshot(snap, nil)
	return &ec2api.RestoreSnapshotFromRecycleBinOutput{
		Description: w.Description, Encrypted: w.Encrypted, OwnerId: w.OwnerId, Progress: w.Progress, SnapshotId: w.SnapshotId,
		StartTime: w.StartTime, State: w.State, VolumeId: w.VolumeId, VolumeSize: w.VolumeSize,
	}, nil
}
