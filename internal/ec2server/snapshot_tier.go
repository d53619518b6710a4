package ec2server

import (
	"context"

	"origami"
	"origami/internal/ebs"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// ModifySnapshotTier archives a snapshot: there is no other tier to move one to.
func (s *Server) ModifySnapshotTier(ctx context.Context, who origami.Caller, in *ec2api.ModifySnapshotTierInput) (*ec2api.ModifySnapshotTierOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	if in.StorageTier == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter StorageTier")
	}
	var snap *origami.Snapshot
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = s.ebs.ArchiveSnapshot(tx, who, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.ModifySnapshotTierOutput{SnapshotId: text(id), TieringStartTime: instant(snap.Tiering.Started)}, nil
}

// RestoreSnapshotTier brings an archived snapshot back, for a time or for good.
func (s *Server) RestoreSnapshotTier(ctx context.Context, who origami.Caller, in *ec2api.RestoreSnapshotTierInput) (*ec2api.RestoreSnapshotTierOutput, error) {
	id, err := origami.ParseSnapshotID(deref(in.SnapshotId))
	if err != nil {
		return nil, err
	}
	r := ebs.RestoreRequest{Permanent: deref(in.PermanentRestore), Days: int(deref(in.TemporaryRestoreDays))}
	if in.TemporaryRestoreDays != nil {
		if err := ebs.CheckTemporaryDays(r.Days); err != nil {
			return nil, err
		}
	}
	var snap *origami.Snapshot
	err = s.db.Update(ctx, func(tx *metadb.Tx) (err error) {
		snap, err = s.ebs.UnarchiveSnapshot(tx, who, id, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ec2api.RestoreSnapshotTierOutput{
		IsPermanentRestore: ptr(r.Permanent), RestoreStartTime: instant(snap.Tiering.Started), SnapshotId: text(id),
	}
	if !r.Permanent {
		out.RestoreDuration = ptr(int32(snap.Tiering.Days))
	}
	return out, nil
}
