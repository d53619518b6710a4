package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// snapshotAliases are owners that accounts of this installation cannot be.
var snapshotAliases = []string{"amazon"}

// DescribeSnapshots lists the snapshots that the caller may see.
func (s *Server) DescribeSnapshots(ctx context.Context, who origami.Caller, in *ec2api.DescribeSnapshotsInput) (*ec2api.DescribeSnapshotsOutput, error) {
	if in.MaxResults != nil && len(in.SnapshotIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter snapshotSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeSnapshots", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := snapshotProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
	for _, id := range in.SnapshotIds {
		if _, err := origami.ParseSnapshotID(id); err != nil {
			return nil, err
		}
		q.IDs = append(q.IDs, id)
	}
	if q.Owners, _, err = parseOwners(who, in.OwnerIds, snapshotAliases); err != nil {
		return nil, err
	}
	if q.ExecutableBy, err = parseGrantees(who, in.RestorableByUserIds); err != nil {
		return nil, err
	}
	nobody := len(in.OwnerIds) > 0 && len(q.Owners) == 0 // aliases that own nothing here
	out := &ec2api.DescribeSnapshotsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for _, id := range q.IDs {
			if err := snapshotExists(tx, who, origami.SnapshotID(id)); err != nil {
				return err
			}
		}
		if nobody {
			return nil
		}
		match := func(v tagged[*origami.Snapshot]) bool { return snapshotProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, tx.Snapshots(q), func(s *origami.Snapshot) string { return string(s.ID) }, match)
		for _, v := range found {
			out.Snapshots = append(out.Snapshots, wireSnapshot(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// snapshotExists refuses an ID that is nobody's. One that exists but is not
// the caller's to see is no error: the list leaves it out.
func snapshotExists(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) error {
	snap, err := tx.Snapshot(who.Region, metadb.System, id)
	if err == nil && snap.Bin != nil {
		err = origami.NotFound(id)
	}
	return err
}
