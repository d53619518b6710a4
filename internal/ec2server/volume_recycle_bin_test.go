package ec2server_test

import (
	"errors"
	"net/url"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/metadb"
	"origami/internal/rbin"
)

// keepVolumes makes a rule of the Recycle Bin for all of an account's volumes.
func (a *account) keepVolumes(t *testing.T, days int) {
	t.Helper()
	err := a.i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		_, err := rbin.Create(tx, a.caller(home), origami.RetentionRule{Kind: origami.RetainVolumes, Days: days}, clock)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// binnedVolumes lists the IDs of an account's volumes in the Recycle Bin.
func (a *account) binnedVolumes(t *testing.T) (ids []string) {
	t.Helper()
	for _, v := range do(t, a.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{}).Volumes {
		ids = append(ids, *v.VolumeId)
	}
	return ids
}

// TestTerminatedToBin terminates an instance whose volumes a rule keeps, and uses
// what it left.
//
//origami:proves TerminateInstances ListVolumesInRecycleBin RestoreVolumeFromRecycleBin
func TestTerminatedToBin(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	a.keepVolumes(t, 7)
	m := a.started(t, func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(2)), VolumeType: "gp3", DeleteOnTermination: p(true)}},
			{DeviceName: p("/dev/sdg"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1)), DeleteOnTermination: p(false)}},
		}
	})
	volumes := make(map[string]string)
	for _, d := range m.BlockDeviceMappings {
		volumes[*d.DeviceName] = *d.Ebs.VolumeId
	}
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{*m.InstanceId}})
	reaches(t, a.Client, *m.InstanceId, "terminated")
	want := slices.Sorted(slices.Values([]string{volumes["/dev/sda1"], volumes["/dev/sdf"]}))
	if got := a.binnedVolumes(t); !slices.Equal(got, want) {
		t.Errorf("in the bin are %v, want %v", got, want)
	}
	data := volumes["/dev/sdf"]
	same(t, do(t, a.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{VolumeIds: []string{data}}).Volumes, []types.VolumeRecycleBinInfo{{
		VolumeId: &data, VolumeType: "gp3", Size: p(int32(2)), Iops: p(int32(3000)), Throughput: p(int32(125)), State: "available", SnapshotId: p(""),
		AvailabilityZone: m.Placement.AvailabilityZone, AvailabilityZoneId: m.Placement.AvailabilityZoneId, CreateTime: &clock,
		RecycleBinEnterTime: &clock, RecycleBinExitTime: p(clock.AddDate(0, 0, 7)),
	}})
	left := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes
	if len(left) != 1 || *left[0].VolumeId != volumes["/dev/sdg"] || left[0].State != "available" {
		t.Errorf("listed are %+v, want the volume that outlives its instance", left)
	}

	// What is in the bin cannot be attached, and can be again when it is restored.
	again := launch(*m.ImageId)
	again.Placement = &types.Placement{AvailabilityZone: m.Placement.AvailabilityZone}
	other := *do(t, a.RunInstances, again).Instances[0].InstanceId
	reaches(t, a.Client, other, "running")
	attach := &ec2.AttachVolumeInput{VolumeId: &data, InstanceId: &other, Device: p("/dev/sdf")}
	fails(t, a.AttachVolume, attach, "InvalidVolume.NotFound", "The volume '"+data+"' does not exist.")
	fails(t, a.ModifyVolume, &ec2.ModifyVolumeInput{VolumeId: &data, Size: p(int32(3))}, "InvalidVolume.NotFound", "The volume '"+data+"' does not exist.")
	do(t, a.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: &data})
	do(t, a.AttachVolume, attach)
	a.awaitAttachment(t, data, "attached")
}

// nothingIn expects an account to have no volumes, in the bin or outside.
func (a *account) nothingIn(t *testing.T) {
	t.Helper()
	if got := a.binnedVolumes(t); len(got) != 0 {
		t.Errorf("in the bin are %v, want nothing", got)
	}
	if got := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes; len(got) != 0 {
		t.Errorf("listed are %+v, want nothing", got)
	}
}

// TestFailedLaunchNotToBin launches an instance that cannot start, whose volumes
// nobody has used.
//
//origami:proves RunInstances ListVolumesInRecycleBin
func TestFailedLaunchNotToBin(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.expected = "no processors left"
	i.a.keepVolumes(t, 7)
	img := i.a.registered(t, "image")
	i.host.FailStart(errors.New("no processors left"))
	m := *do(t, i.a.RunInstances, launch(img)).Instances[0].InstanceId
	reaches(t, i.a.Client, m, "terminated")
	i.a.nothingIn(t)
}

// TestFailedVolumeNotToBin deletes a volume that could not be made.
//
//origami:proves DeleteVolume ListVolumesInRecycleBin
func TestFailedVolumeNotToBin(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.expected = "Given key ID is not accessible"
	i.a.keepVolumes(t, 7)
	failed := *do(t, i.a.CreateVolume, &ec2.CreateVolumeInput{AvailabilityZone: p(zone), Size: p(int32(1)), Encrypted: p(true), KmsKeyId: p("alias/none")}).VolumeId
	i.a.awaitVolume(t, failed, "in error", func(v types.Volume) bool { return v.State == "error" })
	do(t, i.a.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &failed})
	i.a.nothingIn(t)
}

