package ec2server_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// replaced asks for another root volume and waits until the task ends.
func (a *account) replaced(t *testing.T, in *ec2.CreateReplaceRootVolumeTaskInput) types.ReplaceRootVolumeTask {
	t.Helper()
	made := *do(t, a.CreateReplaceRootVolumeTask, in).ReplaceRootVolumeTask
	if made.TaskState != "pending" || made.CompleteTime != nil {
		t.Errorf("got a new task %+v, want it pending", made)
	}
	var now types.ReplaceRootVolumeTask
	await(t, "the replacement to end", func() bool {
		out := do(t, a.DescribeReplaceRootVolumeTasks, &ec2.DescribeReplaceRootVolumeTasksInput{ReplaceRootVolumeTaskIds: []string{*made.ReplaceRootVolumeTaskId}})
		now = out.ReplaceRootVolumeTasks[0]
		return now.CompleteTime != nil
	})
	return now
}

// TestReplaceRootVolume goes back to the launch snapshot, on to a later
// snapshot and over to another image.
//
//origami:proves CreateReplaceRootVolumeTask DescribeReplaceRootVolumeTasks
func TestReplaceRootVolume(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := a.started(t, func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(3)), VolumeType: "gp3", DeleteOnTermination: p(false)}},
			{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1))}},
		}
	})
	id := *m.InstanceId
	volumes := func() map[string]string {
		out := make(map[string]string)
		for _, d := range machine(t, a.Client, id).BlockDeviceMappings {
			out[*d.DeviceName] = *d.Ebs.VolumeId
		}
		return out
	}
	before := volumes()
	in := &ec2.CreateReplaceRootVolumeTaskInput{
		InstanceId: &id, ClientToken: p("once"),
		TagSpecifications: []types.TagSpecification{{ResourceType: "replace-root-volume-task", Tags: []types.Tag{tag("why", "test")}}},
	}
	first := a.replaced(t, in)
	if first.TaskState != "succeeded" || len(first.Tags) != 1 || *first.InstanceId != id || *first.DeleteReplacedRootVolume {
		t.Errorf("got %+v, want it succeeded, with a tag", first)
	}
	if again := do(t, a.CreateReplaceRootVolumeTask, in).ReplaceRootVolumeTask; *again.ReplaceRootVolumeTaskId != *first.ReplaceRootVolumeTaskId {
		t.Errorf("got task %s with the same token, want %s", *again.ReplaceRootVolumeTaskId, *first.ReplaceRootVolumeTaskId)
	}
	after := volumes()
	if after["/dev/sda1"] == before["/dev/sda1"] || after["/dev/sdf"] != before["/dev/sdf"] || len(after) != 2 {
		t.Errorf("got volumes %v after %v, want another root and the same data", after, before)
	}
	fresh := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{after["/dev/sda1"]}}).Volumes[0]
	if *fresh.Size != 3 || fresh.VolumeType != "gp3" || *fresh.Attachments[0].DeleteOnTermination || *fresh.SnapshotId != *first.SnapshotId {
		t.Errorf("got the root volume %+v, want the size, the type and the flag of the old one", fresh)
	}
	old := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{before["/dev/sda1"]}}).Volumes[0]
	if old.State != "available" {
		t.Errorf("the old root volume is %s, want it available", old.State)
	}
	now := machine(t, a.Client, id)
	if now.State.Name != "running" || *now.PrivateIpAddress != *m.PrivateIpAddress || *now.PublicIpAddress != *m.PublicIpAddress {
		t.Errorf("got state %s and addresses %s, %s, want it running with those it had", now.State.Name, *now.PrivateIpAddress, *now.PublicIpAddress)
	}

	// A snapshot of the first root volume is of the lineage; a strange one is not.
	snap := *do(t, a.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: old.VolumeId}).SnapshotId
	await(t, "the snapshot", func() bool {
		return do(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{snap}}).Snapshots[0].State == "completed"
	})
	second := a.replaced(t, &ec2.CreateReplaceRootVolumeTaskInput{InstanceId: &id, SnapshotId: &snap, DeleteReplacedRootVolume: p(true)})
	if second.TaskState != "succeeded" || *second.SnapshotId != snap {
		t.Errorf("got %+v, want it succeeded from %s", second, snap)
	}
	fails(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{after["/dev/sda1"]}}, "InvalidVolume.NotFound", "The volume '"+after["/dev/sda1"]+"' does not exist.")
	strange := a.snapshot(t, home, "strange")
	fails(t, a.CreateReplaceRootVolumeTask, &ec2.CreateReplaceRootVolumeTaskInput{InstanceId: &id, SnapshotId: &strange},
		"InvalidParameterValue", "The snapshot '"+strange+"' was not made of the root volume of the instance.")

	// Another image takes its place in the instance's description.
	small := a.register(t, a.Client, "small", a.snapshot(t, home, "small"))
	fails(t, a.CreateReplaceRootVolumeTask, &ec2.CreateReplaceRootVolumeTaskInput{InstanceId: &id, ImageId: &small},
		"InvalidParameterValue", "The image '"+small+"' does not match the instance '"+id+"': its root volume is smaller than the present one.")
	large := bootable("large", a.snapshot(t, home, "large"))
	large.BlockDeviceMappings[0].Ebs.VolumeSize = p(int32(5))
	img := *do(t, a.RegisterImage, large).ImageId
	third := a.replaced(t, &ec2.CreateReplaceRootVolumeTaskInput{InstanceId: &id, ImageId: &img})
	now = machine(t, a.Client, id)
	if third.TaskState != "succeeded" || *third.ImageId != img || *now.ImageId != img {
		t.Errorf("got %+v and image %s, want %s", third, *now.ImageId, img)
	}
	if v := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{volumes()["/dev/sda1"]}}).Volumes[0]; *v.Size != 5 {
		t.Errorf("got a root volume of %d GiB, want the image's 5", *v.Size)
	}
	all := do(t, a.DescribeReplaceRootVolumeTasks, &ec2.DescribeReplaceRootVolumeTasksInput{Filters: []types.Filter{{Name: p("instance-id"), Values: []string{id}}}})
	if len(all.ReplaceRootVolumeTasks) != 3 {
		t.Errorf("got %d tasks, want 3", len(all.ReplaceRootVolumeTasks))
	}

	fails(t, a.CreateReplaceRootVolumeTask, &ec2.CreateReplaceRootVolumeTaskInput{InstanceId: &id, ImageId: &img, SnapshotId: &snap},
		"InvalidParameterCombination", "Specify either a snapshot or an image, not both.")
	fails(t, i.b.CreateReplaceRootVolumeTask, &ec2.CreateReplaceRootVolumeTaskInput{InstanceId: &id}, "InvalidInstanceID.NotFound", "The instance ID '"+id+"' does not exist")
	fails(t, i.b.DescribeReplaceRootVolumeTasks, &ec2.DescribeReplaceRootVolumeTasksInput{ReplaceRootVolumeTaskIds: []string{*first.ReplaceRootVolumeTaskId}},
		"InvalidReplaceRootVolumeTaskId.NotFound", "The replace root volume task '"+*first.ReplaceRootVolumeTaskId+"' does not exist")
	do(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{id}})
	reaches(t, a.Client, id, "stopped")
	fails(t, a.CreateReplaceRootVolumeTask, &ec2.CreateReplaceRootVolumeTaskInput{InstanceId: &id}, "IncorrectInstanceState", "The instance '"+id+"' is not in the 'running' state.")
	if strings.Contains(i.log.String(), "root volume") {
		t.Errorf("the service logged: %s", i.log.String())
	}
}
