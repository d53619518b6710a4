package ec2server_test

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The tests of this file send what the AWS provider of Terraform sends for a
// resource of each type, in its order and with its parameters, and read as it
// reads. Terraform compares what it reads with what it was told to write, so
// every argument must come back as it went; and a plan after an apply reads
// again, so two reads must be equal.

// create sends a request as it is and returns one element of the answer.
func (a *account) create(t *testing.T, element string, form url.Values) string {
	t.Helper()
	status, text := a.send(t, home, form)
	m := regexp.MustCompile("<" + element + ">([^<]+)</").FindStringSubmatch(text)
	if status != 200 || m == nil {
		t.Fatalf("%s: %d %s", form.Encode(), status, text)
	}
	return m[1]
}

// noDrift reads twice and compares.
func noDrift(t *testing.T, what string, read func() any) {
	t.Helper()
	unexported := cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".ResultMetadata" || p.Last().String() == ".noSmithyDocumentSerde"
	}, cmp.Ignore())
	if diff := cmp.Diff(read(), read(), unexported); diff != "" {
		t.Errorf("a second read of %s differs (-first +second):\n%s", what, diff)
	}
}

// pairs are tags as "key=value", in order.
func pairs(tags []types.Tag) []string {
	var out []string
	for _, t := range tags {
		out = append(out, *t.Key+"="+*t.Value)
	}
	slices.Sort(out)
	return out
}

// equal compares one argument with what was read.
func equal(t *testing.T, argument string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-written +read):\n%s", argument, diff)
	}
}

// TestTerraformAMI is the life of an aws_ami and its aws_ami_launch_permission.
//
//origami:proves RegisterImage CreateTags DescribeImages EnableImageDeprecation ModifyImageAttribute DescribeImageAttribute DeregisterImage
func TestTerraformAMI(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "root")
	id := i.a.create(t, "imageId", url.Values{
		"Action": {"RegisterImage"}, "Name": {"assembled"}, "Description": {"by hand"}, "Architecture": {"x86_64"},
		"VirtualizationType": {"hvm"}, "EnaSupport": {"true"}, "ImdsSupport": {"v2.0"}, "SriovNetSupport": {"simple"},
		"ImageLocation": {""}, "RootDeviceName": {"/dev/sda1"},
		"BlockDeviceMapping.1.DeviceName": {"/dev/sda1"}, "BlockDeviceMapping.1.Ebs.SnapshotId": {snap},
		"BlockDeviceMapping.1.Ebs.VolumeSize": {"8"}, "BlockDeviceMapping.1.Ebs.VolumeType": {"gp3"},
		"BlockDeviceMapping.1.Ebs.Iops": {"3100"}, "BlockDeviceMapping.1.Ebs.Throughput": {"130"},
		"BlockDeviceMapping.1.Ebs.DeleteOnTermination": {"true"},
		"BlockDeviceMapping.2.DeviceName":              {"/dev/sdb"}, "BlockDeviceMapping.2.VirtualName": {"ephemeral0"},
	})
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: p("Name"), Value: p("x")}, {Key: p("empty"), Value: p("")}}})
	read := func() types.Image {
		t.Helper()
		out := do(t, i.a.DescribeImages, &ec2.DescribeImagesInput{ImageIds: []string{id}, IncludeDeprecated: p(true)})
		if len(out.Images) != 1 {
			t.Fatalf("%d images, want one", len(out.Images))
		}
		return out.Images[0]
	}
	equal(t, "state", read().State, types.ImageStateAvailable)
	i.a.create(t, "return", url.Values{"Action": {"EnableImageDeprecation"}, "ImageId": {id}, "DeprecateAt": {"2030-01-01T00:00:00Z"}})

	got := read()
	equal(t, "name", str(got.Name), "assembled")
	equal(t, "description", str(got.Description), "by hand")
	equal(t, "architecture", got.Architecture, types.ArchitectureValuesX8664)
	equal(t, "virtualization_type", got.VirtualizationType, types.VirtualizationTypeHvm)
	equal(t, "ena_support", *got.EnaSupport, true)
	equal(t, "imds_support", got.ImdsSupport, types.ImdsSupportValuesV20)
	equal(t, "sriov_net_support", str(got.SriovNetSupport), "simple")
	equal(t, "root_device_name", str(got.RootDeviceName), "/dev/sda1")
	equal(t, "deprecation_time", str(got.DeprecationTime), "2030-01-01T00:00:00.000Z")
	equal(t, "tags", pairs(got.Tags), []string{"Name=x", "empty="})
	for _, d := range got.BlockDeviceMappings {
		switch *d.DeviceName {
		case "/dev/sda1":
			want := types.EbsBlockDevice{SnapshotId: &snap, VolumeSize: p(int32(8)), VolumeType: "gp3", Iops: p(int32(3100)), Throughput: p(int32(130)),
				DeleteOnTermination: p(true), Encrypted: p(false)}
			same(t, *d.Ebs, want)
		case "/dev/sdb":
			equal(t, "virtual_name", str(d.VirtualName), "ephemeral0")
		default:
			t.Errorf("device %s, which was not asked for", *d.DeviceName)
		}
	}
	noDrift(t, "aws_ami", func() any { return read() })

	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "Description.Value": {"changed"}})
	equal(t, "description", str(read().Description), "changed")
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "Attribute": {"launchPermission"}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}})
	equal(t, "account_id", launchPermissions(t, i.a.Client, id), []string{string(i.b.id)})
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "Attribute": {"launchPermission"}, "LaunchPermission.Remove.1.UserId": {string(i.b.id)}})
	equal(t, "account_id", launchPermissions(t, i.a.Client, id), []string{})

	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	if left := do(t, i.a.DescribeImages, &ec2.DescribeImagesInput{ImageIds: []string{id}, IncludeDeprecated: p(true)}).Images; len(left) > 0 {
		t.Errorf("got %+v of a deregistered image", left)
	}
}

