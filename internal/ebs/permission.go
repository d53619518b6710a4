package ebs

import (
	"origami"
	"origami/internal/metadb"
)

// maxShared is how many accounts a snapshot may be shared with.
const maxShared = 1000

// Owned finds a snapshot that the caller may change: its own.
func (s *Service) Owned(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) (*origami.Snapshot, error) {
	snap, err := tx.Snapshot(who.Region, who.Account, id)
	if err != nil {
		return nil, err
	}
	if snap.Owner != who.Account {
		return nil, origami.Errorf(origami.CodeAuthFailure, "Not authorized for snapshot:%s", id)
	}
	return snap, nil
}

// Share changes who may make volumes from a snapshot of the caller's: add is
// granted, then remove taken away. Encrypted snapshots cannot be public.
func (s *Service) Share(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID, add, remove origami.Grants) error {
	snap, err := s.Owned(tx, who, id)
	if err != nil {
		return err
	}
	if !add.Empty() && snap.Tier() != origami.TierStandard {
		return origami.Errorf(origami.CodeIncorrectState, "Snapshot '%s' is archived and cannot be shared.", id)
	}
	if err := s.mayPublish(tx, who, add); err != nil {
		return err
	}
	managed, err := s.ManagedKey(tx, snap)
	if err != nil {
		return err
	}
	_, err = tx.UpdateSnapshot(who.Region, id, func(snap *origami.Snapshot) error {
		old := origami.Grants{Public: snap.Public, Accounts: snap.SharedWith}
		grants := old.Change(add, remove)
		if grants.Public && snap.Encrypted {
			return origami.Errorf(origami.CodeOperationNotPermitted, "Encrypted snapshots cannot be shared publicly")
		}
		if managed && !add.Empty() {
			return origami.Errorf(origami.CodeOperationNotPermitted, "Encrypted snapshots with EBS default key cannot be shared")
		}
		if !add.Empty() && len(grants.Accounts) > maxShared {
			return origami.Errorf(origami.CodeResourceLimitExceeded, "A snapshot can be shared with at most %d accounts.", maxShared)
		}
		snap.Public, snap.SharedWith = grants.Public, grants.Accounts
		if add.Public || !grants.Public {
			snap.PublicBlocked = false // it may be public, or is not
		}
		return nil
	})
	return err
}

// Unshare takes away every permission to make volumes from a snapshot of the
// caller's.
func (s *Service) Unshare(tx *metadb.Tx, who origami.Caller, id origami.SnapshotID) error {
	if _, err := s.Owned(tx, who, id); err != nil {
		return err
	}
	_, err := tx.UpdateSnapshot(who.Region, id, func(snap *origami.Snapshot) error {
		snap.Public, snap.SharedWith = false, nil
		return nil
	})
	return err
}
