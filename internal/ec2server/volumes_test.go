package ec2server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const zone = string(home) + "a"

// empty makes a volume of 1 GiB that is available.
func (a *account) empty(t *testing.T, edit func(*ec2.CreateVolumeInput)) string {
	t.Helper()
	in := &ec2.CreateVolumeInput{AvailabilityZone: p(zone), Size: p(int32(1))}
	if edit != nil {
		edit(in)
	}
	out := do(t, a.CreateVolume, in)
	if out.State != types.VolumeStateCreating {
		t.Errorf("a new volume is %s, want creating", out.State)
	}
	a.awaitVolume(t, *out.VolumeId, "available", func(v types.Volume) bool { return v.State == types.VolumeStateAvailable })
	return *out.VolumeId
}

func (a *account) awaitVolume(t *testing.T, id, what string, ok func(types.Volume) bool) types.Volume {
	t.Helper()
	var v types.Volume
	await(t, id+" to be "+what, func() bool {
		v = do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{id}}).Volumes[0]
		return ok(v)
	})
	return v
}

func (a *account) awaitAttachment(t *testing.T, id string, state types.VolumeAttachmentState) types.Volume {
	t.Helper()
	return a.awaitVolume(t, id, string(state), func(v types.Volume) bool {
		if state == types.VolumeAttachmentStateDetached {
			return v.State == types.VolumeStateAvailable && len(v.Attachments) == 0
		}
		return len(v.Attachments) == 1 && v.Attachments[0].State == state
	})
}

