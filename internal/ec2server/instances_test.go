package ec2server_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/metadb"
)

// launch asks for one instance.
func launch(image string) *ec2.RunInstancesInput {
	return &ec2.RunInstancesInput{ImageId: &image, InstanceType: "t3.nano", MinCount: p(int32(1)), MaxCount: p(int32(1))}
}

// sorted joins words in order.
func sorted(words []string) string {
	slices.Sort(words)
	return strings.Join(words, " ")
}

// machine describes one instance.
func machine(t *testing.T, c *ec2.Client, id string) types.Instance {
	t.Helper()
	out := do(t, c.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if len(out.Reservations) != 1 || len(out.Reservations[0].Instances) != 1 {
		t.Fatalf("got %+v for %s, want one instance", out.Reservations, id)
	}
	return out.Reservations[0].Instances[0]
}

// reaches waits until an instance is in a state.
func reaches(t *testing.T, c *ec2.Client, id string, state types.InstanceStateName) types.Instance {
	t.Helper()
	var m types.Instance
	await(t, id+" to be "+string(state), func() bool {
		m = machine(t, c, id)
		return m.State.Name == state
	})
	return m
}

// started launches one instance of a fresh image and waits until it runs.
func (a *account) started(t *testing.T, edit func(*ec2.RunInstancesInput)) types.Instance {
	t.Helper()
	in := launch(a.register(t, a.Client, "image of "+origamiName(t), a.snapshot(t, home, "root")))
	if edit != nil {
		edit(in)
	}
	return reaches(t, a.Client, *do(t, a.RunInstances, in).Instances[0].InstanceId, "running")
}

// origamiName is the name of the test as the name of an image may be.
func origamiName(t *testing.T) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '/' {
			return r
		}
		return '-'
	}, t.Name())
}

// subnet is the default subnet of a zone, by its letter.
func subnet(t *testing.T, c *ec2.Client, zone string) types.Subnet {
	t.Helper()
	out := do(t, c.DescribeSubnets, &ec2.DescribeSubnetsInput{Filters: []types.Filter{{Name: p("availability-zone"), Values: []string{string(home) + zone}}}})
	if len(out.Subnets) != 1 {
		t.Fatalf("got subnets %v of zone %s, want one", out.Subnets, zone)
	}
	return out.Subnets[0]
}

