package ami

import (
	"cmp"

	"origami"
	"origami/internal/metadb"
)

// Quotas bound what an account may have in a region. Zero values mean the
// quotas that EC2 begins with.
type Quotas struct {
	Images       int // available, pending, disabled and in the recycle bin: 50,000
	PublicImages int // in the recycle bin too: 5
	Shares       int // accounts, organizations and units that one image is shared with: 1,000
	Copies       int // under way into a region: 300
	UsageReports int // that are kept: 2,000
}

// decided returns the quotas with their defaults.
func (q Quotas) decided() Quotas {
	return Quotas{
		Images:       cmp.Or(q.Images, 50_000),
		PublicImages: cmp.Or(q.PublicImages, 5),
		Shares:       cmp.Or(q.Shares, 1_000),
		Copies:       cmp.Or(q.Copies, 300),
		UsageReports: cmp.Or(q.UsageReports, 2_000),
	}
}

// room checks that an account may have one more image in a region.
func (s *Service) room(tx *metadb.Tx, region origami.Region, owner origami.AccountID) error {
	most := s.Quotas.decided().Images
	n, err := tx.CountImages(region, owner)
	if err == nil && n >= most {
		err = origami.Errorf(origami.CodeResourceLimitExceeded, "You have reached your quota of %d images in this region.", most)
	}
	return err
}