// TestCreateVolume walks through the rules of sizes, types and performance.
//
//origami:proves CreateVolume DescribeVolumes S38
func TestCreateVolume(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "content")
	bobs := i.b.snapshot(t, home, "other")
	type in = ec2.CreateVolumeInput
	n := func(v int32) *int32 { return &v }
	good := []struct {
		name             string
		in               in
		kind             types.VolumeType
		size, iops, rate int32
	}{
		{"default", in{AvailabilityZone: p(zone), Size: n(1)}, "gp2", 1, 100, 0},
		{"zone ID", in{AvailabilityZoneId: p("euw1-az1"), Size: n(1)}, "gp2", 1, 100, 0},
		{"gp2 derives", in{AvailabilityZone: p(zone), Size: n(200)}, "gp2", 200, 600, 0},
		{"gp3", in{AvailabilityZone: p(zone), Size: n(2), VolumeType: "gp3"}, "gp3", 2, 3000, 125},
		{"gp3 fast", in{AvailabilityZone: p(zone), Size: n(20), VolumeType: "gp3", Iops: n(4000), Throughput: n(500)}, "gp3", 20, 4000, 500},
		{"io1", in{AvailabilityZone: p(zone), Size: n(4), VolumeType: "io1", Iops: n(200)}, "io1", 4, 200, 0},
		{"io2", in{AvailabilityZone: p(zone), Size: n(4), VolumeType: "io2", Iops: n(4000)}, "io2", 4, 4000, 0},
		{"st1", in{AvailabilityZone: p(zone), Size: n(125), VolumeType: "st1"}, "st1", 125, 0, 0},
		{"snapshot", in{AvailabilityZone: p(zone), SnapshotId: &snap}, "gp2", 1, 100, 0},
		{"larger than its snapshot", in{AvailabilityZone: p(zone), SnapshotId: &snap, Size: n(3)}, "gp2", 3, 100, 0},
	}
	for _, test := range good {
		out := do(t, i.a.CreateVolume, &test.in)
		got := i.a.awaitVolume(t, *out.VolumeId, "available", func(v types.Volume) bool { return v.State == types.VolumeStateAvailable })
		value := func(p *int32) int32 {
			if p == nil {
				return 0
			}
			return *p
		}
		if got.VolumeType != test.kind || *got.Size != test.size || value(got.Iops) != test.iops || value(got.Throughput) != test.rate || *got.AvailabilityZone != zone {
			t.Errorf("%s: got %s of %d GiB with %d IOPS and %d MiB/s in %s", test.name, got.VolumeType, *got.Size, value(got.Iops), value(got.Throughput), *got.AvailabilityZone)
		}
	}
	bad := []struct {
		in            in
		code, message string
	}{
		{in{AvailabilityZone: p(zone)}, "MissingParameter", "The request must contain the parameter size/snapshot"},
		{in{Size: n(1)}, "MissingParameter", "The request must contain the parameter availabilityZone"},
		{in{AvailabilityZone: p("us-east-1z"), Size: n(1)}, "InvalidZone.NotFound", "The zone 'us-east-1z' does not exist."},
		{in{AvailabilityZone: p(zone), AvailabilityZoneId: p("euw1-az1"), Size: n(1)}, "InvalidParameterCombination", "…"},
		{in{AvailabilityZone: p(zone), Size: n(0)}, "InvalidParameterValue", "…"},
		{in{AvailabilityZone: p(zone), Size: n(-1)}, "InvalidParameterValue", "…"},
		{in{AvailabilityZone: p(zone), Size: n(16385)}, "InvalidParameterValue", "…"},
		{in{AvailabilityZone: p(zone), Size: n(1), VolumeType: "gp4"}, "UnknownVolumeType", "Unsupported volume type 'gp4' for volume creation."},
		{in{AvailabilityZone: p(zone), Size: n(1), Iops: n(100)}, "InvalidParameterCombination", "The parameter iops is not supported for gp2 volumes."},
		{in{AvailabilityZone: p(zone), Size: n(4), VolumeType: "io1"}, "MissingParameter", "The request must contain the parameter iops"},
		{in{AvailabilityZone: p(zone), Size: n(4), VolumeType: "io1", Iops: n(201)}, "InvalidParameterValue", "…"},
		{in{AvailabilityZone: p(zone), Size: n(2), VolumeType: "gp3", Throughput: n(1000)}, "InvalidParameterValue", "…"},
		{in{AvailabilityZone: p(zone), Size: n(124), VolumeType: "sc1"}, "InvalidParameterValue", "…"},
		{in{AvailabilityZone: p(zone), SnapshotId: p("snap-0123456789abcdef0")}, "InvalidSnapshot.NotFound", "The snapshot 'snap-0123456789abcdef0' does not exist."},
		{in{AvailabilityZone: p(zone), SnapshotId: &bobs}, "InvalidSnapshot.NotFound", "…"},
		{in{AvailabilityZone: p(zone), SnapshotId: p("snap")}, "InvalidSnapshotID.Malformed", "…"},
		{in{AvailabilityZone: p(zone), Size: n(1), Encrypted: p(false), KmsKeyId: p("alias/aws/ebs")}, "InvalidParameterCombination", "…"},
		{in{AvailabilityZone: p(zone), Size: n(1), KmsKeyId: p("alias/aws/ebs")}, "InvalidParameterDependency", "…"},
		{in{AvailabilityZone: p(zone), Size: n(4), VolumeType: "io1", Iops: n(100), MultiAttachEnabled: p(true)}, "UnsupportedOperation", "…"},
		{in{AvailabilityZone: p(zone), Size: n(1), DryRun: p(true)}, "DryRunOperation", "…"},
	}
	for _, test := range bad {
		fails(t, i.a.CreateVolume, &test.in, test.code, test.message)
	}
	token := in{AvailabilityZone: p(zone), Size: n(1), ClientToken: p("once"), TagSpecifications: []types.TagSpecification{
		{ResourceType: "volume", Tags: []types.Tag{{Key: p("k"), Value: p("v")}}}}}
	one, two := do(t, i.a.CreateVolume, &token), do(t, i.a.CreateVolume, &token)
	if *one.VolumeId != *two.VolumeId || len(one.Tags) != 1 || *one.Tags[0].Value != "v" {
		t.Errorf("one token made %s and %s with tags %v", *one.VolumeId, *two.VolumeId, one.Tags)
	}
	token.Size = n(2)
	fails(t, i.a.CreateVolume, &token, "IdempotentParameterMismatch", "…")
}

