package ec2server_test

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"origami"
)

// secret is an image of alice's with texts that bob may read only while the
// image is his to see.
type secret struct {
	id           string
	name, about  string
	public       bool
	shared       bool // with bob
	organization bool // that bob is in
	state        string
	launched     bool // by bob, who may know the name of what he runs
}

// visible is the model: whether bob may know the image.
func (s *secret) visible() bool {
	return s.state == "available" && (s.public || s.shared || s.organization)
}

// tenants is one run of the model: two accounts that no other run knows.
type tenants struct {
	t            *testing.T
	i            *installation
	alice, bob   *account
	organization string
	mark         string // begins every text of alice's
	snapshot     string
	images       []*secret
	third        string // an account that alice shares with, which nobody may know
	bobs         string // an image of bob's
}

// tenantRun numbers the runs, of which tenantRuns are enough.
var tenantRun int

const tenantRuns = 30

func newTenants(t *testing.T, i *installation) *tenants {
	tenantRun++
	m := &tenants{t: t, i: i, mark: fmt.Sprintf("secret-%d-", tenantRun), third: fmt.Sprintf("9%011d", tenantRun)}
	m.alice, m.bob = i.account(i.iam, fmt.Sprintf("alice %d", tenantRun)), i.account(i.iam, fmt.Sprintf("bob %d", tenantRun))
	o, err := i.iam.CreateOrganization(t.Context(), m.bob.id)
	if err != nil {
		t.Fatal(err)
	}
	m.organization = string(o.ARN())
	m.snapshot = m.alice.snapshot(t, home, m.mark+"disk")
	m.bobs = m.bob.register(t, m.bob.Client, "mine", m.bob.snapshot(t, home, "mine"))
	m.alice.keep(t, 1, origami.ResourceTag{Key: "keep", Value: "yes"})
	return m
}

// do has alice do something that must succeed.
func (m *tenants) do(rt *rapid.T, action string, pairs ...string) string {
	status, text := m.alice.send(m.t, home, form(action, pairs...))
	if status != 200 {
		rt.Fatalf("alice: %s %v: %d %s", action, pairs, status, text)
	}
	return text
}

