package ec2server_test

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

// found sends a Describe request with one filter and returns the texts of the
// elements of a name, in order.
func found(t *testing.T, a *account, action, element, filter string, values ...string) string {
	t.Helper()
	f := form(action, "Filter.1.Name", filter)
	for n, v := range values {
		f.Set("Filter.1.Value."+strconv.Itoa(n+1), v)
	}
	status, text := a.send(t, home, f)
	if status != 200 {
		t.Fatalf("%s by %s=%v: got %d %s", action, filter, values, status, text)
	}
	return strings.Join(texts(t, text, element), " ")
}

// texts returns the text of every element of a name that is the child of an
// item of the answer's list, without those that other items hold.
func texts(t *testing.T, document, element string) []string {
	t.Helper()
	var found []string
	d := xml.NewDecoder(strings.NewReader(document))
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			break
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			if token.Name.Local == element {
				var s string
				if err := d.DecodeElement(&s, &token); err != nil {
					t.Fatal(err)
				}
				depth--
				// response, list, item, or one list and item more for
				// the instances of a reservation
				if depth == 3 || depth == 5 {
					found = append(found, s)
				}
			}
		case xml.EndElement:
			depth--
		}
	}
	slices.Sort(found)
	return slices.Compact(found) // an attachment names its volume again
}

// filterTest is a filter with a value that finds one resource of two, or "" for
// a property that none has here.
type filterTest struct{ name, value string }

// checkFilters asks by each filter: for the value, for a pattern of it, and for
// what is not there. The first of two resources has the value, the second one
// has it too if both is set.
func checkFilters(t *testing.T, a *account, action, element string, first, second string, both string, tests []filterTest) {
	t.Helper()
	common := strings.Fields(both)
	all := sorted([]string{first, second})
	for _, tt := range tests {
		t.Run(action+" "+tt.name, func(t *testing.T) {
			want := first
			switch {
			case tt.value == "":
				if got := found(t, a, action, element, tt.name, "*"); got != "" {
					t.Errorf("any value: got %s, want none", got)
				}
				return
			case slices.Contains(common, tt.name):
				want = all
			}
			escaped := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(tt.value)
			pattern := escaped
			if len(tt.value) > 2 && !strings.ContainsAny(tt.value, `\*?`) {
				pattern = tt.value[:1] + "*" + tt.value[len(tt.value)-1:]
			}
			if got := found(t, a, action, element, tt.name, escaped); got != want {
				t.Errorf("%s=%s: got %q, want %q", tt.name, escaped, got, want)
			}
			if got := found(t, a, action, element, tt.name, "nothing has this", escaped); got != want {
				t.Errorf("%s=%s or another: got %q, want %q", tt.name, escaped, got, want)
			}
			if got := found(t, a, action, element, tt.name, pattern); !strings.Contains(got, want) {
				t.Errorf("%s=%s: got %q, want %q among it", tt.name, pattern, got, want)
			}
			if got := found(t, a, action, element, tt.name, tt.value+"x"); got != "" {
				t.Errorf("%s=%sx: got %q, want none", tt.name, tt.value, got)
			}
			if upper := strings.ToUpper(escaped); upper != escaped {
				if got := found(t, a, action, element, tt.name, upper); got != "" {
					t.Errorf("%s=%s: got %q, want none: values have case", tt.name, upper, got)
				}
			}
			if status, text := a.send(t, home, form(action, "Filter.1.Name", strings.ToUpper(tt.name), "Filter.1.Value.1", "*")); status != 400 ||
				!strings.Contains(text, "The filter &#39;"+strings.ToUpper(tt.name)+"&#39; is invalid") && !strings.HasPrefix(tt.name, "tag:") {
				t.Errorf("%s: got %d %s, want an error: names have case", strings.ToUpper(tt.name), status, text)
			}
		})
	}
}

