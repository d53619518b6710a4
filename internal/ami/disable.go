package ami

import (
	"origami"
	"origami/internal/metadb"
)

// Disable makes an available image of the caller's unusable until it is
// enabled again, and takes away all of its launch permissions for good. Only
// its owner sees it then. Instances launched from it go on, and its snapshots
// stay in use.
func (s *Service) Disable(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	return s.change(tx, who, id, func(img *origami.Image) error {
		if img.State != origami.ImageAvailable {
			return wrongState(img, "disabled")
		}
		img.State = origami.ImageDisabled
		img.Grant(origami.Grants{})
		return nil
	})
}

// Enable makes a disabled image of the caller's available again. Its launch
// permissions do not come back.
func (s *Service) Enable(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	return s.change(tx, who, id, func(img *origami.Image) error {
		if img.State != origami.ImageDisabled {
			return wrongState(img, "enabled")
		}
		img.State = origami.ImageAvailable
		return nil
	})
}

func wrongState(img *origami.Image, verb string) error {
	return origami.Errorf(origami.CodeIncorrectState, "The image '%s' cannot be %s: it is %s.", img.ID, verb, img.State)
}
