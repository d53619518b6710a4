package ami

import (
	"slices"
	"time"

	"origami"
	"origami/internal/metadb"
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
	old := img.Grants()
	grants := old.Change(add, remove)
	if !add.Empty() {
		if img.State != origami.ImageAvailable {
			return Unavailable(id)
		}
		if err := s.sharedKeys(tx, img); err != nil {
			return err
		}
		if most := s.Quotas.decided().Shares; grants.Entities() > most && grants.Entities() > old.Entities() {
			return origami.Errorf(origami.CodeResourceLimitExceeded, "An image can be shared with at most %d accounts, organizations and organizational units.", most)
		}
	}
	if grants.Public && !old.Public {
		if err := s.mayBePublic(tx, who, img); err != nil {
			return err
		}
	}
	return s.setGrants(tx, img, grants)
}

// sharedKeys refuses to share an image that nobody else could decrypt.
func (s *Service) sharedKeys(tx *metadb.Tx, img *origami.Image) error {
	for _, id := range img.Snapshots() {
		snap, err := tx.Snapshot(img.Region, metadb.System, id)
		if err != nil {
			return err
		}
		managed, err := s.ebs.ManagedKey(tx, snap)
		if err != nil {
			return err
		}
		if managed {
			return origami.Errorf(origami.CodeInvalidParameter, "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot.")
		}
	}
	return nil
}

// Unshare takes away every launch permission of an image of the caller's.
func (s *Service) Unshare(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	img, err := s.Owned(tx, who, id)
	if err != nil {
		return err
	}
	return s.setGrants(tx, img, origami.Grants{})
}

// Leave takes away the caller's own launch permission of another account's
// image. What the caller has through everybody, an organization or a unit
// cannot be left.
func (s *Service) Leave(tx *metadb.Tx, who origami.Caller, id origami.ImageID) error {
	_, img, err := s.find(tx, who, id)
	if err != nil {
		return err
	}
	switch {
	case img.Gone():
		return Unavailable(id)
	case img.Owner == who.Account:
		return origami.Errorf(origami.CodeUnsupportedOperation, "The owner of the image '%s' cannot cancel its launch permission.", id)
	case !slices.Contains(img.SharedWith, who.Account):
		return origami.Errorf(origami.CodeInvalidRequest,
			"The image '%s' is not shared with your account directly. A permission that is public, or of an organization or organizational unit, cannot be cancelled.", id)
	}
	return s.setGrants(tx, img, img.Grants().Change(origami.Grants{}, origami.Grants{Accounts: []origami.AccountID{who.Account}}))
}

// mayBePublic checks that the owner may show a private image to everybody.
func (s *Service) mayBePublic(tx *metadb.Tx, who origami.Caller, img *origami.Image) error {
	if slices.ContainsFunc(img.BlockDevices, encrypted) {
		return origami.Errorf(origami.CodeUnsupportedOperation, "Encrypted snapshots can't be shared publicly. Specify another snapshot.")
	}
	if len(img.ProductCodes) > 0 {
		return origami.Errorf(origami.CodeUnsupportedOperation, "Images with product codes can't be shared publicly.")
	}
	blocked, err := s.BlockPublicAccess(tx, who)
	if err != nil {
		return err
	}
	if blocked != Unblocked {
		return origami.Errorf(origami.CodeOperationNotPermitted,
			"You can't publicly share this image because block public access for AMIs is enabled for this account. To publicly share the image, you must call the DisableImageBlockPublicAccess API.")
	}
	n, err := tx.CountPublicImages(who.Region, who.Account)
	if err != nil {
		return err
	}
	if most := s.Quotas.decided().PublicImages; n >= most {
		return origami.Errorf(origami.CodeResourceLimitExceeded, "You have reached your quota of %d public images in this region.", most)
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
		img.Grant(grants)
		return nil
	})
	return err
}

// lastPublic is the latest time of deprecation that a public image may have.
func lastPublic(img *origami.Image) time.Time {
	return img.Created.AddDate(publicLife, 0, 0).Round(time.Minute)
}