// TestTerraformKeyPair is the life of an aws_key_pair.
//
//origami:proves ImportKeyPair DescribeKeyPairs DeleteKeyPair
func TestTerraformKeyPair(t *testing.T) {
	t.Parallel()
	i := open(t)
	const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Z9cZ9QJZ7dG8CqL99in4lL/mWK4jMyfNFtAC7cX13"
	i.a.create(t, "keyPairId", url.Values{
		"Action": {"ImportKeyPair"}, "KeyName": {"login"}, "PublicKeyMaterial": {base64.StdEncoding.EncodeToString([]byte(line))},
		"TagSpecification.1.ResourceType": {"key-pair"}, "TagSpecification.1.Tag.1.Key": {"Pipeline"}, "TagSpecification.1.Tag.1.Value": {"example"},
	})
	read := func() types.KeyPairInfo {
		t.Helper()
		return do(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{"login"}, IncludePublicKey: p(true)}).KeyPairs[0]
	}
	got := read()
	equal(t, "key_name", str(got.KeyName), "login")
	equal(t, "key_type", got.KeyType, types.KeyTypeEd25519)
	if !strings.HasPrefix(str(got.PublicKey), line) {
		t.Errorf("public_key %q, want %q", str(got.PublicKey), line)
	}
	equal(t, "tags", pairs(got.Tags), []string{"Pipeline=example"})
	noDrift(t, "aws_key_pair", func() any { return read() })
	do(t, i.a.DeleteKeyPair, &ec2.DeleteKeyPairInput{KeyName: p("login")})
	fails(t, i.a.DescribeKeyPairs, &ec2.DescribeKeyPairsInput{KeyNames: []string{"login"}}, "InvalidKeyPair.NotFound", "The key pair 'login' does not exist")
}

