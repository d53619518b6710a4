package ec2server_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

// TestGetImageAncestry follows images to their roots.
//
//origami:proves GetImageAncestry S62
func TestGetImageAncestry(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "root")
	root, middle, leaf := i.a.register(t, i.a.Client, "root", snap), i.a.register(t, i.a.Client, "middle", snap), i.a.register(t, i.a.Client, "leaf", snap)
	from := func(id, source string, region origami.Region) {
		i.change(t, home, id, func(m *origami.Image) {
			m.SourceImage, m.SourceImageRegion = origami.ImageID(source), region
		})
	}
	from(middle, root, "")
	from(leaf, middle, home)
	ancestry := func(c *ec2.Client, id string) string {
		t.Helper()
		var out []string
		for _, e := range do(t, c.GetImageAncestry, &ec2.GetImageAncestryInput{ImageId: &id}).ImageAncestryEntries {
			if !e.CreationDate.Equal(clock.Truncate(time.Second)) {
				t.Errorf("got creation date %v, want %v", e.CreationDate, clock.Truncate(time.Second))
			}
			out = append(out, *e.ImageId+"<"+str(e.SourceImageId)+"@"+str(e.SourceImageRegion)+str(e.ImageOwnerAlias))
		}
		return strings.Join(out, " ")
	}
	check := func(c *ec2.Client, id, want string) {
		t.Helper()
		if got := ancestry(c, id); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	tail := leaf + "<" + middle + "@" + string(home) + " " + middle + "<" + root + "@"
	check(i.a.Client, root, root+"<@")
	check(i.a.Client, leaf, tail+" "+root+"<@")
	// Ancestors that are gone, and that the caller never saw.
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &middle})
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {leaf}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}})
	check(i.b.Client, leaf, tail+" "+root+"<@")
	fails(t, i.b.GetImageAncestry, &ec2.GetImageAncestryInput{ImageId: &root}, "InvalidAMIID.NotFound", "The image id '["+root+"]' does not exist")
	fails(t, i.a.GetImageAncestry, &ec2.GetImageAncestryInput{ImageId: &middle}, "InvalidAMIID.Unavailable", "…")
	fails(t, i.a.GetImageAncestry, &ec2.GetImageAncestryInput{ImageId: p("x")}, "InvalidAMIID.Malformed", "…")
	// A source that is not known here ends it, and so does an image that Amazon
	// publishes.
	from(root, "ami-01234567", "mars-north-1")
	check(i.a.Client, leaf, tail+" "+root+"<ami-01234567@mars-north-1")
	i.alias(t, i.a, "amazon")
	i.change(t, home, leaf, func(m *origami.Image) { m.Public = true })
	check(i.a.Client, leaf, leaf+"<"+middle+"@"+string(home)+"amazon")
	i.alias(t, i.a, "")

	// At most 50 entries.
	above := root
	for n := range 60 {
		id := i.a.register(t, i.a.Client, fmt.Sprintf("image %d", n), snap)
		from(id, above, home)
		above = id
	}
	if got := strings.Count(ancestry(i.a.Client, above), "<"); got != 50 {
		t.Errorf("got %d entries, want 50", got)
	}
}

