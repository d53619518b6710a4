package ebs

import (
	"errors"

	"origami"
	"origami/internal/metadb"
)

// PublicAccess is what an account allows its snapshots in a region.
type PublicAccess string

// What accounts allow.
const (
	Unblocked       PublicAccess = "unblocked"
	BlockNewSharing PublicAccess = "block-new-sharing" // no snapshot becomes public
	BlockAllSharing PublicAccess = "block-all-sharing" // nor is one that is
)

// settingPublic is the name of that setting.
const settingPublic = "snapshot-block-public-access"

// PublicAccess tells what the caller's account allows.
func (s *Service) PublicAccess(tx *metadb.Tx, who origami.Caller) (PublicAccess, error) {
	value, err := tx.AccountSetting(who.Region, who.Account, settingPublic)
	if errors.Is(err, metadb.ErrNotFound) {
		return Unblocked, nil
	}
	return PublicAccess(value), err
}

// SetPublicAccess decides what the caller's account allows. Snapshots that are
// public keep their permissions, which count or do not.
func (s *Service) SetPublicAccess(tx *metadb.Tx, who origami.Caller, to PublicAccess) error {
	public, err := tx.PublicSnapshots(who.Region, who.Account)
	if err != nil {
		return err
	}
	for _, snap := range public {
		_, err := tx.UpdateSnapshot(who.Region, snap.ID, func(snap *origami.Snapshot) error {
			snap.PublicBlocked = to == BlockAllSharing
			return nil
		})
		if err != nil {
			return err
		}
	}
	return tx.PutAccountSetting(who.Region, who.Account, settingPublic, string(to))
}

// mayPublish refuses to make a snapshot public where that is blocked.
func (s *Service) mayPublish(tx *metadb.Tx, who origami.Caller, add origami.Grants) error {
	if !add.Public {
		return nil
	}
	access, err := s.PublicAccess(tx, who)
	if err == nil && access != Unblocked {
		err = origami.Errorf(origami.CodeOperationNotPermitted, "Public sharing of snapshots is blocked in this account and Region (%s).", access)
	}
	return err
}