// TestRunInstances launches with every parameter and compares the answer, and
// what DescribeInstances and DescribeVolumes tell later, field by field.
//
//origami:proves RunInstances DescribeInstances DescribeVolumes S2 S9 S51 S106
func TestRunInstances(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	root, data := a.snapshot(t, home, "root"), a.snapshot(t, home, "data")
	in := bootable("base", root)
	in.BlockDeviceMappings = append(in.BlockDeviceMappings,
		types.BlockDeviceMapping{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{SnapshotId: &data, VolumeType: "gp3"}},
		types.BlockDeviceMapping{DeviceName: p("/dev/sdg"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1))}},
		types.BlockDeviceMapping{DeviceName: p("/dev/sdb"), VirtualName: p("ephemeral0")})
	img := *do(t, a.RegisterImage, in).ImageId
	do(t, a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("web"), KeyType: "ed25519"})
	sub := subnet(t, a.Client, "b")
	group := defaultGroup(t, a)

	out := do(t, a.RunInstances, &ec2.RunInstancesInput{
		ImageId: &img, InstanceType: "t3.micro", MinCount: p(int32(1)), MaxCount: p(int32(2)), KeyName: p("web"),
		UserData: p(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n"))), ClientToken: p("token-1"),
		SubnetId: sub.SubnetId, SecurityGroupIds: []string{*group.GroupId}, Placement: &types.Placement{AvailabilityZone: sub.AvailabilityZone, Tenancy: "default"},
		InstanceInitiatedShutdownBehavior: "terminate", DisableApiTermination: p(false), DisableApiStop: p(true), EbsOptimized: p(true),
		Monitoring:          &types.RunInstancesMonitoringEnabled{Enabled: p(true)},
		MetadataOptions:     &types.InstanceMetadataOptionsRequest{HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: p(int32(3)), InstanceMetadataTags: "enabled", HttpProtocolIpv6: "disabled"},
		CreditSpecification: &types.CreditSpecificationRequest{CpuCredits: p("standard")}, HibernationOptions: &types.HibernationOptionsRequest{Configured: p(false)},
		EnclaveOptions: &types.EnclaveOptionsRequest{Enabled: p(false)}, CapacityReservationSpecification: &types.CapacityReservationSpecification{CapacityReservationPreference: "open"},
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(2)), VolumeType: "gp3", DeleteOnTermination: p(false)}},
			{DeviceName: p("/dev/sdg"), NoDevice: p("")},
			{DeviceName: p("/dev/sdh"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(4)), VolumeType: "io1", Iops: p(int32(100))}},
		},
		TagSpecifications: []types.TagSpecification{
			{ResourceType: "instance", Tags: []types.Tag{{Key: p("Name"), Value: p("web")}}},
			{ResourceType: "volume", Tags: []types.Tag{{Key: p("disk"), Value: p("of web")}}},
		},
	})
	if len(out.Instances) != 2 {
		t.Fatalf("got %d instances, want 2", len(out.Instances))
	}
	groups := []types.GroupIdentifier{{GroupId: group.GroupId, GroupName: p("default")}}
	want := func(n int) types.Instance {
		got := out.Instances[n]
		nic := got.NetworkInterfaces[0]
		private := fmt.Sprintf("172.31.16.%d", 4+n)
		dns := strings.ReplaceAll("ip-"+private, ".", "-") + ".eu-west-1.compute.internal"
		return types.Instance{
			InstanceId: got.InstanceId, AmiLaunchIndex: p(int32(n)), ImageId: &img, InstanceType: "t3.micro", KeyName: p("web"), ClientToken: p("token-1"),
			State: &types.InstanceState{Code: p(int32(0)), Name: "pending"}, StateTransitionReason: p(""), LaunchTime: &clock,
			Architecture: "x86_64", VirtualizationType: "hvm", Hypervisor: "xen", EnaSupport: p(true), EbsOptimized: p(true),
			PlatformDetails: p("Linux/UNIX"), UsageOperation: p("RunInstances"),
			RootDeviceName: p("/dev/sda1"), RootDeviceType: "ebs",
			EnclaveOptions: &types.EnclaveOptions{Enabled: p(false)}, HibernationOptions: &types.HibernationOptions{Configured: p(false)},
			PrivateDnsNameOptions: &types.PrivateDnsNameOptionsResponse{EnableResourceNameDnsAAAARecord: p(false), EnableResourceNameDnsARecord: p(false), HostnameType: "ip-name"},
			CpuOptions:            &types.CpuOptions{CoreCount: p(int32(1)), ThreadsPerCore: p(int32(2))}, Monitoring: &types.Monitoring{State: "enabled"},
			MetadataOptions: &types.InstanceMetadataOptionsResponse{State: "applied", HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: p(int32(3)), InstanceMetadataTags: "enabled", HttpProtocolIpv6: "disabled"},
			Placement:       &types.Placement{AvailabilityZone: p("eu-west-1b"), AvailabilityZoneId: p("euw1-az2"), GroupName: p(""), Tenancy: "default"},
			SubnetId:        sub.SubnetId, VpcId: sub.VpcId, SecurityGroups: groups, SourceDestCheck: p(true),
			PrivateIpAddress: &private, PrivateDnsName: &dns, PublicIpAddress: got.PublicIpAddress, PublicDnsName: got.PublicIpAddress,
			BlockDeviceMappings: []types.InstanceBlockDeviceMapping{
				{DeviceName: p("/dev/sda1"), Ebs: &types.EbsInstanceBlockDevice{AttachTime: &clock, DeleteOnTermination: p(false), Status: "attached", VolumeId: got.BlockDeviceMappings[0].Ebs.VolumeId}},
				{DeviceName: p("/dev/sdf"), Ebs: &types.EbsInstanceBlockDevice{AttachTime: &clock, DeleteOnTermination: p(true), Status: "attached", VolumeId: got.BlockDeviceMappings[1].Ebs.VolumeId}},
				{DeviceName: p("/dev/sdh"), Ebs: &types.EbsInstanceBlockDevice{AttachTime: &clock, DeleteOnTermination: p(true), Status: "attached", VolumeId: got.BlockDeviceMappings[2].Ebs.VolumeId}},
			},
			NetworkInterfaces: []types.InstanceNetworkInterface{{
				NetworkInterfaceId: nic.NetworkInterfaceId, MacAddress: nic.MacAddress, OwnerId: p(string(a.id)), Status: "in-use", InterfaceType: p("interface"), Description: p(""),
				SubnetId: sub.SubnetId, VpcId: sub.VpcId, Groups: groups, SourceDestCheck: p(true), PrivateIpAddress: &private, PrivateDnsName: &dns,
				Association:        &types.InstanceNetworkInterfaceAssociation{IpOwnerId: p("amazon"), PublicIp: got.PublicIpAddress, PublicDnsName: got.PublicIpAddress},
				Attachment:         &types.InstanceNetworkInterfaceAttachment{AttachTime: &clock, AttachmentId: p("eni-attach-" + strings.TrimPrefix(*nic.NetworkInterfaceId, "eni-")), DeleteOnTermination: p(true), DeviceIndex: p(int32(0)), NetworkCardIndex: p(int32(0)), Status: "attached"},
				PrivateIpAddresses: []types.InstancePrivateIpAddress{{Primary: p(true), PrivateIpAddress: &private, PrivateDnsName: &dns, Association: &types.InstanceNetworkInterfaceAssociation{IpOwnerId: p("amazon"), PublicIp: got.PublicIpAddress, PublicDnsName: got.PublicIpAddress}}},
			}},
			Tags: []types.Tag{{Key: p("Name"), Value: p("web")}},
		}
	}
	same(t, out.Instances, []types.Instance{want(0), want(1)})
	reservation := types.Reservation{OwnerId: p(string(a.id)), ReservationId: out.ReservationId}
	same(t, types.Reservation{OwnerId: out.OwnerId, ReservationId: out.ReservationId, Groups: out.Groups, RequesterId: out.RequesterId}, reservation)

	for n := range out.Instances {
		reaches(t, a.Client, *out.Instances[n].InstanceId, "running")
		running := want(n)
		running.State = &types.InstanceState{Code: p(int32(16)), Name: "running"}
		running.CurrentInstanceBootMode = "legacy-bios"
		reservation.Instances = append(reservation.Instances, running)
	}
	same(t, do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{}).Reservations, []types.Reservation{reservation})
	if got := do(t, i.b.DescribeInstances, &ec2.DescribeInstancesInput{}).Reservations; len(got) != 0 {
		t.Errorf("bob sees %v", got)
	}
	checkVolumes(t, a, out.Instances[0], root, data)
	checkMachine(t, i, out.Instances[0])
	repeatLaunch(t, a, out, img)
}

