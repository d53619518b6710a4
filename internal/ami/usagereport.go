package ami

import (
	"cmp"
	"slices"
	"time"

	"origami"
	"origami/internal/metadb"
)

// reportLife is how long a usage report is kept.
const reportLife = 30 * 24 * time.Hour

// maxUses bounds the kinds of resources that a report counts: there are two.
const maxUses = 2

// CountUsage counts which other accounts use an image of the caller's: those
// given, or all if none is. A launch template counts once, however many of its
// versions name the image. It only reads, so that the count of a large region
// holds up no change; KeepUsage keeps the result.
func (s *Service) CountUsage(tx *metadb.Tx, who origami.Caller, r *origami.ImageUsageReport) error {
	if _, err := s.Owned(tx, who, r.Image); err != nil {
		return err
	}
	if len(r.Uses) == 0 || len(r.Uses) > maxUses {
		return origami.Errorf(origami.CodeInvalidParameterValue, "A usage report counts one or two resource types.")
	}
	wanted := func(a origami.AccountID) bool {
		return a != who.Account && (len(r.Accounts) == 0 || slices.Contains(r.Accounts, a))
	}
	r.Entries = nil
	for _, u := range r.Uses {
		counts := make(map[origami.AccountID]int64)
		switch u.Resource {
		case origami.InstanceResource:
			found, err := tx.CountImageInstances(who.Region, r.Image)
			if err != nil {
				return err
			}
			for _, f := range found {
				counts[f.Account] = f.Count
			}
		case origami.LaunchTemplateResource:
			all := metadb.Query{Region: who.Region, Viewer: metadb.System}
			err := templateImages(tx, all, u.Depth, func(v *origami.LaunchTemplateVersion, images []origami.ImageID) {
				if slices.Contains(images, r.Image) {
					counts[v.Owner]++
				}
			})
			if err != nil {
				return err
			}
		}
		for account, n := range counts {
			if wanted(account) {
				r.Entries = append(r.Entries, origami.ImageUsage{Account: account, Resource: u.Resource, Count: n})
			}
		}
	}
	slices.SortFunc(r.Entries, func(a, b origami.ImageUsage) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Resource, b.Resource))
	})
	return nil
}

// KeepUsage keeps a report that CountUsage filled in for 30 days, unless the
// caller has too many.
func (s *Service) KeepUsage(tx *metadb.Tx, who origami.Caller, r *origami.ImageUsageReport, tags origami.Tags) error {
	if _, err := s.Owned(tx, who, r.Image); err != nil {
		return err
	}
	if err := tags.Validate(); err != nil {
		return err
	}
	most, n := s.Quotas.decided().UsageReports, 0
	for _, err := range tx.ImageUsageReports(metadb.Query{Region: who.Region, Viewer: who.Account, Limit: most}) {
		if err != nil {
			return err
		}
		n++
	}
	if n == most {
		return origami.Errorf(origami.CodeResourceLimitExceeded, "You have reached your quota of %d image usage reports in this region.", most)
	}
	r.ID, r.Region, r.Owner = origami.NewImageUsageReportID(), who.Region, who.Account
	r.State, r.Created = "available", s.now().UTC()
	r.Expires = r.Created.Add(reportLife)
	if err := tx.PutImageUsageReport(r); err != nil {
		return err
	}
	if len(tags) == 0 {
		return nil
	}
	return tx.PutTags(r.Region, r.Owner, []string{string(r.ID)}, tags)
}

// DeleteUsageReport removes a report of the caller's.
func (s *Service) DeleteUsageReport(tx *metadb.Tx, who origami.Caller, id origami.ImageUsageReportID) error {
	if _, err := tx.ImageUsageReport(who.Region, who.Account, id); err != nil {
		return err
	}
	return tx.DeleteImageUsageReport(who.Region, id)
}
