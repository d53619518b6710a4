package ec2server_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// A launch that puts another snapshot on a device of the image needs the right
// to read it, though the image's own are read on its behalf.
func TestLaunchOfForeignSnapshot(t *testing.T) {
	t.Parallel()
	i := open(t)
	mine, data, theirs := i.a.snapshot(t, home, "root"), i.a.snapshot(t, home, "data"), i.b.snapshot(t, home, "secret")
	in := bootable("two disks", mine)
	in.BlockDeviceMappings = append(in.BlockDeviceMappings, types.BlockDeviceMapping{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{SnapshotId: &data}})
	launch := launchOf(*do(t, i.a.RegisterImage, in).ImageId)
	put := func(device, snapshot string) *ec2.RunInstancesInput {
		in := *launch
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: &device, Ebs: &types.EbsBlockDevice{SnapshotId: &snapshot}}}
		return &in
	}
	for _, device := range []string{"/dev/sdf", "/dev/sdg"} {
		if out, err := i.a.RunInstances(t.Context(), put(device, theirs)); codeOf(t, err) != "InvalidSnapshot.NotFound" {
			t.Errorf("another's snapshot as %s: got %v, error %v", device, out, err)
		}
		do(t, i.a.RunInstances, put(device, mine))
	}
	// Whoever may launch the image gets its snapshots, and not because they are
	// named once more.
	share := &ec2.ModifyImageAttributeInput{ImageId: launch.ImageId, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{UserId: p(string(i.b.id))}}}}
	do(t, i.a.ModifyImageAttribute, share)
	do(t, i.b.RunInstances, put("/dev/sdf", data))
	if _, err := i.b.RunInstances(t.Context(), put("/dev/sdf", mine)); codeOf(t, err) != "InvalidSnapshot.NotFound" {
		t.Errorf("the root's snapshot on another device: got error %v", err)
	}
}
