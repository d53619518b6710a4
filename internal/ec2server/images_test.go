package ec2server_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/metadb"
)

// register makes an image of one disk that machines of every current type can
// start.
func (a *account) register(t *testing.T, c *ec2.Client, name, snapshot string) string {
	t.Helper()
	return *do(t, c.RegisterImage, bootable(name, snapshot)).ImageId
}

func bootable(name, snapshot string) *ec2.RegisterImageInput {
	return &ec2.RegisterImageInput{
		Name: &name, Architecture: types.ArchitectureValuesX8664, VirtualizationType: p("hvm"), EnaSupport: p(true),
		RootDeviceName: p("/dev/sda1"), BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{SnapshotId: &snapshot}},
		},
	}
}

// image describes one image.
func image(t *testing.T, c *ec2.Client, id string) types.Image {
	t.Helper()
	out := do(t, c.DescribeImages, &ec2.DescribeImagesInput{ImageIds: []string{id}})
	if len(out.Images) != 1 {
		t.Fatalf("got %d images for %s, want one", len(out.Images), id)
	}
	return out.Images[0]
}

// change changes an image's row, for what the API cannot do yet.
func (i *installation) change(t *testing.T, region origami.Region, id string, f func(*origami.Image)) {
	t.Helper()
	err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		_, err := tx.UpdateImage(region, origami.ImageID(id), func(img *origami.Image) error { f(img); return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRegisterImage gives every parameter and reads all of them back.
//
//origami:proves RegisterImage DescribeImages S1 S4 S5 S6 S7 S13 S44 S55
func TestRegisterImage(t *testing.T) {
	t.Parallel()
	i := open(t)
	root, data := i.a.snapshot(t, home, "root"), i.a.snapshot(t, home, "data")
	id := *do(t, i.a.RegisterImage, &ec2.RegisterImageInput{
		Name: p("web (1.0) [eu]/it's-a_b@c"), Description: p("a description"),
		Architecture: types.ArchitectureValuesX8664, VirtualizationType: p("hvm"), EnaSupport: p(true), SriovNetSupport: p("simple"),
		BootMode: types.BootModeValuesUefi, TpmSupport: types.TpmSupportValuesV20, UefiData: p("AAAA"), ImdsSupport: types.ImdsSupportValuesV20,
		RootDeviceName: p("/dev/xvda"),
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &root, VolumeType: "gp3", Iops: p(int32(4000)), Throughput: p(int32(200)), VolumeSize: p(int32(10)), DeleteOnTermination: p(false)}},
			{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{SnapshotId: &data}},
			{DeviceName: p("/dev/sdg"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(5)), VolumeType: "io2", Iops: p(int32(500)), Encrypted: p(false)}},
			{DeviceName: p("/dev/sdh"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(125)), VolumeType: "st1"}},
			{DeviceName: p("/dev/sdi"), VirtualName: p("ephemeral0")},
			{DeviceName: p("/dev/sdj"), NoDevice: p("")},
		},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeImage, Tags: []types.Tag{{Key: p("release"), Value: p("1.0")}, {Key: p("commit"), Value: p("")}}}},
	}).ImageId
	want := types.Image{
		ImageId: &id, Name: p("web (1.0) [eu]/it's-a_b@c"), Description: p("a description"), State: "available",
		ImageLocation: p(string(i.a.id) + "/web (1.0) [eu]/it's-a_b@c"), OwnerId: p(string(i.a.id)), Public: p(false),
		CreationDate: p("2024-05-01T12:00:00.000Z"), DeregistrationProtection: p("disabled"), ImageType: "machine", Hypervisor: "xen",
		Architecture: "x86_64", VirtualizationType: "hvm", EnaSupport: p(true), SriovNetSupport: p("simple"),
		BootMode: "uefi", TpmSupport: "v2.0", ImdsSupport: "v2.0",
		PlatformDetails: p("Linux/UNIX"), UsageOperation: p("RunInstances"), FreeTierEligible: p(false),
		RootDeviceName: p("/dev/xvda"), RootDeviceType: "ebs",
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &root, VolumeType: "gp3", Iops: p(int32(4000)), Throughput: p(int32(200)), VolumeSize: p(int32(10)), DeleteOnTermination: p(false), Encrypted: p(false)}},
			{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{SnapshotId: &data, VolumeType: "gp2", VolumeSize: p(int32(1)), DeleteOnTermination: p(true), Encrypted: p(false)}},
			{DeviceName: p("/dev/sdg"), Ebs: &types.EbsBlockDevice{VolumeType: "io2", Iops: p(int32(500)), VolumeSize: p(int32(5)), DeleteOnTermination: p(true), Encrypted: p(false)}},
			{DeviceName: p("/dev/sdh"), Ebs: &types.EbsBlockDevice{VolumeType: "st1", VolumeSize: p(int32(125)), DeleteOnTermination: p(true), Encrypted: p(false)}},
			{DeviceName: p("/dev/sdi"), VirtualName: p("ephemeral0")},
		},
		Tags: []types.Tag{{Key: p("commit"), Value: p("")}, {Key: p("release"), Value: p("1.0")}},
	}
	same(t, image(t, i.a.Client, id), want)

	// The defaults are those of 2006.
	old := *do(t, i.a.RegisterImage, &ec2.RegisterImageInput{
		Name: p("old"), RootDeviceName: p("/dev/sda1"), KernelId: p("aki-0123456789abcdef0"), RamdiskId: p("ari-01234567"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{SnapshotId: &root}}},
	}).ImageId
	same(t, image(t, i.a.Client, old), types.Image{
		ImageId: &old, Name: p("old"), State: "available", ImageLocation: p(string(i.a.id) + "/old"), OwnerId: p(string(i.a.id)), Public: p(false),
		CreationDate: p("2024-05-01T12:00:00.000Z"), DeregistrationProtection: p("disabled"), ImageType: "machine", Hypervisor: "xen", Architecture: "i386", VirtualizationType: "paravirtual",
		KernelId: p("aki-0123456789abcdef0"), RamdiskId: p("ari-01234567"), EnaSupport: p(false), PlatformDetails: p("Linux/UNIX"),
		UsageOperation: p("RunInstances"), FreeTierEligible: p(false), RootDeviceName: p("/dev/sda1"), RootDeviceType: "ebs",
		BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{SnapshotId: &root, VolumeType: "gp2", VolumeSize: p(int32(1)), DeleteOnTermination: p(true), Encrypted: p(false)}},
		},
	})
}