// TestDescribeImageReferences finds instances and launch templates that use
// images.
//
//origami:proves DescribeImageReferences
func TestDescribeImageReferences(t *testing.T) {
	t.Parallel()
	i := open(t)
	one, two := i.a.registered(t, "one"), i.a.registered(t, "two")
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {one}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}})
	running, stopped := i.a.launched(t, one), i.a.launched(t, two)
	do(t, i.a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{stopped}})
	reaches(t, i.a.Client, stopped, "stopped")
	bobs := i.b.launched(t, one)
	template := i.a.template(t, "uses-one", &types.RequestLaunchTemplateData{ImageId: &one})
	old := i.a.template(t, "used-one", &types.RequestLaunchTemplateData{ImageId: &one})
	for range 10 {
		do(t, i.a.CreateLaunchTemplateVersion, &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateId: &old, LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: &two}})
	}
	short := func(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
	words := map[string]string{running: "running", stopped: "stopped", bobs: "bob's", template: "template", old: "old", one: "1", two: "2"}
	list := func(refs []types.ImageReference) string {
		var out []string
		for _, r := range refs {
			prefix := "arn:aws:ec2:" + string(home) + ":"
			if !strings.HasPrefix(*r.Arn, prefix) {
				t.Errorf("got ARN %s, want %s…", *r.Arn, prefix)
			}
			out = append(out, words[*r.ImageId]+":"+words[short(*r.Arn)])
		}
		return sorted(out)
	}
	option := func(kind types.ImageReferenceResourceType, name types.ImageReferenceOptionName, values ...string) types.ResourceTypeRequest {
		return types.ResourceTypeRequest{ResourceType: kind, ResourceTypeOptions: []types.ResourceTypeOption{{OptionName: name, OptionValues: values}}}
	}
	all := []string{one, two}
	for _, tt := range []struct {
		name string
		who  *account
		in   ec2.DescribeImageReferencesInput
		want string
	}{
		{"all", i.a, ec2.DescribeImageReferencesInput{ImageIds: all, IncludeAllResourceTypes: p(true)}, "1:running 1:template 2:old 2:stopped"},
		{"of bob's", i.b, ec2.DescribeImageReferencesInput{ImageIds: all, IncludeAllResourceTypes: p(true)}, "1:bob's"},
		{"one image", i.a, ec2.DescribeImageReferencesInput{ImageIds: []string{two}, IncludeAllResourceTypes: p(true)}, "2:old 2:stopped"},
		{"instances", i.a, ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{{ResourceType: "ec2:Instance"}}}, "1:running 2:stopped"},
		{"stopped instances", i.a, ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{option("ec2:Instance", "state-name", "stopped", "pending")}}, "2:stopped"},
		{"deep", i.a, ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{option("ec2:LaunchTemplate", "version-depth", "11")}}, "1:old 1:template 2:old"},
		{"shallow", i.a, ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{option("ec2:LaunchTemplate", "version-depth", "1")}}, "1:template 2:old"},
		{"all, but deep", i.a, ec2.DescribeImageReferencesInput{ImageIds: all, IncludeAllResourceTypes: p(true), ResourceTypes: []types.ResourceTypeRequest{option("ec2:LaunchTemplate", "version-depth", "10000")}}, "1:old 1:running 1:template 2:old 2:stopped"},
		{"parameters", i.a, ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{{ResourceType: "ssm:Parameter"}}}, ""},
		{"image of nobody", i.a, ec2.DescribeImageReferencesInput{ImageIds: []string{"ami-01234567"}, IncludeAllResourceTypes: p(true)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := list(do(t, tt.who.DescribeImageReferences, &tt.in).ImageReferences); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	// Pages.
	for range 4 {
		i.a.launched(t, one)
	}
	paged := ec2.DescribeImageReferencesInput{ImageIds: all, IncludeAllResourceTypes: p(true), MaxResults: p(int32(5))}
	first := do(t, i.a.DescribeImageReferences, &paged)
	paged.NextToken = first.NextToken
	second := do(t, i.a.DescribeImageReferences, &paged)
	if len(first.ImageReferences) != 5 || len(second.ImageReferences) != 3 || second.NextToken != nil {
		t.Errorf("got pages of %d and %d, want 5 and 3", len(first.ImageReferences), len(second.ImageReferences))
	}

	for _, tt := range []struct {
		name          string
		in            ec2.DescribeImageReferencesInput
		code, message string
	}{
		{"no types", ec2.DescribeImageReferencesInput{ImageIds: all}, "MissingParameter", "…"},
		{"malformed", ec2.DescribeImageReferencesInput{ImageIds: []string{"x"}, IncludeAllResourceTypes: p(true)}, "InvalidAMIID.Malformed", "…"},
		{"many images", ec2.DescribeImageReferencesInput{ImageIds: strings.Fields(strings.Repeat(one+" ", 11)), IncludeAllResourceTypes: p(true)}, "InvalidParameterValue", "…"},
		{"depth", ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{option("ec2:LaunchTemplate", "version-depth", "10001")}}, "InvalidParameterValue", "Value (10001) for parameter version-depth is invalid. It must be between 1 and 10000."},
		{"depths", ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{option("ec2:LaunchTemplate", "version-depth", "1", "2")}}, "InvalidParameterValue", "The option version-depth takes one value."},
		{"state", ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{option("ec2:Instance", "state-name", "asleep")}}, "InvalidParameterValue", "…"},
		{"option of another type", ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{option("ec2:Instance", "version-depth", "1")}}, "InvalidParameterValue", "…"},
		{"type twice", ec2.DescribeImageReferencesInput{ImageIds: all, ResourceTypes: []types.ResourceTypeRequest{{ResourceType: "ec2:Instance"}, {ResourceType: "ec2:Instance"}}}, "InvalidParameterValue", "The resource type 'ec2:Instance' is there twice."},
		{"small page", ec2.DescribeImageReferencesInput{ImageIds: all, IncludeAllResourceTypes: p(true), MaxResults: p(int32(4))}, "InvalidParameterValue", "…"},
	} {
		t.Run(tt.name, func(t *testing.T) { fails(t, i.a.DescribeImageReferences, &tt.in, tt.code, tt.message) })
	}
}

