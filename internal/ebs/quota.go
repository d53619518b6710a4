package ebs

import (
	"origami"
	"origami/internal/metadb"
)

// CodeVolumeLimit is the code of [Service.CheckQuota].
const CodeVolumeLimit origami.Code = "VolumeLimitExceeded"

// CheckQuota checks that the caller's account may have n volumes more in the
// region. The error is VolumeLimitExceeded.
func (s *Service) CheckQuota(tx *metadb.Tx, who origami.Caller, n int) error {
	if s.maxVolumes == 0 {
		return nil
	}
	used, err := tx.CountVolumes(who.Region, who.Account)
	if err != nil || used+n <= s.maxVolumes {
		return err
	}
	return origami.Errorf(CodeVolumeLimit, "The maximum number of volumes (%d) has been reached.", s.maxVolumes)
}