// TestReplacedToBin replaces a root volume and has the old one deleted, while a
// rule keeps volumes.
//
//origami:proves CreateReplaceRootVolumeTask ListVolumesInRecycleBin
func TestReplacedToBin(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.a.keepVolumes(t, 1)
	m := i.a.started(t, nil)
	old := *m.BlockDeviceMappings[0].Ebs.VolumeId
	task := i.a.replaced(t, &ec2.CreateReplaceRootVolumeTaskInput{InstanceId: m.InstanceId, DeleteReplacedRootVolume: p(true)})
	if task.TaskState != "succeeded" {
		t.Errorf("the replacement %s", task.TaskState)
	}
	if got, want := i.a.binnedVolumes(t), []string{old}; !slices.Equal(got, want) {
		t.Errorf("in the bin are %v, want %v", got, want)
	}
}

// TestBinPolicies lets a user restore volumes by their tags and types.
//
//origami:proves RestoreVolumeFromRecycleBin ListVolumesInRecycleBin
func TestBinPolicies(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.a.keepVolumes(t, 1)
	tagged := i.a.empty(t, func(in *ec2.CreateVolumeInput) {
		in.VolumeType = "gp3"
		in.TagSpecifications = []types.TagSpecification{{ResourceType: "volume", Tags: []types.Tag{tag("team", "blue")}}}
	})
	plain := i.a.empty(t, nil)
	for _, id := range []string{tagged, plain} {
		do(t, i.a.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &id})
	}
	u := i.a.user(t, "alice", `{"Effect":"Deny","Action":"*","Resource":"*"}`)
	volume := "arn:aws:ec2:" + string(home) + ":" + string(i.a.id) + ":volume/"
	for _, test := range []struct{ statement, allowed string }{
		{`{"Effect":"Allow","Action":"ec2:RestoreVolumeFromRecycleBin","Resource":"*"}`, tagged + plain},
		{`{"Effect":"Allow","Action":"ec2:RestoreVolumeFromRecycleBin","Resource":"` + volume + plain + `"}`, plain},
		{`{"Effect":"Allow","Action":"ec2:RestoreVolumeFromRecycleBin","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}}`, tagged},
		{`{"Effect":"Allow","Action":"ec2:RestoreVolumeFromRecycleBin","Resource":"*","Condition":{"StringEquals":{"ec2:VolumeType":"gp2"}}}`, plain},
		{`{"Effect":"Allow","Action":"ec2:RestoreVolumeFromRecycleBin","Resource":"*","Condition":{"NumericEquals":{"ec2:VolumeThroughput":"125"}}}`, tagged},
		{`{"Effect":"Allow","Action":"ec2:RestoreSnapshotFromRecycleBin","Resource":"*"}`, ""},
	} {
		i.a.allow(t, "alice", test.statement)
		got := ""
		for _, id := range []string{tagged, plain} {
			if u.allowed(t, url.Values{"Action": {"RestoreVolumeFromRecycleBin"}, "VolumeId": {id}, "DryRun": {"true"}}) {
				got += id
			}
		}
		if got != test.allowed {
			t.Errorf("%s\nallows %q, want %q", test.statement, got, test.allowed)
		}
	}
	i.a.allow(t, "alice", `{"Effect":"Allow","Action":"ec2:ListVolumesInRecycleBin","Resource":"`+volume+`*"}`)
	list, listAll := url.Values{"Action": {"ListVolumesInRecycleBin"}, "VolumeId.1": {plain}}, url.Values{"Action": {"ListVolumesInRecycleBin"}}
	if !u.allowed(t, list) || !u.allowed(t, listAll) {
		t.Error("a user may not list what it may list")
	}
	if u.allowed(t, url.Values{"Action": {"RestoreVolumeFromRecycleBin"}, "VolumeId": {plain}}) {
		t.Error("who may list may restore")
	}
	i.a.allow(t, "alice", `{"Effect":"Allow","Action":"ec2:ListVolumesInRecycleBin","Resource":"`+volume+plain+`"}`)
	if !u.allowed(t, list) || u.allowed(t, listAll) {
		t.Error("who may list one volume may not, or may list all")
	}
}

// TestSnapshotBinPolicies lets a user restore snapshots by what they are.
//
//origami:proves RestoreSnapshotFromRecycleBin
func TestSnapshotBinPolicies(t *testing.T) {
	t.Parallel()
	i := open(t)
	err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		_, err := rbin.Create(tx, i.a.caller(home), origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 1}, clock)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	snap := i.a.snapshot(t, home, "content")
	do(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &snap})
	u := i.a.user(t, "alice", `{"Effect":"Deny","Action":"*","Resource":"*"}`)
	for condition, want := range map[string]bool{
		`"NumericEquals":{"ec2:VolumeSize":"1"}`:                true,
		`"NumericEquals":{"ec2:VolumeSize":"2"}`:                false,
		`"StringEquals":{"ec2:Owner":"` + string(i.a.id) + `"}`: true,
		`"StringEquals":{"ec2:Owner":"` + string(i.b.id) + `"}`: false,
	} {
		i.a.allow(t, "alice", `{"Effect":"Allow","Action":"ec2:RestoreSnapshotFromRecycleBin","Resource":"*","Condition":{`+condition+`}}`)
		form := url.Values{"Action": {"RestoreSnapshotFromRecycleBin"}, "SnapshotId": {snap}, "DryRun": {"true"}}
		if got := u.allowed(t, form); got != want {
			t.Errorf("%s allows: %v, want %v", condition, got, want)
		}
	}
}