// TestVolumeLife attaches a volume, detaches it and deletes it.
//
//origami:proves AttachVolume DetachVolume DeleteVolume S37 S38
func TestVolumeLife(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := *a.started(t, nil).InstanceId
	v := a.empty(t, nil)
	attach := &ec2.AttachVolumeInput{VolumeId: &v, InstanceId: &m, Device: p("/dev/sdf")}
	same(t, do(t, a.AttachVolume, attach), &ec2.AttachVolumeOutput{
		VolumeId: &v, InstanceId: &m, Device: p("/dev/sdf"), State: "attaching", DeleteOnTermination: p(false), AttachTime: p(clock),
	})
	got := a.awaitAttachment(t, v, "attached")
	if got.State != "in-use" || *got.Attachments[0].Device != "/dev/sdf" || *got.Attachments[0].InstanceId != m {
		t.Errorf("an attached volume = %+v", got)
	}
	mapping := do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{m}}).Reservations[0].Instances[0].BlockDeviceMappings
	if len(mapping) != 2 || *mapping[1].DeviceName != "/dev/sdf" || *mapping[1].Ebs.VolumeId != v || mapping[1].Ebs.Status != "attached" {
		t.Errorf("the instance has %+v, want the volume as /dev/sdf", mapping)
	}
	fails(t, a.AttachVolume, attach, "VolumeInUse", v+" is already attached to an instance")
	fails(t, a.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &v}, "VolumeInUse", "Volume "+v+" is currently attached to "+m)
	other := a.empty(t, nil)
	attach.VolumeId = &other
	fails(t, a.AttachVolume, attach, "InvalidParameterValue", "Invalid value '/dev/sdf' for unixDevice. Attachment point /dev/sdf is already in use")
	attach.Device = p("/dev/sdf/..")
	fails(t, a.AttachVolume, attach, "InvalidParameterValue", "…")
	fails(t, i.b.DetachVolume, &ec2.DetachVolumeInput{VolumeId: &v}, "InvalidVolume.NotFound", "The volume '"+v+"' does not exist.")
	fails(t, i.b.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &other}, "InvalidVolume.NotFound", "The volume '"+other+"' does not exist.")
	fails(t, a.DetachVolume, &ec2.DetachVolumeInput{VolumeId: &other}, "IncorrectState", "Volume '"+other+"' is in the 'available' state.")
	fails(t, a.DetachVolume, &ec2.DetachVolumeInput{VolumeId: &v, Device: p("/dev/sdz")}, "InvalidAttachment.NotFound", "…")
	out := do(t, a.DetachVolume, &ec2.DetachVolumeInput{VolumeId: &v, InstanceId: &m, Device: p("/dev/sdf")})
	same(t, out, &ec2.DetachVolumeOutput{
		VolumeId: &v, InstanceId: &m, Device: p("/dev/sdf"), State: "detaching", DeleteOnTermination: p(false), AttachTime: p(clock),
	})
	a.awaitAttachment(t, v, "detached")
	do(t, a.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &v})
	fails(t, a.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &v}, "InvalidVolume.NotFound", "The volume '"+v+"' does not exist.")
	fails(t, a.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: p("vol")}, "InvalidVolumeID.Malformed", "…")
}

// TestVolumeBusy shows a guest that holds on to its disk in the lists.
func TestVolumeBusy(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := *a.started(t, nil).InstanceId
	v := a.empty(t, nil)
	do(t, a.AttachVolume, &ec2.AttachVolumeInput{VolumeId: &v, InstanceId: &m, Device: p("/dev/sdf")})
	a.awaitAttachment(t, v, "attached")
	if err := i.host.Cling(m, true); err != nil {
		t.Fatal(err)
	}
	do(t, a.DetachVolume, &ec2.DetachVolumeInput{VolumeId: &v})
	a.awaitAttachment(t, v, "busy")
	mapping := do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{m}}).Reservations[0].Instances[0].BlockDeviceMappings
	if got := mapping[1].Ebs.Status; got != "detaching" {
		t.Errorf("the instance says %s, want detaching", got)
	}
	do(t, a.DetachVolume, &ec2.DetachVolumeInput{VolumeId: &v, Force: p(true)})
	a.awaitAttachment(t, v, "detached")
}

