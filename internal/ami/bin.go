package ami

import (
	"errors"

	"origami"
	"origami/internal/metadb"
	"origami/internal/rbin"
)

// bin moves an image that is being deregistered to the Recycle Bin, if a rule
// of its owner's keeps it, and tells whether it did. There its launch
// permissions are suspended, its name is free, and its snapshots can be deleted.
// What was never available has nothing to come back to.
func (s *Service) bin(tx *metadb.Tx, img *origami.Image) (bool, error) {
	if img.RootDeviceType != "ebs" || img.State != origami.ImageAvailable && img.State != origami.ImageDisabled {
		return false, nil
	}
	stay, err := rbin.Admit(tx, img.Region, img.Owner, origami.RetainImages, string(img.ID), s.now())
	if err != nil || stay == nil {
		return false, err
	}
	_, err = tx.UpdateImage(img.Region, img.ID, func(img *origami.Image) error {
		img.State, img.Bin = origami.ImageBinned, stay
		return nil
	})
	return err == nil, err
}

// Binned finds an image of the caller's in the Recycle Bin, or
// InvalidAMIID.NotFound. One whose stay is over is there no longer.
func (s *Service) Binned(tx *metadb.Tx, who origami.Caller, id origami.ImageID) (*origami.Image, error) {
	img, err := tx.Image(who.Region, who.Account, id)
	if err != nil {
		return nil, err
	}
	if img.Owner != who.Account || !s.InBin(img) {
		return nil, origami.NotFound(id)
	}
	return img, nil
}

// InBin reports whether an image is in the Recycle Bin and its stay is not over.
func (s *Service) InBin(img *origami.Image) bool {
	return img.State == origami.ImageBinned && img.Bin.Exit.After(s.now())
}

// Restore makes an image of the caller's in the Recycle Bin available again,
// with the launch permissions and tags that it had. All of its snapshots must
// be there and complete, and its name must be free.
func (s *Service) Restore(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	img, err := s.Binned(tx, who, id)
	if err != nil {
		return err
	}
	for _, id := range img.Snapshots() {
		snap, err := tx.Snapshot(who.Region, who.Account, id)
		if errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
			return origami.Errorf(origami.CodeInvalidSnapshotNotFound, "The image '%s' cannot be restored: restore the snapshot '%s' first.", img.ID, id)
		}
		if err != nil {
			return err
		}
		if snap.State != origami.SnapshotCompleted {
			return origami.Errorf(origami.CodeIncorrectState, "The image '%s' cannot be restored: the snapshot '%s' is not in the completed state.", img.ID, id)
		}
	}
	_, err = tx.UpdateImage(who.Region, id, func(img *origami.Image) error {
		img.State, img.Bin = origami.ImageAvailable, nil
		return nil
	})
	if err != nil {
		return err
	}
	return rbin.Release(tx, who.Region, string(id))
}