// TestImageFilters asks by every filter of DescribeImages.
//
//origami:proves DescribeImages S14 S16
func TestImageFilters(t *testing.T) {
	t.Parallel()
	i := open(t)
	root := i.a.snapshot(t, home, "root")
	second := i.a.register(t, i.a.Client, "plain", i.a.snapshot(t, home, "second"))
	first := *do(t, i.a.RegisterImage, &ec2.RegisterImageInput{
		Name: p("web-1.0 [a]"), Description: p(`5*3? yes\no`), Architecture: "i386", KernelId: p("aki-01234567"), RamdiskId: p("ari-01234567"), RootDeviceName: p("/dev/xvda"),
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &root, VolumeType: "gp3", VolumeSize: p(int32(7)), DeleteOnTermination: p(false)}},
		},
		TagSpecifications: []types.TagSpecification{{ResourceType: "image", Tags: []types.Tag{tag("Stage", "prod"), tag("empty", "")}}},
	}).ImageId
	i.change(t, home, first, func(m *origami.Image) {
		m.State, m.Public, m.Platform, m.SriovNetSupport = origami.ImageFailed, true, "windows", "simple"
		m.StateReason = &origami.StateReason{Code: "Client.X", Message: "why not"}
		m.SourceImage, m.SourceImageRegion, m.SourceInstance = "ami-76543210", abroad, "i-76543210"
	})
	both := "block-device-mapping.encrypted creation-date free-tier-eligible hypervisor image-type owner-id root-device-type ena-support"
	checkFilters(t, i.a, "DescribeImages", "imageId", first, second, both, []filterTest{
		{"architecture", "i386"}, {"block-device-mapping.delete-on-termination", "false"}, {"block-device-mapping.device-name", "/dev/xvda"},
		{"block-device-mapping.snapshot-id", root}, {"block-device-mapping.volume-size", "7"}, {"block-device-mapping.volume-type", "gp3"},
		{"block-device-mapping.encrypted", "false"}, {"creation-date", "2024-05-01T12:00:00.000Z"}, {"description", `5*3? yes\no`}, {"free-tier-eligible", "false"},
		{"hypervisor", "xen"}, {"image-allowed", ""}, {"image-id", first}, {"image-type", "machine"}, {"is-public", "true"}, {"kernel-id", "aki-01234567"},
		{"manifest-location", string(i.a.id) + "/web-1.0 [a]"}, {"name", "web-1.0 [a]"}, {"owner-alias", ""}, {"owner-id", string(i.a.id)}, {"platform", "windows"},
		{"product-code", ""}, {"product-code.type", ""}, {"ramdisk-id", "ari-01234567"}, {"root-device-name", "/dev/xvda"}, {"root-device-type", "ebs"},
		{"source-image-id", "ami-76543210"}, {"source-image-region", "us-east-1"}, {"source-instance-id", "i-76543210"}, {"state", "failed"},
		{"state-reason-code", "Client.X"}, {"state-reason-message", "why not"}, {"sriov-net-support", "simple"}, {"virtualization-type", "paravirtual"},
		{"tag:Stage", "prod"}, {"tag-key", "Stage"}, {"tag-value", "prod"},
	})
	if got := found(t, i.a, "DescribeImages", "imageId", "ena-support", "true"); got != second {
		t.Errorf("ena-support=true: got %s, want %s", got, second)
	}
	if got := found(t, i.a, "DescribeImages", "imageId", "tag:empty", ""); got != first {
		t.Errorf("tag:empty=: got %s, want %s", got, first)
	}
	// Filters hold together; the values of one do for each other.
	for want, f := range map[string][]string{
		first:                           {"Filter.1.Name", "name", "Filter.1.Value.1", "web-?.?*", "Filter.2.Name", "is-public", "Filter.2.Value.1", "true"},
		"":                              {"Filter.1.Name", "name", "Filter.1.Value.1", "web-?.?*", "Filter.2.Name", "is-public", "Filter.2.Value.1", "false"},
		sorted([]string{first, second}): {"Filter.1.Name", "name", "Filter.1.Value.1", "web-*", "Filter.1.Value.2", "p?lain", "Filter.2.Name", "owner-id", "Filter.2.Value.1", string(i.a.id)},
	} {
		_, text := i.a.send(t, home, form("DescribeImages", f...))
		if got := strings.Join(texts(t, text, "imageId"), " "); got != want {
			t.Errorf("%v: got %q, want %q", f, got, want)
		}
	}
}

