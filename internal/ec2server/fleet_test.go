package ec2server_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// fleet launches n instances of an image and gives the content that each has on
// its root disk.
func (a *account) fleet(t *testing.T, c *ec2.Client, id string, n int32) (instances, disks []string) {
	t.Helper()
	out := do(t, c.RunInstances, &ec2.RunInstancesInput{ImageId: &id, InstanceType: "t3.micro", MinCount: &n, MaxCount: &n})
	for _, m := range out.Instances {
		vm := reaches(t, c, *m.InstanceId, "running")
		snap := do(t, c.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: vm.BlockDeviceMappings[0].Ebs.VolumeId})
		await(t, "the snapshot of a root disk", func() bool {
			got := do(t, c.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*snap.SnapshotId}}).Snapshots[0]
			return got.State == types.SnapshotStateCompleted
		})
		instances, disks = append(instances, *vm.InstanceId), append(disks, *snap.SnapshotId)
	}
	return instances, disks
}

// TestRecoveryRegion loses a region: its images, their snapshots and instances.
// The copies of the night before launch the same instances in the other one.
//
//origami:proves CopyImage RunInstances S82
func TestRecoveryRegion(t *testing.T) {
	t.Parallel()
	i := open(t)
	far := i.a.in(abroad)
	snap := i.a.snapshot(t, home, "application")
	id := i.a.register(t, i.a.Client, "app-base-2024-05-01", snap)
	instances, _ := i.a.fleet(t, i.a.Client, id, 2)
	night := *do(t, far.CopyImage, &ec2.CopyImageInput{SourceImageId: &id, SourceRegion: p(string(home)), Name: p("app-base-2024-05-01")}).ImageId
	settled(t, far, night)

	do(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: instances})
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id, DeleteAssociatedSnapshots: p(true)})

	newest := do(t, far.DescribeImages, &ec2.DescribeImagesInput{Owners: []string{"self"}, Filters: filter("name", "app-base-*")}).Images
	if len(newest) != 1 || *newest[0].ImageId != night {
		t.Fatalf("the other region has %+v", newest)
	}
	_, disks := i.a.fleet(t, far, night, 2)
	for _, d := range disks {
		if !i.a.begins(t, abroad, d, "application") {
			t.Errorf("the disk %s is not that of the lost region", d)
		}
	}
}

// TestRetire retires the older images of a family, step by step, after the
// newest was tried. Instances of the old ones run on, and what the newest shares
// with them stays.
//
//origami:proves EnableImageDeprecation DisableImage DeregisterImage DescribeImages S91 S112
func TestRetire(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	data := a.snapshot(t, home, "data") // of every version
	var family, roots []string
	for _, day := range []string{"2024-04-17", "2024-04-24", "2024-05-01"} {
		root := a.snapshot(t, home, day)
		in := bootable("app-base-"+day, root)
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, types.BlockDeviceMapping{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{SnapshotId: &data}})
		roots, family = append(roots, root), append(family, *do(t, a.RegisterImage, in).ImageId)
	}
	running, _ := a.fleet(t, a.Client, family[0], 1)
	tried, _ := a.fleet(t, a.Client, family[2], 1)
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: tried})
	do(t, a.CreateTags, &ec2.CreateTagsInput{Resources: family[2:], Tags: []types.Tag{tag("validated", "yes")}})
	for _, id := range family {
		do(t, a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{
			Add: []types.LaunchPermission{{UserId: p(string(i.b.id))}}}})
	}
	listed := func(c *ec2.Client) (ids []string) {
		for _, m := range do(t, c.DescribeImages, &ec2.DescribeImagesInput{Filters: filter("name", "app-base-*")}).Images {
			ids = append(ids, *m.ImageId)
		}
		slices.SortFunc(ids, func(x, y string) int { return slices.Index(family, x) - slices.Index(family, y) })
		return ids
	}
	same(t, listed(i.b.Client), family)

	old := slices.Clone(family[:2])
	at := clock.Add(time.Hour)
	for _, id := range old {
		do(t, a.EnableImageDeprecation, &ec2.EnableImageDeprecationInput{ImageId: &id, DeprecateAt: &at})
	}
	i.later(2 * time.Hour)
	same(t, listed(i.b.Client), family[2:])
	same(t, listed(a.Client), family)
	for _, id := range old {
		do(t, a.DisableImage, &ec2.DisableImageInput{ImageId: &id})
		fails(t, a.RunInstances, launchOf(id), "InvalidAMIID.Unavailable", "…")
	}
	same(t, listed(a.Client), family[2:])
	for n, id := range old {
		out := do(t, a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id, DeleteAssociatedSnapshots: p(true)})
		got := make(map[string]string)
		for _, r := range out.DeleteSnapshotResults {
			got[*r.SnapshotId] = string(r.ReturnCode)
		}
		same(t, got, map[string]string{roots[n]: "success", data: "skipped"})
	}
	left := do(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: filter("snapshot-id", append(slices.Clone(roots), data)...)}).Snapshots
	if len(left) != 2 {
		t.Errorf("%d snapshots are left, want those of the newest image", len(left))
	}
	reaches(t, a.Client, running[0], "running")
	a.fleet(t, a.Client, family[2], 1)
}

