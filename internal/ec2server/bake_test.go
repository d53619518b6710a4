package ec2server_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

var errNoRoom = errors.New("no room for another machine")

// form makes the parameters of a request.
func form(action string, pairs ...string) url.Values {
	v := url.Values{"Action": {action}}
	for n := 0; n < len(pairs); n += 2 {
		v.Set(pairs[n], pairs[n+1])
	}
	return v
}

// available waits for a pending image.
func available(t *testing.T, c *ec2.Client, id string) types.Image {
	t.Helper()
	var m types.Image
	await(t, id+" to be available", func() bool {
		m = image(t, c, id)
		if m.State == "failed" {
			t.Fatalf("%s failed: %+v", id, *m.StateReason.Message)
		}
		return m.State == "available"
	})
	return m
}

// TestCreateImage bakes images of a running and of a stopped instance, with
// and without a reboot, and with every kind of override.
//
//origami:proves CreateImage DescribeImages DescribeSnapshots S44 S45 S46 S47 S48 S49 S51 S55
func TestCreateImage(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	extra := a.snapshot(t, home, "extra")
	m := a.started(t, func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(8)), VolumeType: "gp3", Iops: p(int32(3500)), Throughput: p(int32(150))}},
			{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1))}},
			{DeviceName: p("/dev/sdg"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(2)), DeleteOnTermination: p(false)}},
			{DeviceName: p("/dev/sdb"), VirtualName: p("ephemeral0")},
		}
	})
	out := do(t, a.CreateImage, &ec2.CreateImageInput{
		InstanceId: m.InstanceId, Name: p("baked"), Description: p("a cake"), NoReboot: p(false),
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sdg"), NoDevice: p("")},
			{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{DeleteOnTermination: p(false), Encrypted: p(false)}},
			{DeviceName: p("/dev/sdh"), Ebs: &types.EbsBlockDevice{SnapshotId: &extra, VolumeSize: p(int32(3))}},
			{DeviceName: p("/dev/sdi"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(4)), VolumeType: "io2", Iops: p(int32(200))}},
			{DeviceName: p("/dev/sdc"), VirtualName: p("ephemeral1")},
		},
		TagSpecifications: []types.TagSpecification{
			{ResourceType: "image", Tags: []types.Tag{{Key: p("on"), Value: p("image")}}},
			{ResourceType: "snapshot", Tags: []types.Tag{{Key: p("on"), Value: p("snapshot")}}},
		},
	})
	id := *out.ImageId
	first := image(t, a.Client, id)
	if first.State != "pending" && first.State != "available" {
		t.Errorf("got state %s, want pending", first.State)
	}
	baked := available(t, a.Client, id)
	device := func(name string, e types.EbsBlockDevice) types.BlockDeviceMapping {
		e.Encrypted = p(false)
		return types.BlockDeviceMapping{DeviceName: &name, Ebs: &e}
	}
	same(t, baked, types.Image{
		ImageId: &id, Name: p("baked"), Description: p("a cake"), State: "available", OwnerId: p(string(a.id)), ImageLocation: p(string(a.id) + "/baked"),
		Public: p(false), CreationDate: p("2024-05-01T12:00:00.000Z"), DeregistrationProtection: p("disabled"), ImageType: "machine", Hypervisor: "xen", FreeTierEligible: p(false),
		Architecture: "x86_64", VirtualizationType: "hvm", EnaSupport: p(true), PlatformDetails: p("Linux/UNIX"), UsageOperation: p("RunInstances"),
		RootDeviceName: p("/dev/sda1"), RootDeviceType: "ebs", SourceInstanceId: m.InstanceId, SourceImageId: m.ImageId, SourceImageRegion: p(string(home)),
		BlockDeviceMappings: []types.BlockDeviceMapping{
			device("/dev/sda1", types.EbsBlockDevice{SnapshotId: baked.BlockDeviceMappings[0].Ebs.SnapshotId, VolumeType: "gp3", Iops: p(int32(3500)), Throughput: p(int32(150)), VolumeSize: p(int32(8)), DeleteOnTermination: p(true)}),
			device("/dev/sdf", types.EbsBlockDevice{SnapshotId: baked.BlockDeviceMappings[1].Ebs.SnapshotId, VolumeType: "gp2", VolumeSize: p(int32(1)), DeleteOnTermination: p(false)}),
			{DeviceName: p("/dev/sdb"), VirtualName: p("ephemeral0")},
			device("/dev/sdh", types.EbsBlockDevice{SnapshotId: &extra, VolumeType: "gp2", VolumeSize: p(int32(3)), DeleteOnTermination: p(true)}),
			device("/dev/sdi", types.EbsBlockDevice{VolumeType: "io2", Iops: p(int32(200)), VolumeSize: p(int32(4)), DeleteOnTermination: p(true)}),
			{DeviceName: p("/dev/sdc"), VirtualName: p("ephemeral1")},
		},
		Tags: []types.Tag{{Key: p("on"), Value: p("image")}},
	})
	for n, size := range []int32{8, 1} {
		snap := do(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*baked.BlockDeviceMappings[n].Ebs.SnapshotId}}).Snapshots[0]
		same(t, snap, types.Snapshot{
			SnapshotId: snap.SnapshotId, VolumeId: m.BlockDeviceMappings[n].Ebs.VolumeId, VolumeSize: &size, State: "completed", Progress: p("100%"),
			Description: p("Created by CreateImage(" + *m.InstanceId + ") for " + id), OwnerId: p(string(a.id)), Encrypted: p(false), StorageTier: "standard",
			StartTime: &clock, CompletionTime: &clock, FullSnapshotSizeInBytes: snap.FullSnapshotSizeInBytes, Tags: []types.Tag{{Key: p("on"), Value: p("snapshot")}},
		})
	}
	await(t, "the machine to be up again", func() bool { _, err := i.host.Spec(*m.InstanceId); return err == nil })
	if got := machine(t, a.Client, *m.InstanceId).State.Name; got != "running" {
		t.Errorf("after the image the instance is %s, want running", got)
	}

	// Without a reboot, twice; then of the stopped instance, which stays so.
	for _, name := range []string{"live 1", "live 2", "stopped"} {
		if name == "stopped" {
			do(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{*m.InstanceId}})
			reaches(t, a.Client, *m.InstanceId, "stopped")
		}
		id := *do(t, a.CreateImage, &ec2.CreateImageInput{InstanceId: m.InstanceId, Name: &name, NoReboot: p(strings.HasPrefix(name, "live"))}).ImageId
		if got := available(t, a.Client, id); len(got.BlockDeviceMappings) != 4 {
			t.Errorf("%s maps %+v, want three volumes and an ephemeral one", name, got.BlockDeviceMappings)
		}
	}
	if got := machine(t, a.Client, *m.InstanceId).State.Name; got != "stopped" {
		t.Errorf("after the last image the instance is %s, want stopped", got)
	}
	// What is baked can be launched.
	reaches(t, a.Client, *do(t, a.RunInstances, launch(id)).Instances[0].InstanceId, "running")
}

