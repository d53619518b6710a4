package ami

import (
	"errors"

	"origami"
	"origami/internal/metadb"
)

// settingBlock is the name of the account's setting.
const settingBlock = "image-block-public-access"

// BlockState says whether an account may make images public.
type BlockState string

// The states of block public access.
const (
	Unblocked       BlockState = "unblocked"
	BlockNewSharing BlockState = "block-new-sharing"
)

// BlockPublicAccess says whether the caller's images in its region can be made
// public. New accounts may.
func (s *Service) BlockPublicAccess(tx *metadb.Tx, who origami.Caller) (BlockState, error) {
	state, err := tx.AccountSetting(who.Region, who.Account, settingBlock)
	if errors.Is(err, metadb.ErrNotFound) {
		return Unblocked, nil
	}
	return BlockState(state), err
}

// SetBlockPublicAccess lets the caller's images in its region be made public,
// or not. What is public stays so.
func (s *Service) SetBlockPublicAccess(tx *metadb.Tx, who origami.Caller, state BlockState) error {
	return tx.PutAccountSetting(who.Region, who.Account, settingBlock, string(state))
}