// TestModifyVolume changes shapes, and lists the changes.
//
//origami:proves ModifyVolume DescribeVolumesModifications
func TestModifyVolume(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	v, w := a.empty(t, nil), a.empty(t, func(in *ec2.CreateVolumeInput) { in.VolumeType = "gp3" })
	type in = ec2.ModifyVolumeInput
	n := func(v int32) *int32 { return &v }
	for _, test := range []struct {
		in            in
		code, message string
	}{
		{in{VolumeId: &v}, "MissingParameter", "…"},
		{in{VolumeId: p("vol"), Size: n(2)}, "InvalidVolumeID.Malformed", "…"},
		{in{VolumeId: p("vol-0123456789abcdef0"), Size: n(2)}, "InvalidVolume.NotFound", "…"},
		{in{VolumeId: &v, Size: n(-2)}, "InvalidParameterValue", "…"},
		{in{VolumeId: &v, Size: n(16385)}, "InvalidParameterValue", "…"},
		{in{VolumeId: &v, Iops: n(500)}, "InvalidParameterCombination", "…"},
		{in{VolumeId: &v, VolumeType: "io1"}, "InvalidParameterValue", "…"}, // 1 GiB is too small
		{in{VolumeId: &w, Throughput: n(2000)}, "InvalidParameterValue", "…"},
		{in{VolumeId: &w, Size: n(2), MultiAttachEnabled: p(true)}, "UnsupportedOperation", "…"},
		{in{VolumeId: &w, Size: n(2), DryRun: p(true)}, "DryRunOperation", "…"},
	} {
		fails(t, a.ModifyVolume, &test.in, test.code, test.message)
	}
	fails(t, i.b.ModifyVolume, &in{VolumeId: &v, Size: n(2)}, "InvalidVolume.NotFound", "The volume '"+v+"' does not exist.")
	none := &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{v}}
	fails(t, a.DescribeVolumesModifications, none, "InvalidVolumeModification.NotFound", "Modification for volume '"+v+"' does not exist.")

	got := do(t, a.ModifyVolume, &in{VolumeId: &w, Size: n(8), Iops: n(4000)}).VolumeModification
	want := &types.VolumeModification{
		VolumeId: &w, ModificationState: "modifying", Progress: p(int64(0)), StartTime: p(clock),
		OriginalSize: n(1), OriginalIops: n(3000), OriginalThroughput: n(125), OriginalVolumeType: "gp3", OriginalMultiAttachEnabled: p(false),
		TargetSize: n(8), TargetIops: n(4000), TargetThroughput: n(125), TargetVolumeType: "gp3", TargetMultiAttachEnabled: p(false),
	}
	same(t, got, want)
	completed := func(id string) types.VolumeModification {
		t.Helper()
		var m types.VolumeModification
		await(t, id+" to be modified", func() bool {
			m = do(t, a.DescribeVolumesModifications, &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{id}}).VolumesModifications[0]
			return m.ModificationState == "completed"
		})
		return m
	}
	want.ModificationState, want.Progress, want.EndTime = "completed", p(int64(100)), p(clock)
	last := completed(w)
	same(t, &last, want)
	shape := a.awaitVolume(t, w, "8 GiB", func(v types.Volume) bool { return *v.Size == 8 })
	if *shape.Iops != 4000 || *shape.Throughput != 125 {
		t.Errorf("the volume = %+v, want 4000 IOPS", shape)
	}
	fails(t, a.ModifyVolume, &in{VolumeId: &w, Size: n(7)}, "InvalidParameterValue", "New size cannot be smaller than existing size")
	do(t, a.ModifyVolume, &in{VolumeId: &v, VolumeType: "gp3", Size: n(2)})
	if m := completed(v); *m.OriginalIops != 100 || *m.TargetIops != 3000 || *m.TargetThroughput != 125 {
		t.Errorf("gp2 to gp3 = %+v", m)
	}
	for filter, want := range map[string][]string{
		"modification-state=completed":     {v, w},
		"modification-state=modifying":     nil,
		"target-size=8":                    {w},
		"original-volume-type=gp2":         {v},
		"target-iops=4000":                 {w},
		"start-time=2024-05-01T12:00:00.*": {v, w},
		"originalMultiAttachEnabled=true":  nil,
		"volume-id=" + v:                   {v},
	} {
		out := do(t, a.DescribeVolumesModifications, &ec2.DescribeVolumesModificationsInput{Filters: []types.Filter{filterOf(filter)}})
		ids := make(map[string]bool)
		for _, m := range out.VolumesModifications {
			ids[*m.VolumeId] = true
		}
		if len(ids) != len(want) || len(want) > 0 && !ids[want[0]] {
			t.Errorf("filter %s finds %v, want %v", filter, ids, want)
		}
	}
	page := do(t, a.DescribeVolumesModifications, &ec2.DescribeVolumesModificationsInput{MaxResults: n(1)})
	next := do(t, a.DescribeVolumesModifications, &ec2.DescribeVolumesModificationsInput{MaxResults: n(1), NextToken: page.NextToken})
	if len(page.VolumesModifications) != 1 || len(next.VolumesModifications) != 1 || next.NextToken != nil ||
		*page.VolumesModifications[0].VolumeId == *next.VolumesModifications[0].VolumeId {
		t.Errorf("pages %v and %v, want one volume each", page.VolumesModifications, next.VolumesModifications)
	}
	if got := do(t, i.b.DescribeVolumesModifications, &ec2.DescribeVolumesModificationsInput{}).VolumesModifications; len(got) != 0 {
		t.Errorf("bob sees %v", got)
	}
}