// defaultGroup is the security group of instances that name none.
func defaultGroup(t *testing.T, a *account) types.GroupIdentifier {
	t.Helper()
	do(t, a.DescribeVpcs, &ec2.DescribeVpcsInput{}) // makes the network
	var group types.GroupIdentifier
	err := a.i.db.View(t.Context(), func(tx *metadb.Tx) error {
		for g, err := range tx.SecurityGroups(metadb.Query{Region: home, Viewer: a.id}) {
			if err != nil {
				return err
			}
			group = types.GroupIdentifier{GroupId: p(string(g.ID)), GroupName: &g.Name}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return group
}

// checkVolumes compares the volumes of the first instance of TestRunInstances.
func checkVolumes(t *testing.T, a *account, m types.Instance, root, data string) {
	t.Helper()
	attachment := func(n int, device string, remove bool) []types.VolumeAttachment {
		return []types.VolumeAttachment{{
			AttachTime: &clock, DeleteOnTermination: &remove, Device: &device, InstanceId: m.InstanceId, State: "attached", VolumeId: m.BlockDeviceMappings[n].Ebs.VolumeId,
		}}
	}
	volume := func(n int, v types.Volume) types.Volume {
		v.VolumeId, v.AvailabilityZone, v.AvailabilityZoneId = m.BlockDeviceMappings[n].Ebs.VolumeId, p("eu-west-1b"), p("euw1-az2")
		v.CreateTime, v.Encrypted, v.MultiAttachEnabled, v.State = &clock, p(false), p(false), "in-use"
		v.Tags = []types.Tag{{Key: p("disk"), Value: p("of web")}}
		return v
	}
	for _, want := range []types.Volume{
		volume(0, types.Volume{Size: p(int32(2)), VolumeType: "gp3", Iops: p(int32(3000)), Throughput: p(int32(125)), SnapshotId: &root, Attachments: attachment(0, "/dev/sda1", false)}),
		volume(1, types.Volume{Size: p(int32(1)), VolumeType: "gp3", Iops: p(int32(3000)), Throughput: p(int32(125)), SnapshotId: &data, Attachments: attachment(1, "/dev/sdf", true)}),
		volume(2, types.Volume{Size: p(int32(4)), VolumeType: "io1", Iops: p(int32(100)), SnapshotId: p(""), Attachments: attachment(2, "/dev/sdh", true)}),
	} {
		same(t, do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*want.VolumeId}}).Volumes, []types.Volume{want})
	}
}