// TestImageUsageReports counts who uses an image.
//
//origami:proves CreateImageUsageReport DescribeImageUsageReports DescribeImageUsageReportEntries DeleteImageUsageReport
func TestImageUsageReports(t *testing.T) {
	t.Parallel()
	i := open(t)
	third := i.account(i.iam, "third")
	id, other := i.a.registered(t, "image"), i.a.registered(t, "other")
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.Group": {"all"}})
	i.a.launched(t, id)
	i.b.launched(t, id)
	i.b.launched(t, id)
	gone := i.b.launched(t, id)
	do(t, i.b.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{gone}})
	reaches(t, i.b.Client, gone, "terminated")
	template := i.b.template(t, "of-bob", &types.RequestLaunchTemplateData{ImageId: &id})
	do(t, i.b.CreateLaunchTemplateVersion, &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateId: &template, LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: &id}})
	third.template(t, "of-third", &types.RequestLaunchTemplateData{ImageId: &id})

	b, c := string(i.b.id), string(third.id)
	kinds := []types.ImageUsageResourceTypeRequest{{ResourceType: p("ec2:Instance")}, {ResourceType: p("ec2:LaunchTemplate")}}
	in := &ec2.CreateImageUsageReportInput{ImageId: &id, ResourceTypes: kinds, ClientToken: p("token"), TagSpecifications: tagged("image-usage-report", "why", "audit")}
	report := *do(t, i.a.CreateImageUsageReport, in).ReportId
	if again := *do(t, i.a.CreateImageUsageReport, in).ReportId; again != report {
		t.Errorf("the token made a second report")
	}
	in.AccountIds = []string{b}
	fails(t, i.a.CreateImageUsageReport, in, "IdempotentParameterMismatch", "…")
	in.ClientToken, in.TagSpecifications = nil, nil
	ofBob := *do(t, i.a.CreateImageUsageReport, in).ReportId

	expires := clock.Add(30 * 24 * time.Hour)
	depth := []types.ImageUsageResourceTypeOption{{OptionName: p("version-depth"), OptionValues: []string{"20"}}}
	same(t, do(t, i.a.DescribeImageUsageReports, &ec2.DescribeImageUsageReportsInput{ReportIds: []string{report}}).ImageUsageReports, []types.ImageUsageReport{{
		ImageId: &id, ReportId: &report, State: p("available"), CreationTime: &clock, ExpirationTime: &expires,
		ResourceTypes: []types.ImageUsageResourceType{{ResourceType: p("ec2:Instance")}, {ResourceType: p("ec2:LaunchTemplate"), ResourceTypeOptions: depth}},
		Tags:          []types.Tag{tag("why", "audit")},
	}})
	entry := func(account, kind string, n int64) types.ImageUsageReportEntry {
		return types.ImageUsageReportEntry{AccountId: &account, ResourceType: &kind, UsageCount: &n, ImageId: &id, ReportId: &report, ReportCreationTime: &clock}
	}
	want := []types.ImageUsageReportEntry{entry(b, "ec2:Instance", 2), entry(b, "ec2:LaunchTemplate", 1), entry(c, "ec2:LaunchTemplate", 1)}
	if c < b {
		want = []types.ImageUsageReportEntry{want[2], want[0], want[1]}
	}
	entries := &ec2.DescribeImageUsageReportEntriesInput{ReportIds: []string{report}}
	same(t, do(t, i.a.DescribeImageUsageReportEntries, entries).ImageUsageReportEntries, want)
	entries.MaxResults = p(int32(2))
	page := do(t, i.a.DescribeImageUsageReportEntries, entries)
	same(t, page.ImageUsageReportEntries, want[:2])
	entries.NextToken = page.NextToken
	same(t, do(t, i.a.DescribeImageUsageReportEntries, entries).ImageUsageReportEntries, want[2:])
	for _, f := range [][]types.Filter{filter("account-id", c), filter("resource-type", "ec2:L*")} {
		out := do(t, i.a.DescribeImageUsageReportEntries, &ec2.DescribeImageUsageReportEntriesInput{ReportIds: []string{report}, Filters: f}).ImageUsageReportEntries
		if n := map[string]int{"account-id": 1, "resource-type": 2}[*f[0].Name]; len(out) != n {
			t.Errorf("%s: got %d entries, want %d", *f[0].Name, len(out), n)
		}
	}
	if out := do(t, i.a.DescribeImageUsageReportEntries, &ec2.DescribeImageUsageReportEntriesInput{ReportIds: []string{ofBob}}).ImageUsageReportEntries; len(out) != 2 {
		t.Errorf("about bob: got %d entries, want 2", len(out))
	}
	if out := do(t, i.a.DescribeImageUsageReports, &ec2.DescribeImageUsageReportsInput{ImageIds: []string{id}, Filters: filter("state", "available")}).ImageUsageReports; len(out) != 2 {
		t.Errorf("got %d reports, want 2", len(out))
	}
	if out := do(t, i.a.DescribeImageUsageReports, &ec2.DescribeImageUsageReportsInput{ImageIds: []string{other}}).ImageUsageReports; len(out) != 0 {
		t.Errorf("got %d reports of another image, want none", len(out))
	}
	first := do(t, i.a.DescribeImageUsageReports, &ec2.DescribeImageUsageReportsInput{MaxResults: p(int32(1))})
	if len(first.ImageUsageReports) != 1 || first.NextToken == nil {
		t.Errorf("got a page of %d, want 1 and a token", len(first.ImageUsageReports))
	}
	if out := do(t, i.b.DescribeImageUsageReports, &ec2.DescribeImageUsageReportsInput{}).ImageUsageReports; len(out) != 0 {
		t.Errorf("bob sees %d reports, want none", len(out))
	}

	missing := "The image usage report ID '" + report + "' does not exist"
	fails(t, i.b.DeleteImageUsageReport, &ec2.DeleteImageUsageReportInput{ReportId: &report}, "InvalidImageUsageReportId.NotFound", missing)
	fails(t, i.b.DescribeImageUsageReportEntries, &ec2.DescribeImageUsageReportEntriesInput{ReportIds: []string{report}}, "InvalidImageUsageReportId.NotFound", missing)
	fails(t, i.b.CreateImageUsageReport, &ec2.CreateImageUsageReportInput{ImageId: &id, ResourceTypes: kinds}, "AuthFailure", "…")
	fails(t, i.a.CreateImageUsageReport, &ec2.CreateImageUsageReportInput{ImageId: p("ami-01234567"), ResourceTypes: kinds}, "InvalidAMIID.NotFound", "…")
	fails(t, i.a.CreateImageUsageReport, &ec2.CreateImageUsageReportInput{ImageId: &id, ResourceTypes: kinds, AccountIds: []string{"bob"}}, "InvalidUserID.Malformed", "…")
	fails(t, i.a.CreateImageUsageReport, &ec2.CreateImageUsageReportInput{ImageId: &id, ResourceTypes: append(kinds, kinds[0])}, "InvalidParameterValue", "The resource type 'ec2:Instance' is there twice.")
	fails(t, i.a.CreateImageUsageReport, &ec2.CreateImageUsageReportInput{ImageId: &id, ResourceTypes: []types.ImageUsageResourceTypeRequest{{ResourceType: p("ssm:Parameter")}}}, "InvalidParameterValue", "…")
	fails(t, i.a.DescribeImageUsageReports, &ec2.DescribeImageUsageReportsInput{ReportIds: []string{"x"}}, "InvalidImageUsageReportId.Malformed", "…")
	same(t, do(t, i.a.DeleteImageUsageReport, &ec2.DeleteImageUsageReportInput{ReportId: &report}), &ec2.DeleteImageUsageReportOutput{Return: p(true)})
	fails(t, i.a.DeleteImageUsageReport, &ec2.DeleteImageUsageReportInput{ReportId: &report}, "InvalidImageUsageReportId.NotFound", missing)

	i.images.Quotas.UsageReports = 2
	do(t, i.a.CreateImageUsageReport, &ec2.CreateImageUsageReportInput{ImageId: &id, ResourceTypes: kinds})
	fails(t, i.a.CreateImageUsageReport, &ec2.CreateImageUsageReportInput{ImageId: &id, ResourceTypes: kinds}, "ResourceLimitExceeded", "…")
	i.later(30 * 24 * time.Hour)
	if err := i.images.Sweep(t.Context(), i.db); err != nil {
		t.Fatal(err)
	}
	if out := do(t, i.a.DescribeImageUsageReports, &ec2.DescribeImageUsageReportsInput{}).ImageUsageReports; len(out) != 0 {
		t.Errorf("after 30 days: got %d reports, want none", len(out))
	}
}

