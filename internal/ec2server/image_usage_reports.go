package ec2server

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// CreateImageUsageReport counts which other accounts use an image.
func (s *Server) CreateImageUsageReport(ctx context.Context, who origami.Caller, in *ec2api.CreateImageUsageReportInput) (*ec2api.CreateImageUsageReportOutput, error) {
	r, err := parseUsageReport(in)
	if err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "image-usage-report")
	if err != nil {
		return nil, err
	}
	// Counting may read much; it holds up nobody who writes.
	if err := s.db.View(ctx, func(tx *metadb.Tx) error { return s.ami.CountUsage(tx, who, r) }); err != nil {
		return nil, err
	}
	var id string
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		const operation = "CreateImageUsageReport"
		token, asked := deref(in.ClientToken), fingerprint(in)
		made, done, err := tx.Once(who.Account, who.Region, operation, token, asked)
		if err != nil || done {
			id = made
			return err
		}
		if err := s.ami.KeepUsage(tx, who, r, tags["image-usage-report"]); err != nil {
			return err
		}
		id = string(r.ID)
		return tx.SetOnce(who.Account, who.Region, operation, token, asked, id)
	})
	return &ec2api.CreateImageUsageReportOutput{ReportId: text(id)}, err
}

func parseUsageReport(in *ec2api.CreateImageUsageReportInput) (*origami.ImageUsageReport, error) {
	id, err := origami.ParseImageID(deref(in.ImageId))
	if err != nil {
		return nil, err
	}
	r := &origami.ImageUsageReport{Image: id}
	for _, t := range in.ResourceTypes {
		var options []ami.UseOption
		for _, o := range t.ResourceTypeOptions {
			options = append(options, ami.UseOption{Name: deref(o.OptionName), Values: o.OptionValues})
		}
		u, err := ami.UsageUse(deref(t.ResourceType), options)
		if err != nil {
			return nil, err
		}
		for _, other := range r.Uses {
			if other.Resource == u.Resource {
				return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The resource type '%s' is there twice.", u.Resource)
			}
		}
		r.Uses = append(r.Uses, u)
	}
	for _, a := range in.AccountIds {
		if !isAccountID(a) {
			return nil, invalidUser(a)
		}
		r.Accounts = append(r.Accounts, origami.AccountID(a))
	}
	return r, nil
}

// DeleteImageUsageReport removes a usage report.
func (s *Server) DeleteImageUsageReport(ctx context.Context, who origami.Caller, in *ec2api.DeleteImageUsageReportInput) (*ec2api.DeleteImageUsageReportOutput, error) {
	id, err := origami.ParseImageUsageReportID(deref(in.ReportId))
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.DeleteUsageReport(tx, who, id) })
	return &ec2api.DeleteImageUsageReportOutput{Return: done()}, err
}

// usageReportProperties are the filters of DescribeImageUsageReports.
var usageReportProperties = properties[*origami.ImageUsageReport]{
	"creation-time": func(r *origami.ImageUsageReport) []string { return timestamp(r.Created) },
	"state":         func(r *origami.ImageUsageReport) []string { return one(r.State) },
}