// checkMachine looks at the virtual machine behind the first instance.
func checkMachine(t *testing.T, i *installation, m types.Instance) {
	t.Helper()
	spec, err := i.host.Spec(*m.InstanceId)
	if err != nil {
		t.Fatal(err)
	}
	if spec.VCPUs != 2 || spec.MemoryMiB != 1024 || len(spec.Disks) != 3 || len(spec.NICs) != 1 || spec.NICs[0].MAC != *m.NetworkInterfaces[0].MacAddress {
		t.Errorf("got machine %+v", spec)
	}
	for n, d := range spec.Disks {
		if id := *m.BlockDeviceMappings[n].Ebs.VolumeId; d.Export != id || d.Serial != strings.Replace(id, "-", "", 1) {
			t.Errorf("disk %d is %+v, want the volume %s", n, d, id)
		}
	}
}

// repeatLaunch repeats a launch under its client token, and asks for another
// one under the same.
func repeatLaunch(t *testing.T, a *account, first *ec2.RunInstancesOutput, img string) {
	t.Helper()
	in := launch(img)
	in.ClientToken = p("token-1")
	const mismatch = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
	fails(t, a.RunInstances, in, "IdempotentParameterMismatch", mismatch)
	in.ClientToken = p("token-2")
	second := do(t, a.RunInstances, in)
	again := do(t, a.RunInstances, in)
	if *again.ReservationId != *second.ReservationId || len(again.Instances) != 1 || *again.Instances[0].InstanceId != *second.Instances[0].InstanceId {
		t.Errorf("the same token gave %s, then %s", *second.ReservationId, *again.ReservationId)
	}
	if *second.ReservationId == *first.ReservationId {
		t.Error("another token gave the same reservation")
	}
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{*second.Instances[0].InstanceId}})
	reaches(t, a.Client, *second.Instances[0].InstanceId, "terminated")
	fails(t, a.RunInstances, in, "IdempotentInstanceTerminated", "The instances of this client token were terminated")
	in.DryRun = p(true)
	fails(t, a.RunInstances, in, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
}

// TestRunDefaults launches with as little as can be, and with a network
// interface in place of the parameters that it stands for.
//
//origami:proves RunInstances S11 S12
func TestRunDefaults(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "root")
	img := i.a.register(t, i.a.Client, "base", snap)
	other := i.a.register(t, i.a.Client, "other", snap)

	m := do(t, i.a.RunInstances, launch(img)).Instances[0]
	if m.KeyName != nil || *m.PrivateIpAddress != "172.31.0.4" || *m.Placement.AvailabilityZone != "eu-west-1a" || m.PublicIpAddress == nil ||
		m.Monitoring.State != "disabled" || *m.EbsOptimized || m.MetadataOptions.HttpTokens != "optional" || *m.MetadataOptions.HttpPutResponseHopLimit != 1 ||
		m.MetadataOptions.InstanceMetadataTags != "disabled" || m.BlockDeviceMappings[0].Ebs.DeleteOnTermination == nil || !*m.BlockDeviceMappings[0].Ebs.DeleteOnTermination {
		t.Errorf("got %+v", m)
	}
	group := defaultGroup(t, i.a)
	in := launch(other)
	in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{{
		DeviceIndex: p(int32(0)), SubnetId: subnet(t, i.a.Client, "a").SubnetId, Groups: []string{*group.GroupId},
		PrivateIpAddress: p("172.31.15.254"), AssociatePublicIpAddress: p(false), DeleteOnTermination: p(true),
	}}
	m = do(t, i.a.RunInstances, in).Instances[0]
	if *m.PrivateIpAddress != "172.31.15.254" || m.PublicIpAddress != nil || *m.PublicDnsName != "" || m.NetworkInterfaces[0].Association != nil || *m.ImageId != other {
		t.Errorf("got %+v", m)
	}
	m = reaches(t, i.a.Client, *m.InstanceId, "running")
	in.ClientToken = nil // the SDK has filled it in
	fails(t, i.a.RunInstances, in, "InvalidIPAddress.InUse", "…")

	in = launch(img)
	in.MaxCount, in.SecurityGroups = p(int32(3)), []string{"default"}
	out := do(t, i.a.RunInstances, in)
	var index []int32
	for _, m := range out.Instances {
		index = append(index, *m.AmiLaunchIndex)
	}
	if !slices.Equal(index, []int32{0, 1, 2}) {
		t.Errorf("got launch indices %v, want 0, 1, 2", index)
	}

	// What the image says about the metadata service holds unless the request
	// says otherwise.
	strict := bootable("strict", snap)
	strict.ImdsSupport = "v2.0"
	m = do(t, i.a.RunInstances, launch(*do(t, i.a.RegisterImage, strict).ImageId)).Instances[0]
	if m.MetadataOptions.HttpTokens != "required" || *m.MetadataOptions.HttpPutResponseHopLimit != 2 {
		t.Errorf("got %+v, want tokens required and two hops", m.MetadataOptions)
	}
}