// pick draws an image of alice's in one of some states.
func (m *tenants) pick(rt *rapid.T, states ...string) *secret {
	var some []*secret
	for _, s := range m.images {
		if slices.Contains(states, s.state) {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		rt.Skip("no such image")
	}
	return rapid.SampledFrom(some).Draw(rt, "image")
}

func (m *tenants) register(rt *rapid.T) {
	if len(m.images) == 4 {
		rt.Skip("enough images")
	}
	s := &secret{name: fmt.Sprintf("%sname-%d", m.mark, len(m.images)), about: fmt.Sprintf("%sabout-%d", m.mark, len(m.images)), state: "available"}
	pairs := []string{"Name", s.name, "Description", s.about, "RootDeviceName", "/dev/sda1", "Architecture", "x86_64", "VirtualizationType", "hvm", "EnaSupport", "true",
		"BlockDeviceMapping.1.DeviceName", "/dev/sda1", "BlockDeviceMapping.1.Ebs.SnapshotId", m.snapshot,
		"TagSpecification.1.ResourceType", "image", "TagSpecification.1.Tag.1.Key", m.mark + "key", "TagSpecification.1.Tag.1.Value", m.mark + "value"}
	if rapid.Bool().Draw(rt, "kept") {
		pairs = append(pairs, "TagSpecification.1.Tag.2.Key", "keep", "TagSpecification.1.Tag.2.Value", "yes")
	}
	text := m.do(rt, "RegisterImage", pairs...)
	_, rest, _ := strings.Cut(text, "<imageId>")
	s.id, _, _ = strings.Cut(rest, "<")
	m.images = append(m.images, s)
}

// share changes one launch permission.
func (m *tenants) share(rt *rapid.T) {
	s := m.pick(rt, "available")
	type permission struct{ member, value string }
	p := rapid.SampledFrom([]permission{{"Group", "all"}, {"UserId", string(m.bob.id)}, {"UserId", m.third}, {"OrganizationArn", m.organization}}).Draw(rt, "permission")
	change := rapid.SampledFrom([]string{"Add", "Remove"}).Draw(rt, "change")
	m.do(rt, "ModifyImageAttribute", "ImageId", s.id, "LaunchPermission."+change+".1."+p.member, p.value)
	switch {
	case p.member == "Group":
		s.public = change == "Add"
	case p.member == "OrganizationArn":
		s.organization = change == "Add"
	case p.value == string(m.bob.id):
		s.shared = change == "Add"
	}
}

func (m *tenants) disable(rt *rapid.T) {
	s := m.pick(rt, "available")
	m.do(rt, "DisableImage", "ImageId", s.id)
	s.state, s.public, s.shared, s.organization = "disabled", false, false, false
}

func (m *tenants) enable(rt *rapid.T) {
	s := m.pick(rt, "disabled")
	m.do(rt, "EnableImage", "ImageId", s.id)
	s.state = "available"
}

func (m *tenants) deregister(rt *rapid.T) {
	s := m.pick(rt, "available", "disabled")
	m.do(rt, "DeregisterImage", "ImageId", s.id)
	s.state = "gone"
	if strings.Contains(m.do(rt, "ListImagesInRecycleBin"), s.id) {
		s.state = "binned"
	}
}

func (m *tenants) restore(rt *rapid.T) {
	s := m.pick(rt, "binned")
	m.do(rt, "RestoreImageFromRecycleBin", "ImageId", s.id)
	s.state = "available"
}

// snoop has bob ask anything, of what he knows and of what he does not.
func (m *tenants) snoop(rt *rapid.T) {
	id := m.bobs
	if len(m.images) > 0 {
		id = rapid.SampledFrom(m.images).Draw(rt, "image").id
	}
	f := rapid.SampledFrom(m.questions(id)).Draw(rt, "question")
	status, text := m.bob.send(m.t, home, f)
	if f.Get("Action") == "RunInstances" && status == 200 {
		for _, s := range m.images {
			s.launched = s.launched || s.id == id
		}
	}
	if f.Get("Action") == "CancelImageLaunchPermission" && status == 200 {
		for _, s := range m.images {
			s.shared = s.shared && s.id != id
		}
	}
	m.check(rt, f, text)
}

// questions are what bob can ask about an image of alice's.
func (m *tenants) questions(id string) []url.Values {
	list := []url.Values{
		form("DescribeImages"), form("DescribeImages", "IncludeDeprecated", "true", "IncludeDisabled", "true"),
		form("DescribeImages", "Owner.1", string(m.alice.id), "IncludeDisabled", "true"),
		form("DescribeImages", "ImageId.1", id), form("DescribeImages", "ImageId.1", id, "IncludeDisabled", "true"),
		form("DescribeImages", "ExecutableBy.1", "self"), form("DescribeImages", "ExecutableBy.1", "all"), form("DescribeImages", "ExecutableBy.1", m.third),
		form("DescribeImages", "Filter.1.Name", "name", "Filter.1.Value.1", "secret*"),
		form("DescribeImages", "Filter.1.Name", "block-device-mapping.snapshot-id", "Filter.1.Value.1", m.snapshot),
		form("DescribeImages", "Filter.1.Name", "tag-key", "Filter.1.Value.1", "secret*"),
		form("DescribeImages", "Filter.1.Name", "state", "Filter.1.Value.1", "*"),
		form("DescribeTags"), form("DescribeTags", "Filter.1.Name", "resource-id", "Filter.1.Value.1", id),
		form("DescribeSnapshots"), form("DescribeSnapshots", "SnapshotId.1", m.snapshot), form("DescribeSnapshotAttribute", "SnapshotId", m.snapshot, "Attribute", "createVolumePermission"),
		form("ListImagesInRecycleBin"), form("ListImagesInRecycleBin", "ImageId.1", id), form("RestoreImageFromRecycleBin", "ImageId", id),
		form("GetImageAncestry", "ImageId", id), form("DescribeImageReferences", "ImageId.1", id, "IncludeAllResourceTypes", "true"),
		form("CreateImageUsageReport", "ImageId", id, "ResourceType.1.ResourceType", "ec2:Instance"), form("DescribeImageUsageReportEntries"),
		form("DescribeInstanceImageMetadata"), form("DescribeInstances"), form("DescribeFastLaunchImages", "ImageId.1", id),
		form("CancelImageLaunchPermission", "ImageId", id), form("DeregisterImage", "ImageId", id), form("DisableImage", "ImageId", id), form("EnableImage", "ImageId", id),
		form("ModifyImageAttribute", "ImageId", id, "Description.Value", "x"), form("ModifyImageAttribute", "ImageId", id, "LaunchPermission.Add.1.UserId", string(m.bob.id)),
		form("ResetImageAttribute", "ImageId", id, "Attribute", "launchPermission"), form("EnableImageDeregistrationProtection", "ImageId", id),
		form("CreateTags", "ResourceId.1", id, "Tag.1.Key", "k", "Tag.1.Value", "v"), form("DeleteTags", "ResourceId.1", id),
		form("CopyImage", "Name", "copy", "SourceImageId", id, "SourceRegion", string(home), "CopyImageTags", "true"),
		form("CreateVolume", "AvailabilityZone", string(home)+"a", "SnapshotId", m.snapshot), form("CopySnapshot", "SourceSnapshotId", m.snapshot, "SourceRegion", string(home)),
		form("RunInstances", "ImageId", id, "InstanceType", "t3.nano", "MinCount", "1", "MaxCount", "1"),
	}
	for _, attribute := range []string{"description", "kernel", "launchPermission", "productCodes", "sriovNetSupport", "bootMode", "uefiData", "lastLaunchedTime", "deregistrationProtection", "blockDeviceMapping"} {
		list = append(list, form("DescribeImageAttribute", "ImageId", id, "Attribute", attribute))
	}
	return list
}

// check looks for alice's texts in an answer to bob.
func (m *tenants) check(rt *rapid.T, f url.Values, text string) {
	never := []string{m.mark + "key", m.mark + "value", m.mark + "disk"}
	if !slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(f))...), func(v string) bool { return strings.Contains(v, m.third) }) {
		never = append(never, m.third)
	}
	for _, s := range m.images {
		if !s.visible() {
			never = append(never, s.about)
			if !s.launched || f.Get("Action") != "DescribeInstanceImageMetadata" {
				never = append(never, s.name)
			}
		}
	}
	for _, word := range never {
		if strings.Contains(text, word) {
			rt.Fatalf("bob asks %s and reads %q:\n%s", f.Encode(), word, text)
		}
	}
}