// TestRegisterImageErrors gives everything that images.md, sections 2.1 to
// 2.3, refuses.
//
//origami:proves RegisterImage S19 S23
func TestRegisterImageErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap, foreign, elsewhere := i.a.snapshot(t, home, "root"), i.b.snapshot(t, home, "foreign"), i.a.snapshot(t, abroad, "abroad")
	taken := i.a.register(t, i.a.Client, "taken", snap)
	const name = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'"
	root := func(in *ec2.RegisterImageInput) *types.EbsBlockDevice { return in.BlockDeviceMappings[0].Ebs }
	add := func(in *ec2.RegisterImageInput, d types.BlockDeviceMapping) {
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, d)
	}
	tests := []struct {
		name          string
		edit          func(*ec2.RegisterImageInput)
		code, message string
	}{
		{"short name", func(in *ec2.RegisterImageInput) { in.Name = p("ab") }, "InvalidAMIName.Malformed", name},
		{"long name", func(in *ec2.RegisterImageInput) { in.Name = p(strings.Repeat("a", 129)) }, "InvalidAMIName.Malformed", name},
		{"bad name", func(in *ec2.RegisterImageInput) { in.Name = p("web:1") }, "InvalidAMIName.Malformed", name},
		{"name of umlauts", func(in *ec2.RegisterImageInput) { in.Name = p("wüb") }, "InvalidAMIName.Malformed", name},
		{"no name", func(in *ec2.RegisterImageInput) { in.Name = p("") }, "MissingParameter", "The request must contain the parameter Name"},
		{"taken name", func(in *ec2.RegisterImageInput) { in.Name = p("taken") }, "InvalidAMIName.Duplicate", "AMI name taken is already in use by AMI " + taken},
		{"long description", func(in *ec2.RegisterImageInput) { in.Description = p(strings.Repeat("d", 256)) }, "InvalidParameterValue", "Value (" + strings.Repeat("d", 128) + "...) for parameter Description is invalid. Length exceeds maximum of 255."},
		{"nothing", func(in *ec2.RegisterImageInput) { in.RootDeviceName, in.BlockDeviceMappings = nil, nil }, "MissingParameter", "The request must contain the parameter imageLocation or blockDeviceMapping"},
		{"no root device", func(in *ec2.RegisterImageInput) { in.RootDeviceName = nil }, "MissingParameter", "The request must contain the parameter rootDeviceName"},
		{"root not mapped", func(in *ec2.RegisterImageInput) { in.RootDeviceName = p("/dev/xvda") }, "InvalidBlockDeviceMapping", "No root snapshot specified in device mapping."},
		{"root empty", func(in *ec2.RegisterImageInput) { root(in).SnapshotId, root(in).VolumeSize = nil, p(int32(8)) }, "InvalidBlockDeviceMapping", "No root snapshot specified in device mapping."},
		{"root ephemeral", func(in *ec2.RegisterImageInput) {
			in.BlockDeviceMappings[0] = types.BlockDeviceMapping{DeviceName: p("/dev/sda1"), VirtualName: p("ephemeral0")}
		}, "InvalidBlockDeviceMapping", "No root snapshot specified in device mapping."},
		{"root on st1", func(in *ec2.RegisterImageInput) { root(in).VolumeType, root(in).VolumeSize = "st1", p(int32(125)) }, "InvalidParameterValue", "Volume type st1 is not supported for the root device '/dev/sda1'."},
		{"snapshot ID", func(in *ec2.RegisterImageInput) { root(in).SnapshotId = p("snap-1") }, "InvalidSnapshotID.Malformed", `Invalid id: "snap-1" (expecting "snap-...")`},
		{"snapshot of nobody", func(in *ec2.RegisterImageInput) { root(in).SnapshotId = p("snap-00000000000000000") }, "InvalidSnapshot.NotFound", "The snapshot 'snap-00000000000000000' does not exist."},
		{"snapshot of another", func(in *ec2.RegisterImageInput) { root(in).SnapshotId = &foreign }, "InvalidSnapshot.NotFound", "The snapshot '" + foreign + "' does not exist."},
		{"snapshot of another region", func(in *ec2.RegisterImageInput) { root(in).SnapshotId = &elsewhere }, "InvalidSnapshot.NotFound", "The snapshot '" + elsewhere + "' does not exist."},
		{"encrypted and snapshot", func(in *ec2.RegisterImageInput) { root(in).Encrypted = p(false) }, "InvalidBlockDeviceMapping", "the encrypted flag cannot be specified since device /dev/sda1 has a snapshot specified."},
		{"neither snapshot nor size", func(in *ec2.RegisterImageInput) {
			add(in, types.BlockDeviceMapping{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeType: "gp2"}})
		}, "MissingParameter", "The request must contain the parameter size/snapshot"},
		{"device twice", func(in *ec2.RegisterImageInput) {
			add(in, types.BlockDeviceMapping{DeviceName: p("xvdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1))}})
			add(in, types.BlockDeviceMapping{DeviceName: p("/dev/xvdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1))}})
		}, "InvalidBlockDeviceMapping", "The device 'xvdf' is used in more than one block-device mapping"},
		{"device name", func(in *ec2.RegisterImageInput) {
			add(in, types.BlockDeviceMapping{DeviceName: p("../sda"), VirtualName: p("ephemeral0")})
		}, "InvalidParameterValue", "Value (../sda) for parameter device is invalid. ../sda is not a valid EBS device name."},
		{"virtual name", func(in *ec2.RegisterImageInput) {
			add(in, types.BlockDeviceMapping{DeviceName: p("/dev/sdb"), VirtualName: p("ephemeral24")})
		}, "InvalidBlockDeviceMapping", "The virtual name 'ephemeral24' is not valid"},
		{"two things in an entry", func(in *ec2.RegisterImageInput) { in.BlockDeviceMappings[0].VirtualName = p("ephemeral0") }, "InvalidBlockDeviceMapping", "The block device mapping of /dev/sda1 must contain exactly one of ebs, virtualName and noDevice"},
		{"volume type", func(in *ec2.RegisterImageInput) { root(in).VolumeType = "gp9" }, "UnknownVolumeType", "Unsupported volume type 'gp9' for volume creation."},
		{"io2 without iops", func(in *ec2.RegisterImageInput) { root(in).VolumeType, root(in).VolumeSize = "io2", p(int32(4)) }, "MissingParameter", "The request must contain the parameter iops"},
		{"iops of gp2", func(in *ec2.RegisterImageInput) { root(in).Iops = p(int32(100)) }, "InvalidParameterCombination", "The parameter iops is not supported for gp2 volumes."},
		{"throughput of gp2", func(in *ec2.RegisterImageInput) { root(in).Throughput = p(int32(125)) }, "InvalidParameterCombination", "The parameter throughput is not supported for gp2 volumes."},
		{"size zero", func(in *ec2.RegisterImageInput) { root(in).VolumeSize = p(int32(0)) }, "InvalidParameterValue", "Value (0) for parameter volumeSize is invalid. It must be at least 1."},
		{"size too large", func(in *ec2.RegisterImageInput) { root(in).VolumeSize = p(int32(16385)) }, "InvalidParameterValue", "Volume of 16385GiB is too large for volume type gp2; maximum is 16384GiB."},
		{"encrypted", func(in *ec2.RegisterImageInput) {
			add(in, types.BlockDeviceMapping{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1)), Encrypted: p(true), KmsKeyId: p("alias/aws/ebs")}})
		}, "UnsupportedOperation", "The parameter BlockDeviceMapping.2.Ebs.KmsKeyId is not supported by this service."},
		{"key", func(in *ec2.RegisterImageInput) { root(in).KmsKeyId = p("alias/aws/ebs") }, "UnsupportedOperation", "The parameter BlockDeviceMapping.1.Ebs.KmsKeyId is not supported by this service."},
		{"kernel of hvm", func(in *ec2.RegisterImageInput) { in.KernelId = p("aki-01234567") }, "InvalidParameterCombination", "Kernel and ramdisk cannot be specified for images with virtualization type hvm."},
		{"ramdisk of hvm", func(in *ec2.RegisterImageInput) { in.RamdiskId = p("ari-01234567") }, "InvalidParameterCombination", "Kernel and ramdisk cannot be specified for images with virtualization type hvm."},
		{"ENA of paravirtual", func(in *ec2.RegisterImageInput) { in.VirtualizationType = nil }, "InvalidParameterCombination", "The parameter enaSupport is supported only for images with virtualization type hvm."},
		{"SR-IOV of paravirtual", func(in *ec2.RegisterImageInput) {
			in.VirtualizationType, in.EnaSupport, in.SriovNetSupport = nil, nil, p("simple")
		}, "InvalidParameterCombination", "The parameter sriovNetSupport is supported only for images with virtualization type hvm."},
		{"UEFI of paravirtual", func(in *ec2.RegisterImageInput) { in.VirtualizationType, in.EnaSupport, in.BootMode = nil, nil, "uefi" }, "InvalidParameterCombination", "The parameter bootMode is supported only for images with virtualization type hvm."},
		{"SR-IOV", func(in *ec2.RegisterImageInput) { in.SriovNetSupport = p("double") }, "InvalidParameterValue", "Value (double) for parameter sriovNetSupport is invalid. The only valid value is simple."},
		{"virtualization type", func(in *ec2.RegisterImageInput) { in.VirtualizationType = p("kvm") }, "InvalidParameterValue", "Value (kvm) for parameter virtualizationType is invalid. Valid values are hvm and paravirtual."},
		{"architecture", func(in *ec2.RegisterImageInput) { in.Architecture = "riscv64" }, "InvalidParameterValue", "Value (riscv64) for parameter Architecture is invalid.…"},
		{"BIOS on arm64", func(in *ec2.RegisterImageInput) { in.Architecture, in.BootMode = "arm64", "legacy-bios" }, "InvalidParameterCombination", "Images with architecture arm64 support only the boot mode uefi."},
		{"boot mode", func(in *ec2.RegisterImageInput) { in.BootMode = "bios" }, "InvalidParameterValue", "Value (bios) for parameter BootMode is invalid.…"},
		{"TPM and uefi-preferred", func(in *ec2.RegisterImageInput) { in.BootMode, in.TpmSupport = "uefi-preferred", "v2.0" }, "InvalidParameterCombination", "TpmSupport v2.0 requires the boot mode uefi."},
		{"UEFI data without UEFI", func(in *ec2.RegisterImageInput) { in.UefiData = p("AAAA") }, "InvalidParameterCombination", "UefiData requires the boot mode uefi or uefi-preferred."},
		{"UEFI data", func(in *ec2.RegisterImageInput) { in.BootMode, in.UefiData = "uefi", p("?") }, "InvalidParameterValue", "Value for parameter uefiData is invalid. It must be base64 of at most 64000 characters."},
		{"long UEFI data", func(in *ec2.RegisterImageInput) { in.BootMode, in.UefiData = "uefi", p(strings.Repeat("A", 64004)) }, "InvalidParameterValue", "…"},
		{"IMDS", func(in *ec2.RegisterImageInput) { in.ImdsSupport = "v1.0" }, "InvalidParameterValue", "Value (v1.0) for parameter ImdsSupport is invalid.…"},
		{"tags of another kind", func(in *ec2.RegisterImageInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "snapshot", Tags: []types.Tag{{Key: p("a"), Value: p("b")}}}}
		}, "InvalidParameterValue", "'snapshot' is not a valid taggable resource type for this operation."},
		{"location", func(in *ec2.RegisterImageInput) { in.ImageLocation = p("bucket/image.manifest.xml") }, "UnsupportedOperation", "The parameter ImageLocation is not supported by this service."},
		{"billing product", func(in *ec2.RegisterImageInput) { in.BillingProducts = []string{"bp-1"} }, "UnsupportedOperation", "The parameter BillingProduct.1 is not supported by this service."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := bootable("free name", snap)
			tt.edit(in)
			fails(t, i.a.RegisterImage, in, tt.code, tt.message)
		})
	}
	if got := do(t, i.a.DescribeImages, &ec2.DescribeImagesInput{}).Images; len(got) != 1 {
		t.Errorf("got %d images after errors, want 1", len(got))
	}
	// Another account, another region and a name that became free are no conflict.
	i.b.register(t, i.b.Client, "taken", foreign)
	i.a.register(t, i.a.in(abroad), "taken", elsewhere)
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &taken})
	i.a.register(t, i.a.Client, "taken", snap)
}