// TestRunErrors gives everything that launch.md, sections 1 to 3, refuses.
//
//origami:proves RunInstances S10 S24 S73
func TestRunErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "root")
	img := i.a.register(t, i.a.Client, "base", snap)
	id := func(edit func(*ec2.RegisterImageInput)) *string {
		in := bootable(fmt.Sprintf("image %p", edit), snap)
		edit(in)
		return do(t, i.a.RegisterImage, in).ImageId
	}
	plain := id(func(in *ec2.RegisterImageInput) { in.EnaSupport = nil })
	arm := id(func(in *ec2.RegisterImageInput) { in.Architecture = "arm64" })
	old := id(func(in *ec2.RegisterImageInput) {
		in.Architecture, in.VirtualizationType, in.EnaSupport = "i386", nil, nil
	})
	uefi := id(func(in *ec2.RegisterImageInput) { in.BootMode = "uefi" })
	mixed := id(func(in *ec2.RegisterImageInput) {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, types.BlockDeviceMapping{DeviceName: p("/dev/sdb"), VirtualName: p("ephemeral0")})
	})
	private := i.b.register(t, i.b.Client, "private", i.b.snapshot(t, home, "bob"))
	elsewhere := i.a.register(t, i.a.in(abroad), "elsewhere", i.a.snapshot(t, abroad, "abroad"))
	disabled := id(func(*ec2.RegisterImageInput) {})
	i.change(t, home, *disabled, func(m *origami.Image) { m.State = origami.ImageDisabled })
	bobsSubnet, bobsGroup := subnet(t, i.b.Client, "a"), defaultGroup(t, i.b)
	do(t, i.b.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("bob"), KeyType: "ed25519"})
	sub := subnet(t, i.a.Client, "a")

	device := func(name string, e types.EbsBlockDevice) []types.BlockDeviceMapping {
		return []types.BlockDeviceMapping{{DeviceName: &name, Ebs: &e}}
	}
	nic := func(n types.InstanceNetworkInterfaceSpecification) []types.InstanceNetworkInterfaceSpecification {
		return []types.InstanceNetworkInterfaceSpecification{n}
	}
	const match = " of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI."
	tests := []struct {
		name          string
		edit          func(*ec2.RunInstancesInput)
		code, message string
	}{
		{"no image", func(in *ec2.RunInstancesInput) { in.ImageId = nil }, "MissingParameter", "The request must contain the parameter ImageId"},
		{"image ID", func(in *ec2.RunInstancesInput) { in.ImageId = p("ami-x") }, "InvalidAMIID.Malformed", `Invalid id: "ami-x" (expecting "ami-...")`},
		{"no such image", func(in *ec2.RunInstancesInput) { in.ImageId = p("ami-01234567") }, "InvalidAMIID.NotFound", "The image id '[ami-01234567]' does not exist"},
		{"image of another", func(in *ec2.RunInstancesInput) { in.ImageId = &private }, "AuthFailure", "Not authorized for images: [" + private + "]"},
		{"image of another region", func(in *ec2.RunInstancesInput) { in.ImageId = &elsewhere }, "InvalidAMIID.NotFound", "The image id '[" + elsewhere + "]' does not exist"},
		{"disabled image", func(in *ec2.RunInstancesInput) { in.ImageId = disabled }, "InvalidAMIID.Unavailable", "The image id '[" + *disabled + "]' is no longer available"},
		{"type", func(in *ec2.RunInstancesInput) { in.InstanceType = "t9.nano" }, "InvalidParameterValue", "Invalid value 't9.nano' for InstanceType."},
		{"architecture", func(in *ec2.RunInstancesInput) { in.ImageId = arm }, "InvalidParameterValue", "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64'" + match},
		{"architectures", func(in *ec2.RunInstancesInput) { in.ImageId, in.InstanceType = arm, "t2.nano" }, "InvalidParameterValue", "The architecture 'i386,x86_64' of the specified instance type does not match the architecture 'arm64'" + match},
		{"virtualization", func(in *ec2.RunInstancesInput) { in.InstanceType = "m1.small" }, "InvalidParameterCombination", "Non-Windows instances with a virtualization type of 'hvm' are currently not supported for this instance type."},
		{"default type", func(in *ec2.RunInstancesInput) { in.InstanceType = "" }, "InvalidParameterCombination", "Non-Windows instances with a virtualization type of 'hvm' are currently not supported for this instance type."},
		{"paravirtual", func(in *ec2.RunInstancesInput) { in.ImageId, in.InstanceType = old, "t2.nano" }, "InvalidParameterCombination", "Non-Windows instances with a virtualization type of 'paravirtual' are currently not supported for this instance type."},
		{"paravirtual has no host", func(in *ec2.RunInstancesInput) { in.ImageId, in.InstanceType = old, "m1.small" }, "InsufficientInstanceCapacity", "We currently do not have sufficient m1.small capacity in the Availability Zone you requested."},
		{"ENA", func(in *ec2.RunInstancesInput) { in.ImageId = plain }, "InvalidParameterCombination", "Enhanced networking with the Elastic Network Adapter (ENA) is required for the 't3.nano' instance type. Ensure that you are using an AMI that is enabled for ENA."},
		{"boot mode", func(in *ec2.RunInstancesInput) { in.ImageId, in.InstanceType = uefi, "t2.nano" }, "InvalidParameterValue", "The t2.nano instance type does not support an AMI with a boot mode of UEFI. Only instance types built on the Nitro System support UEFI. Specify an instance type that supports UEFI, and try again."},
		{"none", func(in *ec2.RunInstancesInput) { in.MinCount, in.MaxCount = p(int32(0)), p(int32(0)) }, "InvalidParameterValue", "…"},
		{"less than none", func(in *ec2.RunInstancesInput) { in.MinCount = p(int32(-1)) }, "InvalidParameterValue", "…"},
		{"more than most", func(in *ec2.RunInstancesInput) { in.MinCount = p(int32(2)) }, "InvalidParameterValue", "…"},
		{"too many", func(in *ec2.RunInstancesInput) { in.MinCount, in.MaxCount = p(int32(2e9)), p(int32(2e9)) }, "InsufficientInstanceCapacity", "We currently do not have sufficient t3.nano capacity in the Availability Zone you requested."},
		{"too large", func(in *ec2.RunInstancesInput) { in.InstanceType = "m5.4xlarge" }, "InsufficientInstanceCapacity", "We currently do not have sufficient m5.4xlarge capacity in the Availability Zone you requested."},
		{"key of nobody", func(in *ec2.RunInstancesInput) { in.KeyName = p("nobody") }, "InvalidKeyPair.NotFound", "The key pair 'nobody' does not exist"},
		{"key of another", func(in *ec2.RunInstancesInput) { in.KeyName = p("bob") }, "InvalidKeyPair.NotFound", "The key pair 'bob' does not exist"},
		{"user data", func(in *ec2.RunInstancesInput) { in.UserData = p("no base64!") }, "InvalidUserData.Malformed", "Invalid BASE64 encoding of user data."},
		{"long user data", func(in *ec2.RunInstancesInput) {
			in.UserData = p(base64.StdEncoding.EncodeToString(make([]byte, 16385)))
		}, "InvalidParameterValue", "User data is limited to 16384 bytes"},
		{"subnet ID", func(in *ec2.RunInstancesInput) { in.SubnetId = p("subnet") }, "InvalidSubnetID.Malformed", `Invalid id: "subnet" (expecting "subnet-...")`},
		{"subnet of nobody", func(in *ec2.RunInstancesInput) { in.SubnetId = p("subnet-01234567") }, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-01234567' does not exist"},
		{"subnet of another", func(in *ec2.RunInstancesInput) { in.SubnetId = bobsSubnet.SubnetId }, "InvalidSubnetID.NotFound", "The subnet ID '" + *bobsSubnet.SubnetId + "' does not exist"},
		{"subnet and zone", func(in *ec2.RunInstancesInput) {
			in.SubnetId, in.Placement = sub.SubnetId, &types.Placement{AvailabilityZone: p("eu-west-1b")}
		}, "InvalidParameterValue", "Value (eu-west-1b) for parameter availabilityZone is invalid. The subnet '" + *sub.SubnetId + "' is in the zone eu-west-1a."},
		{"zone", func(in *ec2.RunInstancesInput) { in.Placement = &types.Placement{AvailabilityZone: p("eu-west-1z")} }, "InvalidParameterValue", "Invalid availability zone: [eu-west-1z]"},
		{"tenancy", func(in *ec2.RunInstancesInput) { in.Placement = &types.Placement{Tenancy: "host"} }, "UnsupportedOperation", "The value 'host' of the parameter Placement.Tenancy is not supported by this service."},
		{"group ID", func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{"default"} }, "InvalidGroupId.Malformed", `Invalid id: "default" (expecting "sg-...")`},
		{"group of nobody", func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{"sg-01234567"} }, "InvalidGroup.NotFound", "The security group 'sg-01234567' does not exist"},
		{"group of another", func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{*bobsGroup.GroupId} }, "InvalidGroup.NotFound", "The security group '" + *bobsGroup.GroupId + "' does not exist"},
		{"group name", func(in *ec2.RunInstancesInput) { in.SecurityGroups = []string{"web"} }, "InvalidGroup.NotFound", "The security group 'web' does not exist in default VPC '" + *sub.VpcId + "'"},
		{"address", func(in *ec2.RunInstancesInput) { in.PrivateIpAddress = p("::1") }, "InvalidParameterValue", "Value (::1) for parameter privateIpAddress is invalid. Invalid IPv4 address."},
		{"address outside", func(in *ec2.RunInstancesInput) { in.PrivateIpAddress = p("10.0.0.1") }, "InvalidParameterValue", "Address 10.0.0.1 does not fall within the subnet's address range"},
		{"address of the router", func(in *ec2.RunInstancesInput) { in.PrivateIpAddress = p("172.31.0.1") }, "InvalidParameterValue", "Address 172.31.0.1 is in subnet's reserved address range"},
		{"broadcast address", func(in *ec2.RunInstancesInput) { in.PrivateIpAddress = p("172.31.15.255") }, "InvalidParameterValue", "Address 172.31.15.255 is in subnet's reserved address range"},
		{"one address for two", func(in *ec2.RunInstancesInput) { in.PrivateIpAddress, in.MaxCount = p("172.31.0.9"), p(int32(2)) }, "InvalidParameterCombination", "…"},
		{"two interfaces", func(in *ec2.RunInstancesInput) {
			in.NetworkInterfaces = append(nic(types.InstanceNetworkInterfaceSpecification{DeviceIndex: p(int32(0))}), types.InstanceNetworkInterfaceSpecification{DeviceIndex: p(int32(1))})
		}, "UnsupportedOperation", "The value '1' of the parameter NetworkInterface.2.DeviceIndex is not supported by this service."},
		{"interface and subnet", func(in *ec2.RunInstancesInput) {
			in.SubnetId, in.NetworkInterfaces = sub.SubnetId, nic(types.InstanceNetworkInterfaceSpecification{DeviceIndex: p(int32(0))})
		}, "InvalidParameterCombination", "Network interfaces and an instance-level subnet ID, private IP address or security groups may not be specified on the same request"},
		{"interface that exists", func(in *ec2.RunInstancesInput) {
			in.NetworkInterfaces = nic(types.InstanceNetworkInterfaceSpecification{DeviceIndex: p(int32(0)), NetworkInterfaceId: p("eni-01234567")})
		}, "UnsupportedOperation", "The parameter NetworkInterface.1.NetworkInterfaceId is not supported by this service."},
		{"hops", func(in *ec2.RunInstancesInput) {
			in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpPutResponseHopLimit: p(int32(65))}
		}, "InvalidParameterValue", "Value (65) for parameter httpPutResponseHopLimit is invalid. It must be between 1 and 64."},
		{"no hops", func(in *ec2.RunInstancesInput) {
			in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpPutResponseHopLimit: p(int32(0))}
		}, "InvalidParameterValue", "Value (0) for parameter httpPutResponseHopLimit is invalid. It must be between 1 and 64."},
		{"IPv6", func(in *ec2.RunInstancesInput) {
			in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpProtocolIpv6: "enabled"}
		}, "UnsupportedOperation", "The value 'enabled' of the parameter MetadataOptions.HttpProtocolIpv6 is not supported by this service."},
		{"shutdown behavior", func(in *ec2.RunInstancesInput) { in.InstanceInitiatedShutdownBehavior = "sleep" }, "InvalidParameterValue", "Value (sleep) for parameter InstanceInitiatedShutdownBehavior is invalid. Valid values are: stop, terminate."},
		{"snapshot of the root", func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = device("/dev/sda1", types.EbsBlockDevice{SnapshotId: p("snap-01234567")})
		}, "InvalidBlockDeviceMapping", "snapshotId cannot be modified on root device"},
		{"snapshot of an ephemeral device", func(in *ec2.RunInstancesInput) {
			in.ImageId, in.BlockDeviceMappings = mixed, device("/dev/sdb", types.EbsBlockDevice{SnapshotId: &snap})
		}, "InvalidBlockDeviceMapping", "snapshotId can only be modified on EBS devices"},
		{"root removed", func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: p("/dev/sda1"), NoDevice: p("")}}
		}, "InvalidBlockDeviceMapping", "The root device '/dev/sda1' cannot be removed from the block device mapping"},
		{"root by another name", func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = device("sda1", types.EbsBlockDevice{VolumeSize: p(int32(8))})
		}, "InvalidBlockDeviceMapping", "The device 'sda1' is used in more than one block-device mapping"},
		{"device name", func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = device("/dev/nvme0n1", types.EbsBlockDevice{VolumeSize: p(int32(8))})
		}, "InvalidParameterValue", "Value (/dev/nvme0n1) for parameter device is invalid. /dev/nvme0n1 is not a valid EBS device name."},
		{"no device name", func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(8))}}}
		}, "MissingParameter", "The request must contain the parameter deviceName"},
		{"no size", func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = device("/dev/sdf", types.EbsBlockDevice{VolumeType: "gp3"})
		}, "MissingParameter", "The request must contain the parameter size/snapshot"},
		{"encrypted", func(in *ec2.RunInstancesInput) {
			in.BlockDeviceMappings = device("/dev/sda1", types.EbsBlockDevice{KmsKeyId: p("alias/aws/ebs")})
		}, "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set."},
		{"profile", func(in *ec2.RunInstancesInput) {
			in.IamInstanceProfile = &types.IamInstanceProfileSpecification{Name: p("x")}
		}, "InvalidParameterValue", "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"},
		{"spot", func(in *ec2.RunInstancesInput) {
			in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: "spot"}
		}, "UnsupportedOperation", "The parameter InstanceMarketOptions.MarketType is not supported by this service."},
		{"tags", func(in *ec2.RunInstancesInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "instance", Tags: []types.Tag{{Key: p("aws:x"), Value: p("y")}}}}
		}, "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"},
		{"tags without a kind", func(in *ec2.RunInstancesInput) {
			in.TagSpecifications = []types.TagSpecification{{Tags: []types.Tag{{Key: p("x"), Value: p("y")}}}}
		}, "MissingParameter", "Tag specification resource type must have a value"},
		{"no tags", func(in *ec2.RunInstancesInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "instance"}}
		}, "InvalidParameterValue", "Tag specification must have at least one tag"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := launch(img)
			tt.edit(in)
			fails(t, i.a.RunInstances, in, tt.code, tt.message)
		})
	}
	if got := do(t, i.a.DescribeInstances, &ec2.DescribeInstancesInput{}).Reservations; len(got) != 0 {
		t.Errorf("errors left %v", got)
	}
	if got := do(t, i.a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes; len(got) != 0 {
		t.Errorf("errors left %v", got)
	}
}