// TestGoldenImage launches fleets of one image at different times and by
// different accounts: each instance has the same on its disk, whatever the
// others wrote to theirs.
//
//origami:proves RunInstances S113
func TestGoldenImage(t *testing.T) {
	t.Parallel()
	i := open(t)
	golden := i.a.register(t, i.a.Client, "golden-1.2.3", i.a.snapshot(t, home, "versions"))
	do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &golden, LaunchPermission: &types.LaunchPermissionModifications{
		Add: []types.LaunchPermission{{UserId: p(string(i.b.id))}}}})
	first, disks := i.a.fleet(t, i.a.Client, golden, 2)
	m := reaches(t, i.a.Client, first[0], "running")
	i.a.write(t, *m.BlockDeviceMappings[0].Ebs.VolumeId, 0, "changed")
	_, more := i.a.fleet(t, i.a.Client, golden, 1)
	_, theirs := i.b.fleet(t, i.b.Client, golden, 1)
	if !i.a.begins(t, home, disks[0], "versions") {
		t.Errorf("the disk %s has something else", disks[0])
	}
	want := i.content(t, home, disks[0])
	for _, d := range slices.Concat(disks[1:], more, theirs) {
		if got := i.content(t, home, d); got != want {
			t.Errorf("the disk %s differs from the first", d)
		}
	}
}

// TestPublisher publishes an image: strangers read who made it in the
// description, and find it by that; the owner is a number to them, and its tags
// are its own.
//
//origami:proves RegisterImage ModifyImageAttribute DescribeImages S71 S108
func TestPublisher(t *testing.T) {
	t.Parallel()
	i := open(t)
	in := bootable("web-2024-05-01", i.a.snapshot(t, home, "web"))
	in.TagSpecifications = tagged("image", "publisher", "secret")
	id := *do(t, i.a.RegisterImage, in).ImageId
	do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, Description: &types.AttributeValue{Value: p("Published by Alice, https://alice.example")}})
	do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{
		Add: []types.LaunchPermission{{Group: "all"}}}})
	got := do(t, i.b.DescribeImages, &ec2.DescribeImagesInput{ExecutableUsers: []string{"all"}, Filters: filter("description", "*https://alice.example*")}).Images
	if len(got) != 1 || *got[0].ImageId != id || *got[0].Description != "Published by Alice, https://alice.example" {
		t.Fatalf("bob finds %+v", got)
	}
	if m := got[0]; *m.OwnerId != string(i.a.id) || m.ImageOwnerAlias != nil || len(m.Tags) != 0 {
		t.Errorf("bob sees the owner %s, the alias %v and the tags %v", *m.OwnerId, m.ImageOwnerAlias, m.Tags)
	}
}

// TestRebuildAsHVM has a paravirtual image with kernel and RAM disk that no
// machine runs. An hvm image of the same disk needs neither, and runs.
//
//origami:proves RegisterImage RunInstances S20
func TestRebuildAsHVM(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "old system")
	old := *do(t, i.a.RegisterImage, &ec2.RegisterImageInput{
		Name: p("old"), Architecture: "x86_64", KernelId: p("aki-01234567"), RamdiskId: p("ari-01234567"),
		RootDeviceName: p("/dev/sda1"), BlockDeviceMappings: bootable("", snap).BlockDeviceMappings,
	}).ImageId
	if m := image(t, i.a.Client, old); m.VirtualizationType != "paravirtual" || *m.KernelId != "aki-01234567" || *m.RamdiskId != "ari-01234567" {
		t.Errorf("the old image is %+v", m)
	}
	fails(t, i.a.RunInstances, launchOf(old), "InvalidParameterCombination",
		"Non-Windows instances with a virtualization type of 'paravirtual' are currently not supported for this instance type.")
	rebuilt := i.a.register(t, i.a.Client, "rebuilt", snap)
	if m := image(t, i.a.Client, rebuilt); m.VirtualizationType != "hvm" || m.KernelId != nil || m.RamdiskId != nil {
		t.Errorf("the new image is %+v", m)
	}
	if _, disks := i.a.fleet(t, i.a.Client, rebuilt, 1); !i.a.begins(t, home, disks[0], "old system") {
		t.Error("the new instance has another disk")
	}
}