// TestTerraformInstance is the life of an aws_instance, of an
// aws_ami_from_instance made of it, and of an aws_ebs_snapshot of its root.
//
//origami:proves RunInstances DescribeInstances DescribeInstanceTypes DescribeTags DescribeVpcs DescribeVolumes DescribeInstanceAttribute
//origami:proves DescribeInstanceCreditSpecifications CreateImage CreateSnapshot DescribeSnapshots ModifyInstanceAttribute TerminateInstances
func TestTerraformInstance(t *testing.T) {
	t.Parallel()
	i := open(t)
	source := i.a.register(t, i.a.Client, "source", i.a.snapshot(t, home, "root"))
	i.a.create(t, "keyPairId", url.Values{"Action": {"ImportKeyPair"}, "KeyName": {"login"}, "PublicKeyMaterial": {base64.StdEncoding.EncodeToString(
		[]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Z9cZ9QJZ7dG8CqL99in4lL/mWK4jMyfNFtAC7cX13"))}})
	userData := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n"))
	run := url.Values{
		"Action": {"RunInstances"}, "ClientToken": {"terraform-20240501120000000000000001"}, "ImageId": {source}, "InstanceType": {"t3.nano"},
		"KeyName": {"login"}, "MinCount": {"1"}, "MaxCount": {"1"}, "Monitoring.Enabled": {"false"}, "EbsOptimized": {"false"},
		"DisableApiTermination": {"true"}, "DisableApiStop": {"false"}, "CreditSpecification.CpuCredits": {"unlimited"},
		"HibernationOptions.Configured": {"false"}, "UserData": {userData}, "Placement.AvailabilityZone": {""}, "IamInstanceProfile.Name": {""},
		"InstanceInitiatedShutdownBehavior": {"terminate"},
		"BlockDeviceMapping.1.DeviceName":   {"/dev/sda1"}, "BlockDeviceMapping.1.Ebs.VolumeSize": {"4"}, "BlockDeviceMapping.1.Ebs.VolumeType": {"gp3"},
		"BlockDeviceMapping.1.Ebs.DeleteOnTermination": {"true"},
		"BlockDeviceMapping.2.DeviceName":              {"/dev/sdf"}, "BlockDeviceMapping.2.Ebs.VolumeSize": {"8"}, "BlockDeviceMapping.2.Ebs.VolumeType": {"gp3"},
		"BlockDeviceMapping.2.Ebs.Iops": {"3500"}, "BlockDeviceMapping.2.Ebs.Throughput": {"150"}, "BlockDeviceMapping.2.Ebs.DeleteOnTermination": {"false"},
		"TagSpecification.1.ResourceType": {"instance"}, "TagSpecification.1.Tag.1.Key": {"Name"}, "TagSpecification.1.Tag.1.Value": {"builder"},
		"TagSpecification.2.ResourceType": {"volume"}, "TagSpecification.2.Tag.1.Key": {"Name"}, "TagSpecification.2.Tag.1.Value": {"disk"},
	}
	id := i.a.create(t, "instanceId", run)
	if again := i.a.create(t, "instanceId", run); again != id {
		t.Errorf("the same token made %s, want %s", again, id)
	}
	reaches(t, i.a.Client, id, types.InstanceStateNameRunning)
	i.readInstance(t, id, source, userData)
	i.bakeInstance(t, id)

	fails(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{id}}, "OperationNotPermitted", "The instance '"+id+"' may not be terminated. …")
	do(t, i.a.ModifyInstanceAttribute, &ec2.ModifyInstanceAttributeInput{InstanceId: &id, DisableApiTermination: &types.AttributeBooleanValue{Value: p(false)}})
	do(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	reaches(t, i.a.Client, id, types.InstanceStateNameTerminated)
}

// readInstance reads an instance as aws_instance does, and compares.
func (i *installation) readInstance(t *testing.T, id, source, userData string) {
	t.Helper()
	got := machine(t, i.a.Client, id)
	equal(t, "ami", *got.ImageId, source)
	equal(t, "instance_type", got.InstanceType, types.InstanceType("t3.nano"))
	equal(t, "key_name", str(got.KeyName), "login")
	equal(t, "monitoring", got.Monitoring.State, types.MonitoringStateDisabled)
	equal(t, "ebs_optimized", *got.EbsOptimized, false)
	equal(t, "hibernation", *got.HibernationOptions.Configured, false)
	equal(t, "tags", pairs(got.Tags), []string{"Name=builder"})
	for _, d := range got.BlockDeviceMappings {
		v := do(t, i.a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*d.Ebs.VolumeId}}).Volumes[0]
		equal(t, "volume tags", pairs(v.Tags), []string{"Name=disk"})
		type disk struct {
			Size, IOPS, Throughput int32
			Type                   types.VolumeType
			Delete                 bool
		}
		want := map[string]disk{"/dev/sda1": {4, 3000, 125, "gp3", true}, "/dev/sdf": {8, 3500, 150, "gp3", false}}[*d.DeviceName]
		equal(t, *d.DeviceName, disk{*v.Size, *v.Iops, *v.Throughput, v.VolumeType, *d.Ebs.DeleteOnTermination}, want)
	}
	attribute := func(name types.InstanceAttributeName) *ec2.DescribeInstanceAttributeOutput {
		t.Helper()
		return do(t, i.a.DescribeInstanceAttribute, &ec2.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: name})
	}
	equal(t, "instance_initiated_shutdown_behavior", *attribute("instanceInitiatedShutdownBehavior").InstanceInitiatedShutdownBehavior.Value, "terminate")
	equal(t, "disable_api_stop", *attribute("disableApiStop").DisableApiStop.Value, false)
	equal(t, "disable_api_termination", *attribute("disableApiTermination").DisableApiTermination.Value, true)
	equal(t, "user_data", *attribute("userData").UserData.Value, userData)
	credits := do(t, i.a.DescribeInstanceCreditSpecifications, &ec2.DescribeInstanceCreditSpecificationsInput{InstanceIds: []string{id}})
	equal(t, "cpu_credits", *credits.InstanceCreditSpecifications[0].CpuCredits, "unlimited")
	for what, read := range map[string]func() any{
		"the type": func() any {
			return do(t, i.a.DescribeInstanceTypes, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"t3.nano"}}).InstanceTypes[0]
		},
		"the VPC": func() any {
			return do(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{*got.VpcId}}).Vpcs[0]
		},
		"the tags": func() any {
			return do(t, i.a.DescribeTags, &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: p("resource-id"), Values: []string{id}}}}).Tags[0]
		},
		"aws_instance":   func() any { return machine(t, i.a.Client, id) },
		"the attributes": func() any { return *attribute("userData").UserData },
	} {
		noDrift(t, what, read)
	}
}