// TestSmallSnapshot registers with a size below the snapshot's.
//
//origami:proves RegisterImage
func TestSmallSnapshot(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "root")
	err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(home, origami.SnapshotID(snap), func(s *origami.Snapshot) error { s.VolumeSize = 30; return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	in := bootable("small", snap)
	in.BlockDeviceMappings[0].Ebs.VolumeSize = p(int32(8))
	fails(t, i.a.RegisterImage, in, "InvalidBlockDeviceMapping", "Volume of size 8GB is smaller than snapshot '"+snap+"', expect size >= 30GB")

	err = i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(home, origami.SnapshotID(snap), func(s *origami.Snapshot) error { s.State = origami.SnapshotPending; return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fails(t, i.a.RegisterImage, bootable("pending", snap), "IncorrectState", "Snapshot '"+snap+"' is not in the completed state.")
}

// TestDeregisteredByID asks for images that are gone: an account to whom they
// still mean something gets an empty list, and others an error.
//
//origami:proves DescribeImages DeregisterImage S87
func TestDeregisteredByID(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.registered(t, "gone")
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.Group": {"all"}})
	in := &ec2.DescribeImagesInput{ImageIds: []string{id}}
	instance := i.b.launched(t, id)
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	c := i.account(i.iam, "carol")
	empty := func(who *account) {
		t.Helper()
		if out := do(t, who.DescribeImages, in).Images; len(out) > 0 {
			t.Errorf("got %+v, want nothing", out)
		}
	}
	unknown := func(who *account) {
		t.Helper()
		fails(t, who.DescribeImages, in, "InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
	}
	empty(i.a)
	empty(i.b) // for its instance
	unknown(c)
	i.change(t, home, id, func(m *origami.Image) { m.Deregistered = clock.Add(-24 * time.Hour) })
	unknown(i.a)
	empty(i.b)
	do(t, i.b.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{instance}})
	reaches(t, i.b.Client, instance, "terminated")
	unknown(i.b)
}

// TestVisibility checks who sees which image, by every way of asking.
//
//origami:proves DescribeImages S8 S14 S15 S16 S63 S65 S71 S73
func TestVisibility(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "root")
	ids := make(map[string]string)
	for _, name := range []string{"private", "shared", "public", "deprecated", "disabled", "gone"} {
		in := bootable(name, snap)
		in.TagSpecifications = []types.TagSpecification{{ResourceType: "image", Tags: []types.Tag{{Key: p("secret"), Value: p("of alice")}}}}
		ids[name] = *do(t, i.a.RegisterImage, in).ImageId
	}
	ids["bob's"] = i.b.register(t, i.b.Client, "bob's", i.b.snapshot(t, home, "bob"))
	ids["elsewhere"] = i.a.register(t, i.a.in(abroad), "elsewhere", i.a.snapshot(t, abroad, "abroad"))
	i.change(t, home, ids["shared"], func(m *origami.Image) { m.SharedWith = []origami.AccountID{i.b.id} })
	i.change(t, home, ids["public"], func(m *origami.Image) { m.Public = true; m.LastLaunched = clock.Add(-24 * time.Hour) })
	i.change(t, home, ids["deprecated"], func(m *origami.Image) { m.Public = true; m.DeprecationTime = clock })
	i.change(t, home, ids["disabled"], func(m *origami.Image) { m.State = origami.ImageDisabled })
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: p(ids["gone"])})

	a, b := string(i.a.id), string(i.b.id)
	tests := []struct {
		name string
		who  *account
		in   ec2.DescribeImagesInput
		want string
	}{
		{"all", i.a, ec2.DescribeImagesInput{}, "deprecated private public shared"},
		{"all", i.b, ec2.DescribeImagesInput{}, "bob's public shared"},
		{"self", i.a, ec2.DescribeImagesInput{Owners: []string{"self"}}, "deprecated private public shared"},
		{"self", i.b, ec2.DescribeImagesInput{Owners: []string{"self"}}, "bob's"},
		{"by number", i.b, ec2.DescribeImagesInput{Owners: []string{a}}, "public shared"},
		{"two owners", i.b, ec2.DescribeImagesInput{Owners: []string{a, "self"}}, "bob's public shared"},
		{"amazon", i.b, ec2.DescribeImagesInput{Owners: []string{"amazon"}}, ""},
		{"amazon and self", i.b, ec2.DescribeImagesInput{Owners: []string{"amazon", "self"}}, "bob's"},
		{"nobody", i.b, ec2.DescribeImagesInput{Owners: []string{"999999999999"}}, ""},
		{"executable by self", i.a, ec2.DescribeImagesInput{ExecutableUsers: []string{"self"}}, ""},
		{"executable by self", i.b, ec2.DescribeImagesInput{ExecutableUsers: []string{"self"}}, "shared"},
		{"executable by bob", i.a, ec2.DescribeImagesInput{ExecutableUsers: []string{b}}, "shared"},
		{"executable by all", i.a, ec2.DescribeImagesInput{ExecutableUsers: []string{"all"}}, "deprecated public"},
		{"executable by all", i.b, ec2.DescribeImagesInput{ExecutableUsers: []string{"all"}}, "public"},
		{"deprecated", i.b, ec2.DescribeImagesInput{IncludeDeprecated: p(true)}, "bob's deprecated public shared"},
		{"deprecated by ID", i.b, ec2.DescribeImagesInput{ImageIds: []string{ids["deprecated"]}}, "deprecated"},
		{"disabled", i.a, ec2.DescribeImagesInput{IncludeDisabled: p(true)}, "deprecated disabled private public shared"},
		{"disabled", i.b, ec2.DescribeImagesInput{IncludeDisabled: p(true)}, "bob's public shared"},
		{"disabled by ID", i.a, ec2.DescribeImagesInput{ImageIds: []string{ids["disabled"]}}, "disabled"},
		{"gone by ID", i.a, ec2.DescribeImagesInput{ImageIds: []string{ids["gone"], ids["private"]}}, "private"},
		{"ID twice", i.a, ec2.DescribeImagesInput{ImageIds: []string{ids["private"], ids["private"]}}, "private"},
		{"ID and owner", i.a, ec2.DescribeImagesInput{ImageIds: []string{ids["private"]}, Owners: []string{b}}, ""},
		{"name filter", i.b, ec2.DescribeImagesInput{Filters: []types.Filter{{Name: p("name"), Values: []string{"private"}}}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name+" by "+map[*account]string{i.a: "alice", i.b: "bob"}[tt.who], func(t *testing.T) {
			out := do(t, tt.who.DescribeImages, &tt.in)
			var names []string
			for _, m := range out.Images {
				names = append(names, *m.Name)
				if tt.who == i.b && *m.OwnerId == a && (len(m.Tags) > 0 || m.LastLaunchedTime != nil) {
					t.Errorf("bob sees tags %v and the last launch %v of alice's %s", m.Tags, m.LastLaunchedTime, *m.Name)
				}
			}
			if got := sorted(names); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := image(t, i.a.Client, ids["public"]).LastLaunchedTime; got == nil || *got != "2024-04-30T12:00:00.123Z" {
		t.Errorf("the owner sees the last launch %v, want 2024-04-30T12:00:00.123Z", got)
	}

	for _, tt := range []struct {
		name          string
		who           *account
		in            ec2.DescribeImagesInput
		code, message string
	}{
		{"malformed", i.a, ec2.DescribeImagesInput{ImageIds: []string{"x", "y"}}, "InvalidAMIID.Malformed", `Invalid id: "x" (expecting "ami-...")`},
		{"unknown", i.a, ec2.DescribeImagesInput{ImageIds: []string{"ami-01234567"}}, "InvalidAMIID.NotFound", "The image id '[ami-01234567]' does not exist"},
		{"two unknown", i.a, ec2.DescribeImagesInput{ImageIds: []string{"ami-01234567", ids["private"], "ami-76543210"}}, "InvalidAMIID.NotFound", "The image ids '[ami-01234567, ami-76543210]' do not exist"},
		{"foreign", i.b, ec2.DescribeImagesInput{ImageIds: []string{ids["private"]}}, "InvalidAMIID.NotFound", "The image id '[" + ids["private"] + "]' does not exist"},
		{"foreign disabled", i.b, ec2.DescribeImagesInput{ImageIds: []string{ids["disabled"]}}, "InvalidAMIID.NotFound", "The image id '[" + ids["disabled"] + "]' does not exist"},
		{"other region", i.a, ec2.DescribeImagesInput{ImageIds: []string{ids["elsewhere"]}}, "InvalidAMIID.NotFound", "The image id '[" + ids["elsewhere"] + "]' does not exist"},
		{"gone", i.b, ec2.DescribeImagesInput{ImageIds: []string{ids["gone"]}}, "InvalidAMIID.NotFound", "The image id '[" + ids["gone"] + "]' does not exist"},
		{"gone and unknown", i.a, ec2.DescribeImagesInput{ImageIds: []string{ids["gone"], "ami-01234567"}}, "InvalidAMIID.NotFound", "The image id '[ami-01234567]' does not exist"},
		{"no ID is not every ID", i.a, ec2.DescribeImagesInput{ImageIds: []string{""}}, "InvalidAMIID.Malformed", `Invalid id: "" (expecting "ami-...")`},
		{"no owner is not everybody", i.a, ec2.DescribeImagesInput{Owners: []string{""}}, "InvalidUserID.Malformed", `Invalid user id: ""`},
		{"owner", i.a, ec2.DescribeImagesInput{Owners: []string{"alice"}}, "InvalidUserID.Malformed", `Invalid user id: "alice"`},
		{"executable", i.a, ec2.DescribeImagesInput{ExecutableUsers: []string{"everyone"}}, "InvalidUserID.Malformed", `Invalid user id: "everyone"`},
		{"IDs and pages", i.a, ec2.DescribeImagesInput{ImageIds: []string{ids["private"]}, MaxResults: p(int32(5))}, "InvalidParameterCombination", "The parameter imageIdSet cannot be used with the parameter maxResults"},
		{"filter", i.a, ec2.DescribeImagesInput{Filters: []types.Filter{{Name: p("x"), Values: []string{"y"}}}}, "InvalidParameterValue", "The filter 'x' is invalid"},
	} {
		t.Run(tt.name, func(t *testing.T) { fails(t, tt.who.DescribeImages, &tt.in, tt.code, tt.message) })
	}
}

// TestDeregisterImage removes images with and without their snapshots.
//
//origami:proves DeregisterImage DeleteSnapshot RunInstances S86 S87 S88
func TestDeregisterImage(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap, other := i.a.snapshot(t, home, "root"), i.a.snapshot(t, home, "other")
	id := i.a.register(t, i.a.Client, "first", snap)
	second := bootable("second", snap)
	second.BlockDeviceMappings = append(second.BlockDeviceMappings, types.BlockDeviceMapping{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{SnapshotId: &other}})
	both := *do(t, i.a.RegisterImage, second).ImageId

	fails(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: p("ami-1")}, "InvalidAMIID.Malformed", `Invalid id: "ami-1" (expecting "ami-...")`)
	fails(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: p("ami-01234567")}, "InvalidAMIID.NotFound", "The image id '[ami-01234567]' does not exist")
	fails(t, i.b.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id}, "InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
	i.change(t, home, id, func(m *origami.Image) { m.Public = true })
	fails(t, i.b.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id}, "AuthFailure", "Not authorized for image:"+id)
	// Who it is, is known: unlike bad credentials, which are 401.
	if status, text := i.b.send(t, home, form("DeregisterImage", "ImageId", id)); status != 400 {
		t.Errorf("DeregisterImage of another account: got %d %s, want status 400", status, text)
	}
	fails(t, i.a.in(abroad).DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id}, "InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
	fails(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id, DryRun: p(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	fails(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &other}, "InvalidSnapshot.InUse", "The snapshot "+other+" is currently in use by "+both)

	// Without the snapshots.
	same(t, do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id}), &ec2.DeregisterImageOutput{
		Return: p(true),
	})
	fails(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id}, "InvalidAMIID.Unavailable", "The image id '["+id+"]' is no longer available")
	fails(t, i.a.RunInstances, launch(id), "InvalidAMIID.Unavailable", "The image id '["+id+"]' is no longer available")

	// With them: one is still in use by a third image.
	i.a.register(t, i.a.Client, "third", snap)
	same(t, do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &both, DeleteAssociatedSnapshots: p(true)}), &ec2.DeregisterImageOutput{
		Return: p(true), DeleteSnapshotResults: []types.DeleteSnapshotReturnCode{
			{SnapshotId: &snap, ReturnCode: types.SnapshotReturnCodesWarnSkipped}, {SnapshotId: &other, ReturnCode: types.SnapshotReturnCodesSuccess},
		},
	})
	fails(t, i.a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{other}}, "InvalidSnapshot.NotFound", "The snapshot '"+other+"' does not exist.")
	do(t, i.a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{snap}})
}

// TestDeprecationTime shows the time to everybody who sees the image.
//
//origami:proves DescribeImages
func TestDeprecationTime(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.register(t, i.a.Client, "image", i.a.snapshot(t, home, "root"))
	i.change(t, home, id, func(m *origami.Image) {
		m.Public, m.DeprecationTime = true, time.Date(2100, 1, 2, 3, 4, 0, 0, time.UTC)
		m.StateReason = &origami.StateReason{Code: "Client.X", Message: "Client.X: why"}
	})
	got := do(t, i.b.DescribeImages, &ec2.DescribeImagesInput{}).Images
	if len(got) != 1 || *got[0].DeprecationTime != "2100-01-02T03:04:00.000Z" || *got[0].StateReason.Code != "Client.X" || *got[0].StateReason.Message != "Client.X: why" {
		t.Errorf("got %+v", got)
	}
}