// TestInstanceFilters asks by every filter of DescribeInstances, and of the
// volumes of the instances.
//
//origami:proves DescribeInstances DescribeVolumes
func TestInstanceFilters(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	do(t, a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("web key"), KeyType: "ed25519"})
	second := a.started(t, nil)
	in := bootable("special", a.snapshot(t, home, "special"))
	in.RootDeviceName, in.BlockDeviceMappings[0].DeviceName, in.SriovNetSupport, in.BootMode = p("/dev/xvda"), p("/dev/xvda"), p("simple"), "legacy-bios"
	img := *do(t, a.RegisterImage, in).ImageId
	sub := subnet(t, a.Client, "c")
	launched := do(t, a.RunInstances, &ec2.RunInstancesInput{
		ImageId: &img, InstanceType: "t3.micro", MinCount: p(int32(2)), MaxCount: p(int32(2)), KeyName: p("web key"), ClientToken: p("a token"),
		SubnetId: sub.SubnetId, EbsOptimized: p(true), Monitoring: &types.RunInstancesMonitoringEnabled{Enabled: p(true)},
		MetadataOptions:     &types.InstanceMetadataOptionsRequest{HttpEndpoint: "disabled", HttpTokens: "required", HttpPutResponseHopLimit: p(int32(5)), InstanceMetadataTags: "enabled"},
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: p("/dev/xvda"), Ebs: &types.EbsBlockDevice{VolumeType: "gp3", VolumeSize: p(int32(9)), DeleteOnTermination: p(false)}}},
		TagSpecifications: []types.TagSpecification{
			{ResourceType: "instance", Tags: []types.Tag{tag("Role", "web")}}, {ResourceType: "volume", Tags: []types.Tag{tag("Role", "web")}},
		},
	})
	// The second one of the launch is stopped; the first of it is not looked at.
	one, m := launched.Instances[0], launched.Instances[1]
	reaches(t, a.Client, *one.InstanceId, "running")
	reaches(t, a.Client, *m.InstanceId, "running")
	do(t, a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{*one.InstanceId}})
	gone := reaches(t, a.Client, *one.InstanceId, "terminated")
	if got := found(t, a, "DescribeInstances", "instanceId", "instance-state-name", "terminated"); got != *gone.InstanceId {
		t.Errorf("terminated: got %s, want %s", got, *gone.InstanceId)
	}
	public := *machine(t, a.Client, *m.InstanceId).PublicIpAddress
	for _, name := range []string{"ip-address", "dns-name"} {
		if got := found(t, a, "DescribeInstances", "instanceId", name, public); got != *m.InstanceId {
			t.Errorf("%s=%s: got %s, want %s", name, public, got, *m.InstanceId)
		}
	}
	if got, want := found(t, a, "DescribeInstances", "instanceId", "current-instance-boot-mode", "legacy-bios"), sorted([]string{*m.InstanceId, *second.InstanceId}); got != want {
		t.Errorf("current boot mode: got %s, want %s", got, want)
	}
	volume := m.BlockDeviceMappings[0].Ebs.VolumeId
	do(t, a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{*m.InstanceId}})
	reaches(t, a.Client, *m.InstanceId, "stopped")
	// The volume that the terminated instance left is in no one's way.
	leftover := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{Filters: []types.Filter{{Name: p("status"), Values: []string{"available"}}}}).Volumes
	if len(leftover) != 1 {
		t.Fatalf("got volumes %v, want the one that was left", leftover)
	}

	nic := m.NetworkInterfaces[0]
	alive := []filterTest{
		{"affinity", ""}, {"block-device-mapping.delete-on-termination", "false"},
		{"block-device-mapping.device-name", "/dev/xvda"}, {"block-device-mapping.volume-id", *volume}, {"instance-lifecycle", ""},
		{"instance-state-code", "80"}, {"instance-state-name", "stopped"}, {"launch-index", "1"},
		{"network-interface.addresses.private-ip-address", *m.PrivateIpAddress}, {"network-interface.mac-address", *nic.MacAddress},
		{"network-interface.network-interface-id", *nic.NetworkInterfaceId}, {"placement-group-name", ""}, {"private-dns-name", *m.PrivateDnsName},
		{"private-ip-address", *m.PrivateIpAddress}, {"product-code", ""}, {"product-code.type", ""}, {"kernel-id", ""}, {"ramdisk-id", ""}, {"platform", ""},
		{"requester-id", ""}, {"tpm-support", ""},
	}
	// All that a terminated instance still has is found twice: compare with it.
	twice := sorted([]string{*m.InstanceId, *gone.InstanceId})
	for _, f := range []filterTest{
		{"availability-zone", "eu-west-1c"}, {"availability-zone-id", "euw1-az3"}, {"boot-mode", "legacy-bios"}, {"client-token", "a token"}, {"ebs-optimized", "true"}, {"image-id", img}, {"instance-type", "t3.micro"}, {"key-name", "web key"},
		{"metadata-options.http-endpoint", "disabled"}, {"metadata-options.http-put-response-hop-limit", "5"}, {"metadata-options.http-tokens", "required"},
		{"metadata-options.instance-metadata-tags", "enabled"}, {"monitoring-state", "enabled"}, {"reason", "User initiated (2024-05-01 12:00:00 GMT)"},
		{"reservation-id", *launched.ReservationId}, {"root-device-name", "/dev/xvda"}, {"state-reason-code", "Client.UserInitiatedShutdown"},
		{"state-reason-message", "Client.UserInitiatedShutdown: User initiated shutdown"}, {"tag:Role", "web"}, {"tag-key", "Role"}, {"tag-value", "web"},
	} {
		if got := found(t, a, "DescribeInstances", "instanceId", f.name, f.value); got != twice {
			t.Errorf("%s=%s: got %q, want %q", f.name, f.value, got, twice)
		}
	}
	three := sorted([]string{*m.InstanceId, *gone.InstanceId, *second.InstanceId})
	for _, f := range []filterTest{
		{"architecture", "x86_64"}, {"ena-support", "true"}, {"hypervisor", "xen"}, {"launch-time", "2024-05-01T12:00:00.123Z"}, {"owner-id", string(a.id)},
		{"platform-details", "Linux/UNIX"}, {"root-device-type", "ebs"}, {"source-dest-check", "true"}, {"tenancy", "default"},
		{"usage-operation", "RunInstances"}, {"virtualization-type", "hvm"},
	} {
		if got := found(t, a, "DescribeInstances", "instanceId", f.name, f.value); got != three {
			t.Errorf("%s=%s: got %q, want %q", f.name, f.value, got, three)
		}
		if got := found(t, a, "DescribeInstances", "instanceId", f.name, f.value+"x"); got != "" {
			t.Errorf("%s=%sx: got %q, want none", f.name, f.value, got)
		}
	}
	living := sorted([]string{*m.InstanceId, *second.InstanceId})
	group := *m.SecurityGroups[0].GroupId
	for _, f := range []filterTest{
		{"group-id", group}, {"group-name", "default"}, {"instance.group-id", group}, {"instance.group-name", "default"}, {"vpc-id", *sub.VpcId},
		{"network-interface.vpc-id", *sub.VpcId}, {"block-device-mapping.status", "attached"}, {"block-device-mapping.attach-time", "2024-05-01T12:00:00.123Z"},
	} {
		if got := found(t, a, "DescribeInstances", "instanceId", f.name, f.value); got != living {
			t.Errorf("%s=%s: got %q, want %q: a terminated instance has no network and no disks", f.name, f.value, got, living)
		}
	}
	for _, name := range []string{"subnet-id", "network-interface.subnet-id"} {
		if got := found(t, a, "DescribeInstances", "instanceId", name, *sub.SubnetId); got != *m.InstanceId {
			t.Errorf("%s: got %q, want %q", name, got, *m.InstanceId)
		}
	}
	do(t, a.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{*second.InstanceId}})
	checkFilters(t, a, "DescribeInstances", "instanceId", *m.InstanceId, *second.InstanceId, "", alive)

	checkFilters(t, a, "DescribeVolumes", "volumeId", *volume, *second.BlockDeviceMappings[0].Ebs.VolumeId,
		"attachment.attach-time attachment.status", []filterTest{
			{"attachment.attach-time", "2024-05-01T12:00:00.123Z"}, {"attachment.delete-on-termination", "false"}, {"attachment.device", "/dev/xvda"},
			{"attachment.instance-id", *m.InstanceId}, {"attachment.status", "attached"}, {"operator.principal", ""}, {"volume-id", *volume},
		})
	mine := sorted([]string{*volume, *leftover[0].VolumeId})
	for _, f := range []filterTest{
		{"availability-zone", "eu-west-1c"}, {"availability-zone-id", "euw1-az3"}, {"size", "9"}, {"snapshot-id", *in.BlockDeviceMappings[0].Ebs.SnapshotId},
		{"volume-type", "gp3"}, {"tag:Role", "web"}, {"tag-key", "Role"}, {"tag-value", "web"},
	} {
		if got := found(t, a, "DescribeVolumes", "volumeId", f.name, f.value); got != mine {
			t.Errorf("%s=%s: got %q, want %q", f.name, f.value, got, mine)
		}
	}
	every := sorted([]string{*volume, *leftover[0].VolumeId, *second.BlockDeviceMappings[0].Ebs.VolumeId})
	for _, f := range []filterTest{
		{"create-time", "2024-05-01T12:00:00.123Z"}, {"encrypted", "false"}, {"fast-restored", "false"}, {"multi-attach-enabled", "false"}, {"operator.managed", "false"},
	} {
		if got := found(t, a, "DescribeVolumes", "volumeId", f.name, f.value); got != every {
			t.Errorf("%s=%s: got %q, want %q", f.name, f.value, got, every)
		}
		if got := found(t, a, "DescribeVolumes", "volumeId", f.name, "true"); got != "" {
			t.Errorf("%s=true: got %q, want none", f.name, got)
		}
	}
	if got := found(t, a, "DescribeVolumes", "volumeId", "status", "in-use"); got != sorted([]string{*volume, *second.BlockDeviceMappings[0].Ebs.VolumeId}) {
		t.Errorf("status=in-use: got %s", got)
	}
}

