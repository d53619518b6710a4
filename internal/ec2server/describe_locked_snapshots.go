package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DescribeLockedSnapshots lists the caller's snapshots that have a lock, even
// if it has expired.
func (s *Server) DescribeLockedSnapshots(ctx context.Context, who origami.Caller, in *ec2api.DescribeLockedSnapshotsInput) (*ec2api.DescribeLockedSnapshotsOutput, error) {
	p, err := s.page(who, "DescribeLockedSnapshots", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	locks := properties[*origami.Snapshot]{
		"lock-state": func(snap *origami.Snapshot) []string { return one(snap.Lock.State(s.ebs.Now())) },
	}
	filters, err := locks.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Owners: []origami.AccountID{who.Account}, After: p.after}
	if q.IDs, err = snapshotIDs(in.SnapshotIds); err != nil {
		return nil, err
	}
	out := &ec2api.DescribeLockedSnapshotsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		out.Snapshots = nil
		for _, id := range q.IDs {
			if err := snapshotExists(tx, who, origami.SnapshotID(id)); err != nil {
				return err
			}
		}
		match := func(v tagged[*origami.Snapshot]) bool {
			return v.noun.Lock != nil && locks.match(filters, v.noun, v.tags)
		}
		found, next, err := collect(tx, who, p, tx.Snapshots(q), func(s *origami.Snapshot) string { return string(s.ID) }, match)
		for _, v := range found {
			out.Snapshots = append(out.Snapshots, s.wireLock(v.noun))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// snapshotIDs checks the shape of IDs.
func snapshotIDs(ids []string) ([]string, error) {
	for _, id := range ids {
		if _, err := origami.ParseSnapshotID(id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