// DescribeImageUsageReports lists the caller's usage reports.
func (s *Server) DescribeImageUsageReports(ctx context.Context, who origami.Caller, in *ec2api.DescribeImageUsageReportsInput) (*ec2api.DescribeImageUsageReportsOutput, error) {
	p, err := s.page(who, "DescribeImageUsageReports", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := usageReportProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q, err := usageReportQuery(who, in.ImageIds, in.ReportIds)
	if err != nil {
		return nil, err
	}
	q.After = p.after
	out := &ec2api.DescribeImageUsageReportsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		if err := usageReportsExist(tx, who, q.IDs); err != nil {
			return err
		}
		match := func(r tagged[*origami.ImageUsageReport]) bool {
			return usageReportProperties.match(filters, r.noun, r.tags)
		}
		found, next, err := collect(tx, who, p, tx.ImageUsageReports(q), func(r *origami.ImageUsageReport) string { return string(r.ID) }, match)
		for _, r := range found {
			out.ImageUsageReports = append(out.ImageUsageReports, wireUsageReport(r.noun, r.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// usageReportQuery selects reports by images and IDs.
func usageReportQuery(who origami.Caller, images, reports []string) (metadb.Query, error) {
	q := metadb.Query{Region: who.Region, Viewer: who.Account, IDs: reports}
	if _, err := parseImageIDs(images); err != nil {
		return q, err
	}
	for _, id := range reports {
		if _, err := origami.ParseImageUsageReportID(id); err != nil {
			return q, err
		}
	}
	if len(images) > 0 {
		q.Filters = []origami.Filter{{Name: "image-id", Values: images}}
	}
	return q, nil
}

func usageReportsExist(tx *metadb.Tx, who origami.Caller, ids []string) error {
	for _, id := range ids {
		if _, err := tx.ImageUsageReport(who.Region, who.Account, origami.ImageUsageReportID(id)); err != nil {
			return err
		}
	}
	return nil
}

func wireUsageReport(r *origami.ImageUsageReport, tags origami.Tags) ec2api.ImageUsageReport {
	out := ec2api.ImageUsageReport{
		ImageId: text(r.Image), ReportId: text(r.ID), State: text(r.State),
		CreationTime: ptr(r.Created), ExpirationTime: ptr(r.Expires), Tags: wireTags(tags),
	}
	for _, u := range r.Uses {
		t := ec2api.ImageUsageResourceType{ResourceType: text(u.Resource)}
		if u.Depth > 0 {
			t.ResourceTypeOptions = []ec2api.ImageUsageResourceTypeOption{
				{OptionName: ptr("version-depth"), OptionValues: []string{fmt.Sprint(u.Depth)}},
			}
		}
		out.ResourceTypes = append(out.ResourceTypes, t)
	}
	for _, a := range r.Accounts {
		out.AccountIds = append(out.AccountIds, string(a))
	}
	return out
}

// usageEntry is one line of a usage report.
type usageEntry struct {
	report *origami.ImageUsageReport
	origami.ImageUsage
}

// key orders the entries of all reports.
func (e usageEntry) key() string {
	return fmt.Sprintf("%s %s %s", e.report.ID, e.Account, e.Resource)
}

// usageEntryProperties are the filters of DescribeImageUsageReportEntries.
var usageEntryProperties = properties[usageEntry]{
	"account-id":    func(e usageEntry) []string { return one(e.Account) },
	"creation-time": func(e usageEntry) []string { return timestamp(e.report.Created) },
	"resource-type": func(e usageEntry) []string { return one(e.Resource) },
}

// DescribeImageUsageReportEntries lists the lines of usage reports.
func (s *Server) DescribeImageUsageReportEntries(ctx context.Context, who origami.Caller, in *ec2api.DescribeImageUsageReportEntriesInput) (*ec2api.DescribeImageUsageReportEntriesOutput, error) {
	p, err := s.page(who, "DescribeImageUsageReportEntries", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := usageEntryProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q, err := usageReportQuery(who, in.ImageIds, in.ReportIds)
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeImageUsageReportEntriesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		if err := usageReportsExist(tx, who, q.IDs); err != nil {
			return err
		}
		var found []usageEntry
		for e, err := range usageEntries(tx.ImageUsageReports(q)) {
			if err != nil {
				return err
			}
			found = append(found, e)
		}
		match := func(e usageEntry) bool { return usageEntryProperties.match(filters, e, nil) }
		found, out.NextToken = pageOf(p, slices.Values(found), usageEntry.key, match)
		for _, e := range found {
			out.ImageUsageReportEntries = append(out.ImageUsageReportEntries, ec2api.ImageUsageReportEntry{
				AccountId: text(e.Account), ImageId: text(e.report.Image), ReportId: text(e.report.ID),
				ReportCreationTime: ptr(e.report.Created), ResourceType: text(e.Resource), UsageCount: ptr(e.Count),
			})
		}
		return nil
	})
	return out, err
}

// usageEntries yields the entries of reports.
func usageEntries(reports iter.Seq2[*origami.ImageUsageReport, error]) iter.Seq2[usageEntry, error] {
	return func(yield func(usageEntry, error) bool) {
		for r, err := range reports {
			if err != nil {
				yield(usageEntry{}, err)
				return
			}
			for _, u := range r.Entries {
				if !yield(usageEntry{r, u}, nil) {
					return
				}
			}
		}
	}
}