// TestOtherFilters asks by every filter of the rest.
//
//origami:proves DescribeSnapshots DescribeKeyPairs DescribeTags DescribeVpcs DescribeSubnets DescribeRegions DescribeAvailabilityZones
func TestOtherFilters(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := a.started(t, nil)
	vol := *m.BlockDeviceMappings[0].Ebs.VolumeId
	second := *image(t, a.Client, *m.ImageId).BlockDeviceMappings[0].Ebs.SnapshotId
	first := *do(t, a.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: &vol, Description: p("by hand")}).SnapshotId
	await(t, first+" to be completed", func() bool {
		return do(t, a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{first}}).Snapshots[0].State == "completed"
	})
	i.share(t, first, func(s *origami.Snapshot) { s.VolumeSize = 3 })
	do(t, a.CreateTags, &ec2.CreateTagsInput{Resources: []string{first, *m.VpcId}, Tags: []types.Tag{tag("Stage", "prod")}})
	checkFilters(t, a, "DescribeSnapshots", "snapshotId", first, second, "encrypted owner-id progress start-time status storage-tier", []filterTest{
		{"description", "by hand"}, {"encrypted", "false"}, {"owner-alias", ""}, {"owner-id", string(a.id)}, {"progress", "100%"}, {"snapshot-id", first},
		{"start-time", "2024-05-01T12:00:00.123Z"}, {"status", "completed"}, {"storage-tier", "standard"}, {"transfer-type", ""}, {"volume-id", vol}, {"volume-size", "3"},
		{"tag:Stage", "prod"}, {"tag-key", "Stage"}, {"tag-value", "prod"},
	})

	key := do(t, a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("web"), KeyType: "ed25519", TagSpecifications: []types.TagSpecification{{ResourceType: "key-pair", Tags: []types.Tag{tag("a", "b")}}}})
	other := do(t, a.CreateKeyPair, &ec2.CreateKeyPairInput{KeyName: p("db"), KeyType: "ed25519"})
	checkFilters(t, a, "DescribeKeyPairs", "keyPairId", *key.KeyPairId, *other.KeyPairId, "", []filterTest{
		{"key-pair-id", *key.KeyPairId}, {"fingerprint", *key.KeyFingerprint}, {"key-name", "web"}, {"tag:a", "b"}, {"tag-key", "a"}, {"tag-value", "b"},
	})

	checkFilters(t, a, "DescribeTags", "resourceId", *key.KeyPairId, "", "", []filterTest{
		{"key", "a"}, {"resource-id", *key.KeyPairId}, {"resource-type", "key-pair"}, {"value", "b"}, {"tag:a", "b"},
	})

	vpc := *m.VpcId
	checkFilters(t, a, "DescribeVpcs", "vpcId", vpc, "", "", []filterTest{
		{"cidr", "172.31.0.0/16"}, {"cidr-block", "172.31.0.0/16"}, {"cidr-block-association.association-id", "vpc-cidr-assoc-" + vpc[4:]},
		{"cidr-block-association.cidr-block", "172.31.0.0/16"}, {"cidr-block-association.state", "associated"}, {"dhcp-options-id", "default"},
		{"is-default", "true"}, {"isDefault", "true"}, {"owner-id", string(a.id)}, {"state", "available"}, {"vpc-id", vpc}, {"tag:Stage", "prod"}, {"tag-key", "Stage"},
	})
	sub := subnet(t, a.Client, "a") // with the instance
	checkFilters(t, a, "DescribeSubnets", "subnetId", *sub.SubnetId, "", "", []filterTest{
		{"availability-zone", "eu-west-1a"}, {"availabilityZone", "eu-west-1a"}, {"availability-zone-id", "euw1-az1"}, {"availabilityZoneId", "euw1-az1"},
		{"available-ip-address-count", "4090"}, {"cidr", "172.31.0.0/20"}, {"cidr-block", "172.31.0.0/20"}, {"cidrBlock", "172.31.0.0/20"},
		{"subnet-arn", *sub.SubnetArn}, {"subnet-id", *sub.SubnetId},
	})
	for _, f := range []filterTest{
		{"default-for-az", "true"}, {"defaultForAz", "true"}, {"ipv6-native", "false"}, {"map-public-ip-on-launch", "true"}, {"owner-id", string(a.id)}, {"state", "available"}, {"vpc-id", vpc},
	} {
		if got := len(strings.Fields(found(t, a, "DescribeSubnets", "subnetId", f.name, f.value))); got != 3 {
			t.Errorf("subnets by %s=%s: got %d, want 3", f.name, f.value, got)
		}
		if got := found(t, a, "DescribeSubnets", "subnetId", f.name, f.value+"x"); got != "" {
			t.Errorf("subnets by %s=%sx: got %s, want none", f.name, f.value, got)
		}
	}
	checkFilters(t, a, "DescribeRegions", "regionName", "eu-west-1", "us-east-1", "opt-in-status", []filterTest{
		{"endpoint", "ec2.eu-west-1.amazonaws.com"}, {"opt-in-status", "opt-in-not-required"}, {"region-name", "eu-west-1"},
	})
	checkFilters(t, a, "DescribeAvailabilityZones", "zoneName", "eu-west-1a", "", "", []filterTest{
		{"message", ""}, {"parent-zone-id", ""}, {"parent-zone-name", ""}, {"zone-id", "euw1-az1"}, {"zone-name", "eu-west-1a"},
	})
	for _, f := range []filterTest{{"group-name", "eu-west-1-zg-1"}, {"opt-in-status", "opt-in-not-required"}, {"region-name", "eu-west-1"}, {"state", "available"}, {"zone-type", "availability-zone"}} {
		if got := found(t, a, "DescribeAvailabilityZones", "zoneName", f.name, f.value); got != "eu-west-1a eu-west-1b eu-west-1c" {
			t.Errorf("zones by %s=%s: got %s, want all", f.name, f.value, got)
		}
		if got := found(t, a, "DescribeAvailabilityZones", "zoneName", f.name, f.value+"x"); got != "" {
			t.Errorf("zones by %s=%sx: got %s, want none", f.name, f.value, got)
		}
	}
}