// TestCreateImageErrors gives what images.md, section 3, refuses.
//
//origami:proves CreateImage
func TestCreateImageErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	m, foreign := i.a.started(t, nil), i.b.started(t, nil)
	id := *m.InstanceId
	gone := i.a.register(t, i.a.Client, "taken", i.a.snapshot(t, home, "x"))
	device := func(name string, e types.EbsBlockDevice) func(*ec2.CreateImageInput) {
		return func(in *ec2.CreateImageInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: &name, Ebs: &e}}
		}
	}
	for _, tt := range []struct {
		name          string
		edit          func(*ec2.CreateImageInput)
		code, message string
	}{
		{"instance ID", func(in *ec2.CreateImageInput) { in.InstanceId = p("i-") }, "InvalidInstanceID.Malformed", `Invalid id: "i-"`},
		{"no such instance", func(in *ec2.CreateImageInput) { in.InstanceId = p("i-01234567") }, "InvalidInstanceID.NotFound", "The instance ID 'i-01234567' does not exist"},
		{"another's instance", func(in *ec2.CreateImageInput) { in.InstanceId = foreign.InstanceId }, "InvalidInstanceID.NotFound", "The instance ID '" + *foreign.InstanceId + "' does not exist"},
		{"name", func(in *ec2.CreateImageInput) { in.Name = p("a") }, "InvalidAMIName.Malformed", "…"},
		{"taken name", func(in *ec2.CreateImageInput) { in.Name = p("taken") }, "InvalidAMIName.Duplicate", "AMI name taken is already in use by AMI " + gone},
		{"dry run", func(in *ec2.CreateImageInput) { in.DryRun = p(true) }, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
		{"size", device("/dev/sda1", types.EbsBlockDevice{VolumeSize: p(int32(9))}), "InvalidBlockDeviceMapping", "volumeSize cannot be modified on the attached device '/dev/sda1'"},
		{"snapshot", device("/dev/sda1", types.EbsBlockDevice{SnapshotId: p("snap-01234567")}), "InvalidBlockDeviceMapping", "snapshotId cannot be modified on the attached device '/dev/sda1'"},
		{"encryption", device("/dev/sda1", types.EbsBlockDevice{Encrypted: p(true)}), "InvalidBlockDeviceMapping", "the encrypted flag cannot be modified on the attached device '/dev/sda1'"},
		{"root removed", func(in *ec2.CreateImageInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: p("/dev/sda1"), NoDevice: p("")}}
		}, "InvalidBlockDeviceMapping", "The root device '/dev/sda1' cannot be removed from the block device mapping"},
		{"encrypted snapshot", device("/dev/sdf", types.EbsBlockDevice{SnapshotId: image(t, i.a.Client, gone).BlockDeviceMappings[0].Ebs.SnapshotId, Encrypted: p(false)}), "InvalidBlockDeviceMapping", "the encrypted flag cannot be specified since device /dev/sdf has a snapshot specified."},
		{"tags of another kind", func(in *ec2.CreateImageInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "instance", Tags: []types.Tag{{Key: p("a"), Value: p("b")}}}}
		}, "InvalidParameterValue", "'instance' is not a valid taggable resource type for this operation."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &ec2.CreateImageInput{InstanceId: &id, Name: p("cake")}
			tt.edit(in)
			fails(t, i.a.CreateImage, in, tt.code, tt.message)
		})
	}
	do(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	reaches(t, i.a.Client, id, "terminated")
	fails(t, i.a.CreateImage, &ec2.CreateImageInput{InstanceId: &id, Name: p("cake")}, "IncorrectInstanceState", "…")
	if got := do(t, i.a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{}).Snapshots; len(got) != 2 {
		t.Errorf("got %d snapshots after errors, want 2", len(got))
	}
}