// bakeInstance makes an aws_ami_from_instance and an aws_ebs_snapshot.
func (i *installation) bakeInstance(t *testing.T, id string) {
	t.Helper()
	image := i.a.create(t, "imageId", url.Values{
		"Action": {"CreateImage"}, "InstanceId": {id}, "Name": {"baked"}, "Description": {"of itself"}, "NoReboot": {"true"},
		"TagSpecification.1.ResourceType": {"image"}, "TagSpecification.1.Tag.1.Key": {"Name"}, "TagSpecification.1.Tag.1.Value": {"baked"},
	})
	describe := func() types.Image {
		t.Helper()
		return do(t, i.a.DescribeImages, &ec2.DescribeImagesInput{ImageIds: []string{image}, IncludeDeprecated: p(true)}).Images[0]
	}
	await(t, "the image", func() bool { return describe().State == types.ImageStateAvailable })
	got := describe()
	equal(t, "name", str(got.Name), "baked")
	equal(t, "description", str(got.Description), "of itself")
	equal(t, "source_instance_id", str(got.SourceInstanceId), id)
	equal(t, "tags", pairs(got.Tags), []string{"Name=baked"})
	equal(t, "number of disks", len(got.BlockDeviceMappings), 2)
	noDrift(t, "aws_ami_from_instance", func() any { return describe() })

	root := *machine(t, i.a.Client, id).BlockDeviceMappings[0].Ebs.VolumeId
	snapshot := i.a.create(t, "snapshotId", url.Values{
		"Action": {"CreateSnapshot"}, "VolumeId": {root}, "Description": {"root"},
		"TagSpecification.1.ResourceType": {"snapshot"}, "TagSpecification.1.Tag.1.Key": {"Name"}, "TagSpecification.1.Tag.1.Value": {"root"},
	})
	one := func() types.Snapshot {
		t.Helper()
		return do(t, i.a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{snapshot}}).Snapshots[0]
	}
	await(t, "the snapshot", func() bool { return one().State == types.SnapshotStateCompleted })
	equal(t, "volume_id", *one().VolumeId, root)
	equal(t, "volume_size", *one().VolumeSize, int32(4))
	equal(t, "description", *one().Description, "root")
	equal(t, "tags", pairs(one().Tags), []string{"Name=root"})
	noDrift(t, "aws_ebs_snapshot", func() any { return one() })

	// Destroying an aws_ami_from_instance removes its snapshots one by one.
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &image})
	for _, d := range got.BlockDeviceMappings {
		do(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: d.Ebs.SnapshotId})
	}
	do(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &snapshot})
}
