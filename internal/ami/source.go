package ami

import (
	"errors"
	"fmt"

	"origami"
	"origami/internal/metadb"
)

// Source finds an image of a region that the caller may copy: it discovers the
// image there, may read all of its snapshots, and the image is complete and
// nobody else's product. A disabled image can be copied by its owner, who alone
// sees it.
func (s *Service) Source(tx *metadb.Tx, who origami.Caller, region origami.Region, id origami.ImageID) (*origami.Image, error) {
	there := who
	there.Region = region
	_, img, err := s.find(tx, there, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDNotFound}) {
		return nil, unauthorized(tx, there, id, err)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case img.Gone():
		return nil, because(Unavailable(id), gone(img))
	case img.State == origami.ImageFailed:
		return nil, because(Unavailable(id), fmt.Errorf("the image is %s", img.State))
	case img.State == origami.ImagePending:
		return nil, because(noStorage(), fmt.Errorf("the image is %s", img.State))
	case img.Owner != who.Account && len(img.ProductCodes) > 0:
		return nil, origami.Errorf(origami.CodeInvalidRequest, "Images from AWS Marketplace cannot be copied to another AWS account")
	case img.RootDeviceType != "ebs":
		return nil, origami.Errorf(origami.CodeUnsupportedOperation, "Copying images with root device type %s is not supported by this service.", img.RootDeviceType)
	}
	for _, snap := range img.Snapshots() {
		if _, err := readable(tx, there, snap); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// readable finds a snapshot of an image that the caller copies.
func readable(tx *metadb.Tx, there origami.Caller, id origami.SnapshotID) (*origami.Snapshot, error) {
	snap, err := tx.Snapshot(there.Region, there.Account, id)
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidSnapshotNotFound}) {
		return nil, because(origami.Errorf(origami.CodeInvalidRequest, "You do not have permission to access the storage of this ami"),
			fmt.Errorf("the snapshot %s is not shared with account %s", id, there.Account))
	}
	if err == nil && !snap.Usable() {
		return nil, because(noStorage(), fmt.Errorf("the snapshot %s cannot be read now", id))
	}
	return snap, err
}

func noStorage() error {
	return origami.Errorf(origami.CodeInvalidRequest, "The storage for the ami is not available in the source region.")
}
