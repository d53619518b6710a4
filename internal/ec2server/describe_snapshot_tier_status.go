package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// tierProperties are the filters of DescribeSnapshotTierStatus.
var tierProperties = properties[*origami.Snapshot]{
	"snapshot-id":            func(s *origami.Snapshot) []string { return one(s.ID) },
	"volume-id":              func(s *origami.Snapshot) []string { return one(s.Volume) },
	"last-tiering-operation": lastTiering,
}

// DescribeSnapshotTierStatus tells where the caller's snapshots are stored.
func (s *Server) DescribeSnapshotTierStatus(ctx context.Context, who origami.Caller, in *ec2api.DescribeSnapshotTierStatusInput) (*ec2api.DescribeSnapshotTierStatusOutput, error) {
	p, err := s.page(who, "DescribeSnapshotTierStatus", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := tierProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Owners: []origami.AccountID{who.Account}, Filters: filters, After: p.after}
	out := &ec2api.DescribeSnapshotTierStatusOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.SnapshotTierStatuses = nil
		match := func(v tagged[*origami.Snapshot]) bool { return tierProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, tx.Snapshots(q), func(s *origami.Snapshot) string { return string(s.ID) }, match)
		for _, v := range found {
			out.SnapshotTierStatuses = append(out.SnapshotTierStatuses, wireTier(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// wireTier writes where a snapshot is stored, and its last move.
func wireTier(s *origami.Snapshot, tags origami.Tags) ec2api.SnapshotTierStatus {
	out := ec2api.SnapshotTierStatus{
		OwnerId: text(s.Owner), SnapshotId: text(s.ID), Status: text(s.State), StorageTier: text(storageTier(s)),
		Tags: wireTags(tags), VolumeId: text(s.Volume),
	}
	if t := s.Tiering; t != nil {
		out.ArchivalCompleteTime = instant(t.Stored)
		out.LastTieringOperationStatus, out.LastTieringOperationStatusDetail = text(t.Status), text(t.Detail)
		out.LastTieringProgress, out.LastTieringStartTime = ptr(int32(t.Progress)), instant(t.Started)
		out.RestoreExpiryTime = instant(t.Expires)
	}
	return out
}

// storageTier is the tier of a snapshot as answers have it: one that is restored
// for a time is still archived.
func storageTier(s *origami.Snapshot) origami.StorageTier {
	if s.Tiering != nil && s.Tiering.Archived {
		return origami.TierArchive
	}
	return origami.TierStandard
}

// lastTiering is the state of a snapshot's last move between tiers.
func lastTiering(s *origami.Snapshot) []string {
	if s.Tiering == nil {
		return nil
	}
	return one(s.Tiering.Status)
}