// TestCrowdOnOneReport asks for one report with one token at once.
//
//origami:proves CreateImageUsageReport
func TestCrowdOnOneReport(t *testing.T) {
	t.Parallel()
	a := open(t).a
	id := a.registered(t, "image")
	wantCodes(t, "CreateImageUsageReport", crowd(t, func(ctx context.Context, _ int) error {
		_, err := a.CreateImageUsageReport(ctx, &ec2.CreateImageUsageReportInput{
			ImageId: &id, ClientToken: p("one"), ResourceTypes: []types.ImageUsageResourceTypeRequest{{ResourceType: p("ec2:Instance")}},
		})
		return err
	}), map[string]int{"": crowdSize})
	if got := len(do(t, a.DescribeImageUsageReports, &ec2.DescribeImageUsageReportsInput{}).ImageUsageReports); got != 1 {
		t.Errorf("got %d reports, want 1", got)
	}
}

// TestDescribeInstanceImageMetadata tells of images that the caller no longer
// sees.
//
//origami:proves DescribeInstanceImageMetadata
func TestDescribeInstanceImageMetadata(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.alias(t, i.a, "aws-marketplace")
	private, gone := i.a.registered(t, "private now"), i.a.registered(t, "gone now")
	for _, id := range []string{private, gone} {
		i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}})
	}
	one, two := i.b.launched(t, private), i.b.launched(t, gone)
	i.a.launched(t, private)
	do(t, i.a.ResetImageAttribute, &ec2.ResetImageAttributeInput{ImageId: &private, Attribute: "launchPermission"})
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &gone})
	do(t, i.b.CreateTags, &ec2.CreateTagsInput{Resources: []string{one}, Tags: []types.Tag{tag("k", "v")}})

	zone := reaches(t, i.b.Client, one, "running")
	want := func(instance, image, name string, state types.ImageState, allowed *bool, tags ...types.Tag) types.InstanceImageMetadata {
		return types.InstanceImageMetadata{
			InstanceId: &instance, InstanceType: "t3.nano", LaunchTime: &clock, OwnerId: p(string(i.b.id)), Tags: tags,
			AvailabilityZone: zone.Placement.AvailabilityZone, ZoneId: zone.Placement.AvailabilityZoneId,
			State: &types.InstanceState{Name: "running", Code: p(int32(16))},
			ImageMetadata: &types.ImageMetadata{
				ImageId: &image, Name: &name, OwnerId: p(string(i.a.id)), ImageOwnerAlias: p("aws-marketplace"), State: state,
				CreationDate: p("2024-05-01T12:00:00Z"), IsPublic: p(false), ImageAllowed: allowed,
			},
		}
	}
	get := func(in *ec2.DescribeInstanceImageMetadataInput) []types.InstanceImageMetadata {
		t.Helper()
		out := do(t, i.b.DescribeInstanceImageMetadata, in).InstanceImageMetadata
		for n := range out {
			if zone.Placement.AvailabilityZoneId == nil {
				out[n].ZoneId = nil
			}
		}
		return out
	}
	first, second := want(one, private, "private now", "available", nil, tag("k", "v")), want(two, gone, "gone now", "deregistered", nil)
	same(t, get(&ec2.DescribeInstanceImageMetadataInput{InstanceIds: []string{one}}), []types.InstanceImageMetadata{first})
	same(t, get(&ec2.DescribeInstanceImageMetadataInput{InstanceIds: []string{two}}), []types.InstanceImageMetadata{second})
	do(t, i.b.EnableAllowedImagesSettings, &ec2.EnableAllowedImagesSettingsInput{AllowedImagesSettingsState: "enabled"})
	i.b.allowImages(t, types.ImageCriterionRequest{ImageNames: []string{"private*"}})
	same(t, get(&ec2.DescribeInstanceImageMetadataInput{Filters: filter("image-allowed", "false")}), []types.InstanceImageMetadata{want(two, gone, "gone now", "deregistered", p(false))})
	for name, value := range map[string]string{
		"image-allowed": "true", "instance-state-name": "running", "instance-type": "t3.*", "owner-alias": "aws-marketplace", "owner-id": string(i.b.id),
		"instance-id": one, "tag:k": "v", "tag-key": "k", "availability-zone": *zone.Placement.AvailabilityZone, "launch-time": "2024-05-01*",
	} {
		n := map[string]int{"image-allowed": 1, "instance-id": 1, "tag:k": 1, "tag-key": 1}[name]
		if n == 0 {
			n = 2
		}
		if got := len(get(&ec2.DescribeInstanceImageMetadataInput{Filters: filter(name, value)})); got != n {
			t.Errorf("%s=%s: got %d instances, want %d", name, value, got, n)
		}
	}
	page := do(t, i.b.DescribeInstanceImageMetadata, &ec2.DescribeInstanceImageMetadataInput{MaxResults: p(int32(1))})
	rest := do(t, i.b.DescribeInstanceImageMetadata, &ec2.DescribeInstanceImageMetadataInput{MaxResults: p(int32(1)), NextToken: page.NextToken})
	if len(page.InstanceImageMetadata) != 1 || len(rest.InstanceImageMetadata) != 1 || rest.NextToken != nil {
		t.Errorf("got pages of %d and %d, want 1 and 1", len(page.InstanceImageMetadata), len(rest.InstanceImageMetadata))
	}
	fails(t, i.a.DescribeInstanceImageMetadata, &ec2.DescribeInstanceImageMetadataInput{InstanceIds: []string{one}}, "InvalidInstanceID.NotFound", "…")
	fails(t, i.a.DescribeInstanceImageMetadata, &ec2.DescribeInstanceImageMetadataInput{InstanceIds: []string{"x"}}, "InvalidInstanceID.Malformed", "…")
}
