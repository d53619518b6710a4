package metadb

import (
	"iter"
	"slices"

	"origami"
)

var snapshots = &table[origami.Snapshot]{
	name: "snapshots", prefix: "snap-",
	doc: documentOf[origami.Snapshot](),
	key: func(s *origami.Snapshot) (origami.Region, string, origami.AccountID) {
		return s.Region, string(s.ID), s.Owner
	},
	columns: []string{"state", "volume", "recycled"},
	values: func(s *origami.Snapshot) []any {
		return []any{string(s.State), string(s.Volume), recycled(s.Bin)}
	},
	grants: &child[origami.Snapshot]{
		name: "snapshot_grants", key: "snapshot", column: "account",
		values: func(s *origami.Snapshot) []string {
			if s.Bin != nil || s.Tier() != origami.TierStandard {
				return nil // until it is restored
			}
			return grantees(origami.Grants{Public: s.Public && !s.PublicBlocked, Accounts: s.SharedWith})
		},
	},
	live: "t.recycled = 0",
	filters: map[string]filter{
		"snapshot-id": {column: "id", selective: true},
		"volume-id":   {column: "volume", selective: true},
		"owner-id":    {column: "owner"},
		"status":      {column: "state"},
	},
}

// PutSnapshot inserts a snapshot.
func (tx *Tx) PutSnapshot(s *origami.Snapshot) error { return snapshots.put(tx, s) }

// Snapshot is the snapshot if viewer may see it: its own, a public one, or one
// shared with it; otherwise InvalidSnapshot.NotFound.
func (tx *Tx) Snapshot(region origami.Region, viewer origami.AccountID, id origami.SnapshotID) (*origami.Snapshot, error) {
	return snapshots.get(tx, region, viewer, string(id))
}

// UpdateSnapshot changes a snapshot by f, as UpdateImage does an image.
func (tx *Tx) UpdateSnapshot(region origami.Region, id origami.SnapshotID, f func(*origami.Snapshot) error) (*origami.Snapshot, error) {
	return snapshots.update(tx, region, string(id), f)
}

// DeleteSnapshot removes a snapshot. The error is InvalidSnapshot.InUse if an
// image that is not deregistered maps it.
func (tx *Tx) DeleteSnapshot(region origami.Region, id origami.SnapshotID) error {
	users, err := tx.ImagesWithSnapshot(region, id)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return origami.Errorf(origami.CodeInvalidSnapshotInUse, "The snapshot %s is currently in use by %s", id, users[0])
	}
	return snapshots.remove(tx, region, string(id))
}

// RecycledSnapshot is the owner's snapshot in the Recycle Bin, or
// InvalidSnapshot.NotFound.
func (tx *Tx) RecycledSnapshot(region origami.Region, owner origami.AccountID, id origami.SnapshotID) (*origami.Snapshot, error) {
	return recycledSnapshots.get(tx, region, owner, string(id))
}

// RecycledSnapshots yields the snapshots of q's viewer in the Recycle Bin that q
// selects, by ID.
func (tx *Tx) RecycledSnapshots(q Query) iter.Seq2[*origami.Snapshot, error] {
	return recycledSnapshots.list(tx, q)
}

// recycledSnapshots are the snapshots that others do not show.
var recycledSnapshots = inBin(snapshots)

// PublicSnapshots lists the snapshots that their owner has shared with
// everybody, blocked or not.
func (tx *Tx) PublicSnapshots(region origami.Region, owner origami.AccountID) ([]*origami.Snapshot, error) {
	all, err := snapshots.where(tx, `t.region = ? AND t.owner = ?`, string(region), string(owner))
	return slices.DeleteFunc(all, func(s *origami.Snapshot) bool { return !s.Public }), err
}

// Snapshots yields the snapshots that q selects, by ID.
func (tx *Tx) Snapshots(q Query) iter.Seq2[*origami.Snapshot, error] { return snapshots.list(tx, q) }

// AllSnapshots yields the snapshots of all accounts and regions: for recovery
// and collection of garbage, never for a request.
func (tx *Tx) AllSnapshots() iter.Seq2[*origami.Snapshot, error] { return snapshots.all(tx) }