// TestSharedImage launches an image that another account shares: what it is
// made of need not be shared, and belongs to who launched it.
//
//origami:proves RunInstances DescribeVolumes S63 S65
func TestSharedImage(t *testing.T) {
	t.Parallel()
	i := open(t)
	img := i.a.register(t, i.a.Client, "shared", i.a.snapshot(t, home, "root"))
	i.change(t, home, img, func(m *origami.Image) { m.SharedWith = []origami.AccountID{i.b.id} })
	m := do(t, i.b.RunInstances, launch(img))
	if *m.OwnerId != string(i.b.id) {
		t.Errorf("got owner %s, want %s", *m.OwnerId, i.b.id)
	}
	running := reaches(t, i.b.Client, *m.Instances[0].InstanceId, "running")
	do(t, i.b.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*running.BlockDeviceMappings[0].Ebs.VolumeId}})
	if got := do(t, i.b.DescribeSnapshots, &ec2.DescribeSnapshotsInput{}).Snapshots; len(got) != 0 {
		t.Errorf("bob sees snapshots %v", got)
	}
	// Without the permission no new ones, but the old one restarts.
	i.change(t, home, img, func(m *origami.Image) { m.SharedWith = nil })
	fails(t, i.b.RunInstances, launch(img), "AuthFailure", "Not authorized for images: ["+img+"]")
	do(t, i.b.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{*running.InstanceId}})
	reaches(t, i.b.Client, *running.InstanceId, "stopped")
	do(t, i.b.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{*running.InstanceId}})
	reaches(t, i.b.Client, *running.InstanceId, "running")
}