// agrees checks that bob's plain list is what the model says.
func (m *tenants) agrees(rt *rapid.T) {
	_, text := m.bob.send(m.t, home, form("DescribeImages", "Owner.1", string(m.alice.id)))
	for _, s := range m.images {
		if got := strings.Contains(text, "<imageId>"+s.id+"<"); got != s.visible() {
			rt.Fatalf("bob sees %s: %v, want %v for %+v", s.id, got, s.visible(), *s)
		}
	}
	m.check(rt, url.Values{}, text)
}

// TestTwoTenants lets alice share, hide and remove images in any order, while
// bob asks anything in between. He never reads a text of alice's that is not
// his to read at that moment.
//
//origami:proves DescribeImages DescribeImageAttribute ModifyImageAttribute DisableImage DeregisterImage RestoreImageFromRecycleBin S8 S63 S64
func TestTwoTenants(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.images.Quotas.PublicImages = 100
	passed, broken := 0, false
	rapid.Check(t, func(rt *rapid.T) {
		if passed >= tenantRuns && !broken {
			return
		}
		whole := false
		defer func() { broken = broken || !whole }() // and is made smaller now
		m := newTenants(t, i)
		rt.Repeat(map[string]func(*rapid.T){
			"register": m.register, "share": m.share, "share again": m.share, "disable": m.disable, "enable": m.enable, "deregister": m.deregister, "restore": m.restore,
			"snoop": m.snoop, "snoop more": m.snoop, "snoop on": m.snoop, "snoop again": m.snoop,
			"": m.agrees,
		})
		passed, whole = passed+1, true
	})
}
