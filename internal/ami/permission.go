package ami

import (
	"slices"
	"time"

	"origami"
	"origami/internal/metadb"
)

// Quotas of an account in a region.
const (
	maxPublic = 5    // public images
	maxShared = 1000 // accounts that one image is shared with
)

// publicLife is how long after its creation a public image is deprecated.
const publicLife = 2 // years

// Share changes the launch permissions of an image of the caller's: add is
// granted, then remove taken away. An image that becomes public is deprecated
// two years after its creation at the latest.
func (s *Service) Share(tx *metadb.Tx, who origami.Caller, id origami.ImageID, add, remove origami.Grants) error {
	img, err := s.Owned(tx, who, id)
	if err != nil {
		return err
	}
	old := origami.Grants{Public: img.Public, Accounts: img.SharedWith}
	grants := old.Change(add, remove)
	if !add.Empty() {
		if img.State != origami.ImageAvailable {
			return Unavailable(id)
		}
		if len(grants.Accounts) > maxShared {
			return origami.Errorf(origami.CodeResourceLimitExceeded, "An image can be shared with at most %d accounts.", maxShared)
		}
	}
	if grants.Public && !old.Public {
		if err := mayBePublic(tx, who, img); err != nil {
			return err
		}
	}
	return s.setGrants(tx, img, grants)
}

// Unshare takes away every launch permission of an image of the caller's.
func (s *Service) Unshare(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	img, err := s.Owned(tx, who, id)
	if err != nil {
		return err
	}
	return s.setGrants(tx, img, origami.Grants{})
}

// mayBePublic checks that the owner may show a private image to everybody.
func mayBePublic(tx *metadb.Tx, who origami.Caller, img *origami.Image) error {
	if slices.ContainsFunc(img.BlockDevices, encrypted) {
		return origami.Errorf(origami.CodeUnsupportedOperation, "Encrypted snapshots can't be shared publicly. Specify another snapshot.")
	}
	n := 0
	mine := metadb.Query{Region: who.Region, Viewer: who.Account, Owners: []origami.AccountID{who.Account}, ExecutableBy: []string{"all"}, Limit: maxPublic}
	for _, err := range tx.Images(mine) {
		if err != nil {
			return err
		}
		n++
	}
	if n == maxPublic {
		return origami.Errorf(origami.CodeResourceLimitExceeded, "You have reached your quota of %d public images in this region.", maxPublic)
	}
	return nil
}

func encrypted(d origami.BlockDevice) bool {
	return d.EBS != nil && d.EBS.Encrypted != nil && *d.EBS.Encrypted
}

func (s *Service) setGrants(tx *metadb.Tx, img *origami.Image, grants origami.Grants) error {
	_, err := tx.UpdateImage(img.Region, img.ID, func(img *origami.Image) error {
		if grants.Public && !img.Public {
			if last := lastPublic(img); img.DeprecationTime.IsZero() || img.DeprecationTime.After(last) {
				img.DeprecationTime = last
			}
		}
		img.Public, img.SharedWith = grants.Public, grants.Accounts
		return nil
	})
	return err
}

// lastPublic is the latest time of deprecation that a public image may have.
func lastPublic(img *origami.Image) time.Time {
	return img.Created.AddDate(publicLife, 0, 0).Round(time.Minute)
}