// filterOf reads "name=value".
func filterOf(text string) types.Filter {
	for n := range text {
		if text[n] == '=' {
			return types.Filter{Name: p(text[:n]), Values: []string{text[n+1:]}}
		}
	}
	panic(text)
}

// TestVolumeStatus asks how volumes are, and for their attributes.
//
//origami:proves DescribeVolumeStatus DescribeVolumeAttribute ModifyVolumeAttribute EnableVolumeIO
func TestVolumeStatus(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	v := a.empty(t, nil)
	m := a.started(t, func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1)), VolumeType: "gp3"}}}
	})
	used := *m.BlockDeviceMappings[1].Ebs.VolumeId
	item := func(id, io string, attached ...types.VolumeStatusAttachmentStatus) types.VolumeStatusItem {
		return types.VolumeStatusItem{
			VolumeId: p(id), AvailabilityZone: p(zone), AvailabilityZoneId: p("euw1-az1"),
			Actions: nil, Events: nil, AttachmentStatuses: attached,
			VolumeStatus: &types.VolumeStatusInfo{Status: "ok", Details: []types.VolumeStatusDetails{
				{Name: "io-enabled", Status: p("passed")}, {Name: "io-performance", Status: p(io)},
			}},
		}
	}
	for id, want := range map[string]types.VolumeStatusItem{
		v:    item(v, "not-applicable"),
		used: item(used, "normal", types.VolumeStatusAttachmentStatus{InstanceId: m.InstanceId, IoPerformance: p("normal")}),
	} {
		got := do(t, a.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{VolumeIds: []string{id}}).VolumeStatuses
		if len(got) != 1 {
			t.Fatalf("status of %s = %v", id, got)
		}
		got[0].Actions, got[0].Events = nil, nil
		if len(got[0].AttachmentStatuses) == 0 {
			got[0].AttachmentStatuses = nil
		}
		same(t, got[0], want)
	}
	for filter, want := range map[string]int{
		"volume-status.status=ok":             3,
		"volume-status.status=impaired":       0,
		"volume-status.details-name=io-*":     3,
		"volume-status.details-status=normal": 1,
		"availability-zone=" + zone:           3,
		"event.event-type=*":                  0,
		"action.code=enable-volume-io":        0,
	} {
		got := do(t, a.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{Filters: []types.Filter{filterOf(filter)}}).VolumeStatuses
		if len(got) != want {
			t.Errorf("filter %s finds %d volumes, want %d", filter, len(got), want)
		}
	}
	fails(t, i.b.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{VolumeIds: []string{v}}, "InvalidVolume.NotFound", "…")

	for _, on := range []bool{true, false} {
		do(t, a.ModifyVolumeAttribute, &ec2.ModifyVolumeAttributeInput{VolumeId: &v, AutoEnableIO: &types.AttributeBooleanValue{Value: p(on)}})
		got := do(t, a.DescribeVolumeAttribute, &ec2.DescribeVolumeAttributeInput{VolumeId: &v, Attribute: "autoEnableIO"})
		if *got.AutoEnableIO.Value != on || *got.VolumeId != v {
			t.Errorf("autoEnableIO = %+v, want %t", got, on)
		}
	}
	if got := do(t, a.DescribeVolumeAttribute, &ec2.DescribeVolumeAttributeInput{VolumeId: &v, Attribute: "productCodes"}); len(got.ProductCodes) != 0 || got.AutoEnableIO != nil {
		t.Errorf("productCodes = %+v, want none", got)
	}
	fails(t, i.b.DescribeVolumeAttribute, &ec2.DescribeVolumeAttributeInput{VolumeId: &v, Attribute: "autoEnableIO"}, "InvalidVolume.NotFound", "…")
	fails(t, i.b.ModifyVolumeAttribute, &ec2.ModifyVolumeAttributeInput{VolumeId: &v, AutoEnableIO: &types.AttributeBooleanValue{Value: p(true)}}, "InvalidVolume.NotFound", "…")
	fails(t, a.ModifyVolumeAttribute, &ec2.ModifyVolumeAttributeInput{VolumeId: &v}, "MissingParameter", "…")
	do(t, a.EnableVolumeIO, &ec2.EnableVolumeIOInput{VolumeId: &v})
	fails(t, i.b.EnableVolumeIO, &ec2.EnableVolumeIOInput{VolumeId: &v}, "InvalidVolume.NotFound", "…")
}

// TestCreateSnapshots takes snapshots of all volumes of an instance.
//
//origami:proves CreateSnapshots S54
func TestCreateSnapshots(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := a.started(t, func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(2))}}}
	})
	root, data := *m.BlockDeviceMappings[0].Ebs.VolumeId, *m.BlockDeviceMappings[1].Ebs.VolumeId
	do(t, a.CreateTags, &ec2.CreateTagsInput{Resources: []string{data}, Tags: []types.Tag{{Key: p("from"), Value: p("volume")}}})
	out := do(t, a.CreateSnapshots, &ec2.CreateSnapshotsInput{
		InstanceSpecification: &types.InstanceSpecification{InstanceId: m.InstanceId},
		Description:           p("all"), CopyTagsFromSource: "volume",
		TagSpecifications: []types.TagSpecification{{ResourceType: "snapshot", Tags: []types.Tag{{Key: p("k"), Value: p("v")}}}},
	}).Snapshots
	for n, want := range []struct {
		volume string
		size   int32
		tags   string
	}{{root, 1, "k"}, {data, 2, "from k"}} {
		tags := ""
		for _, tag := range out[n].Tags {
			tags += *tag.Key + " "
		}
		if *out[n].VolumeId != want.volume || *out[n].VolumeSize != want.size || tags != want.tags+" " ||
			*out[n].Description != "all" || !out[n].StartTime.Equal(*out[0].StartTime) || *out[n].OwnerId != string(a.id) {
			t.Errorf("snapshot %d = %+v, tags %s, want %+v", n, out[n], tags, want)
		}
		id := *out[n].SnapshotId
		await(t, id+" to be completed", func() bool {
			got := do(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}}).Snapshots[0]
			return got.State == "completed"
		})
	}
	spec := func(edit func(*types.InstanceSpecification)) *ec2.CreateSnapshotsInput {
		s := &types.InstanceSpecification{InstanceId: m.InstanceId}
		edit(s)
		return &ec2.CreateSnapshotsInput{InstanceSpecification: s}
	}
	only := do(t, a.CreateSnapshots, spec(func(s *types.InstanceSpecification) { s.ExcludeBootVolume = p(true) })).Snapshots
	if len(only) != 1 || *only[0].VolumeId != data {
		t.Errorf("without the root = %+v, want %s", only, data)
	}
	long := spec(func(*types.InstanceSpecification) {})
	long.Description = p(strings.Repeat("d", 256))
	fails(t, a.CreateSnapshots, long, "InvalidParameterValue", "…")
	fails(t, a.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: &data, Description: long.Description}, "InvalidParameterValue", "…")
	fails(t, a.CreateSnapshots, spec(func(s *types.InstanceSpecification) { s.ExcludeDataVolumeIds = []string{root} }), "InvalidParameterValue", "…")
	fails(t, a.CreateSnapshots, spec(func(s *types.InstanceSpecification) { s.ExcludeDataVolumeIds = []string{"v"} }), "InvalidVolumeID.Malformed", "…")
	fails(t, a.CreateSnapshots, spec(func(s *types.InstanceSpecification) { s.InstanceId = p("i") }), "InvalidInstanceID.Malformed", "…")
	fails(t, i.b.CreateSnapshots, spec(func(*types.InstanceSpecification) {}), "InvalidInstanceID.NotFound",
		fmt.Sprintf("The instance ID '%s' does not exist", *m.InstanceId))
}
