package instance_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/ami"
	"origami/internal/instance"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
	"origami/internal/vmm"
)

// TestRun launches several instances at once.
//
//origami:proves RunInstances S2 S11 S34
func TestRun(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "web", []byte("system"))
	out, err := r.Instances.Run(t.Context(), alice, instance.Launch{
		Image: img.ID, Type: "t3.nano", Min: 1, Max: 3, UserData: []byte("#!/bin/sh"),
		InstanceTags: origami.Tags{"Name": "web"}, VolumeTags: origami.Tags{"disk": "root"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 3 {
		t.Fatalf("%d instances, want 3", len(out))
	}
	seen := make(map[string]bool)
	for n, i := range out {
		if i.State != origami.InstancePending || i.LaunchIndex != n || i.Reservation != out[0].Reservation || i.Image != img.ID {
			t.Errorf("instance %d is %+v", n, i)
		}
		for _, unique := range []string{string(i.ID), i.MAC, i.PrivateIP.String(), i.PublicIP.String(), string(i.NetworkInterface)} {
			if seen[unique] {
				t.Errorf("%s appears twice", unique)
			}
			seen[unique] = true
		}
		i = r.WaitInstance(region, i.ID, origami.InstanceRunning)
		vols := r.Volumes(region, i.ID)
		if len(vols) != 1 || vols[0].State != origami.VolumeInUse || vols[0].Snapshot != img.Snapshots()[0] {
			t.Fatalf("volumes are %+v", vols)
		}
		if got := r.Read(region, vols[0].ID, 0, 6); string(got) != "system" {
			t.Errorf("the disk begins with %q", got)
		}
		spec, err := r.Machines.Spec(string(i.ID))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(spec.UUID, "ec2") || spec.Product != "t3.nano" || spec.MemoryMiB != 512 || spec.VCPUs != 2 ||
			len(spec.Disks) != 1 || spec.Disks[0].Bus != vmm.NVMe || spec.Disks[0].Serial != "vol"+string(vols[0].ID[4:]) || spec.NICs[0].MAC != i.MAC {
			t.Errorf("the machine is %+v", spec)
		}
		r.View(func(tx *metadb.Tx) error {
			tags, err := tx.Tags(region, alice.Account, string(i.ID), string(vols[0].ID))
			if tags[string(i.ID)]["Name"] != "web" || tags[string(vols[0].ID)]["disk"] != "root" {
				t.Errorf("tags are %v", tags)
			}
			return err
		})
	}
	if got := r.Image(region, img.ID).LastLaunched; got.IsZero() {
		t.Error("the image does not say that it was launched")
	}
}

// TestBlockDevices merges the mapping of a request into that of an image.
//
//origami:proves RunInstances S7 S51 S84
func TestBlockDevices(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	base := r.Import(alice, "base", []byte("system"))
	snap := base.Snapshots()[0]
	extra := r.Import(alice, "extra", []byte("data")).Snapshots()[0]
	foreign := r.Import(bob, "foreign", []byte("data")).Snapshots()[0]
	ebsDevice := func(name string, e origami.EBSBlockDevice) origami.BlockDevice {
		return origami.BlockDevice{DeviceName: name, EBS: &e}
	}
	img := register(t, r, base, ami.Registration{
		Name: "image", RootDeviceName: "/dev/sda1", VirtualizationType: origami.HVM, Architecture: origami.X8664, ENASupport: true,
		BlockDevices: []origami.BlockDevice{
			ebsDevice("/dev/sdb", origami.EBSBlockDevice{Snapshot: extra, VolumeSize: 9, VolumeType: origami.GP3, IOPS: 4000, Throughput: 200, DeleteOnTermination: ptr(false)}),
			ebsDevice("/dev/sda1", origami.EBSBlockDevice{Snapshot: snap}),
			{DeviceName: "/dev/sdc", VirtualName: "ephemeral0"},
		},
	})
	root := "/dev/sda1 " + string(snap) + " gp2 1 100 0 true"
	data := "/dev/sdb " + string(extra) + " gp3 9 4000 200 false"
	for _, tt := range []struct {
		name    string
		request []origami.BlockDevice
		want    []string // by slot
		code    origami.Code
		text    string
	}{
		{"nothing", nil, []string{root, data}, "", ""},
		{"larger root", []origami.BlockDevice{ebsDevice("/dev/sda1", origami.EBSBlockDevice{VolumeSize: 20})},
			[]string{"/dev/sda1 " + string(snap) + " gp2 20 100 0 true", data}, "", ""},
		{"root of another type that stays", []origami.BlockDevice{ebsDevice("/dev/sda1", origami.EBSBlockDevice{VolumeType: origami.GP3, Throughput: 300, DeleteOnTermination: ptr(false)})},
			[]string{"/dev/sda1 " + string(snap) + " gp3 1 3000 300 false", data}, "", ""},
		{"root names its own snapshot", []origami.BlockDevice{ebsDevice("/dev/sda1", origami.EBSBlockDevice{Snapshot: snap})}, []string{root, data}, "", ""},
		{"new type drops old figures", []origami.BlockDevice{ebsDevice("/dev/sdb", origami.EBSBlockDevice{VolumeType: origami.GP2})},
			[]string{root, "/dev/sdb " + string(extra) + " gp2 9 100 0 false"}, "", ""},
		{"other snapshot for data", []origami.BlockDevice{ebsDevice("/dev/sdb", origami.EBSBlockDevice{Snapshot: snap, VolumeSize: 10})},
			[]string{root, "/dev/sdb " + string(snap) + " gp3 10 4000 200 false"}, "", ""},
		{"without data", []origami.BlockDevice{{DeviceName: "/dev/sdb", NoDevice: true}}, []string{root}, "", ""},
		{"without what is not there", []origami.BlockDevice{{DeviceName: "/dev/sdz", NoDevice: true}}, []string{root, data}, "", ""},
		{"data becomes ephemeral", []origami.BlockDevice{{DeviceName: "/dev/sdb", VirtualName: "ephemeral1"}}, []string{root}, "", ""},
		{"ephemeral becomes a volume", []origami.BlockDevice{ebsDevice("/dev/sdc", origami.EBSBlockDevice{VolumeSize: 7})},
			[]string{root, data, "/dev/sdc  gp2 7 100 0 true"}, "", ""},
		{"more volumes", []origami.BlockDevice{ebsDevice("/dev/sdf", origami.EBSBlockDevice{VolumeSize: 5}), ebsDevice("/dev/sdg", origami.EBSBlockDevice{Snapshot: extra})},
			[]string{root, data, "/dev/sdf  gp2 5 100 0 true", "/dev/sdg " + string(extra) + " gp2 1 100 0 true"}, "", ""},
		{"without root", []origami.BlockDevice{{DeviceName: "/dev/sda1", NoDevice: true}}, nil, origami.CodeInvalidBlockDeviceMapping, ""},
		{"ephemeral root", []origami.BlockDevice{{DeviceName: "/dev/sda1", VirtualName: "ephemeral0"}}, nil, origami.CodeInvalidBlockDeviceMapping, ""},
		{"other snapshot for root", []origami.BlockDevice{ebsDevice("/dev/sda1", origami.EBSBlockDevice{Snapshot: extra})}, nil,
			origami.CodeInvalidBlockDeviceMapping, "snapshotId cannot be modified on root device"},
		{"snapshot for ephemeral", []origami.BlockDevice{ebsDevice("/dev/sdc", origami.EBSBlockDevice{Snapshot: extra})}, nil,
			origami.CodeInvalidBlockDeviceMapping, "snapshotId can only be modified on EBS devices"},
		{"twice", []origami.BlockDevice{{DeviceName: "/dev/sdx", NoDevice: true}, {DeviceName: "sdx", NoDevice: true}}, nil,
			origami.CodeInvalidBlockDeviceMapping, "The device 'sdx' is used in more than one block-device mapping"},
		{"another spelling of the root", []origami.BlockDevice{ebsDevice("sda1", origami.EBSBlockDevice{VolumeSize: 1})}, nil,
			origami.CodeInvalidBlockDeviceMapping, "The device 'sda1' is used in more than one block-device mapping"},
		{"too small", []origami.BlockDevice{ebsDevice("/dev/sdf", origami.EBSBlockDevice{Snapshot: extra, VolumeSize: -1})}, nil,
			origami.CodeInvalidBlockDeviceMapping, "Volume of size -1GB is smaller than snapshot '" + string(extra) + "', expect size >= 1GB"},
		{"bad name", []origami.BlockDevice{ebsDevice("/dev/mem", origami.EBSBlockDevice{VolumeSize: 1})}, nil,
			origami.CodeInvalidParameterValue, "Value (/dev/mem) for parameter device is invalid. /dev/mem is not a valid EBS device name."},
		{"no size", []origami.BlockDevice{ebsDevice("/dev/sdf", origami.EBSBlockDevice{})}, nil,
			origami.CodeMissingParameter, "The request must contain the parameter size/snapshot"},
		{"snapshot of another account", []origami.BlockDevice{ebsDevice("/dev/sdf", origami.EBSBlockDevice{Snapshot: foreign})}, nil, origami.CodeInvalidSnapshotNotFound, ""},
		{"root on sc1", []origami.BlockDevice{ebsDevice("/dev/sda1", origami.EBSBlockDevice{VolumeType: origami.SC1, VolumeSize: 125})}, nil, origami.CodeInvalidParameterValue, ""},
		{"encrypted", []origami.BlockDevice{ebsDevice("/dev/sdf", origami.EBSBlockDevice{VolumeSize: 1, KMSKey: "alias/aws/ebs"})}, nil, origami.CodeInvalidParameterDependency, "The parameter KmsKeyId requires the parameter Encrypted to be set."},
		{"io1 without IOPS", []origami.BlockDevice{ebsDevice("/dev/sdf", origami.EBSBlockDevice{VolumeSize: 4, VolumeType: origami.IO1})}, nil, origami.CodeMissingParameter, ""},
		{"too many", func() (all []origami.BlockDevice) {
			for n := range 24 {
				all = append(all, ebsDevice(fmt.Sprintf("/dev/xvd%c%c", 'b'+n/26, 'a'+n%26), origami.EBSBlockDevice{VolumeSize: 1}))
			}
			return all
		}(), nil, "AttachmentLimitExceeded", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := r.Instances.Run(t.Context(), alice, instance.Launch{Image: img.ID, Type: "t3.nano", Min: 1, Max: 1, BlockDevices: tt.request})
			if tt.code != "" {
				wantError(t, err, tt.code, tt.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range r.Volumes(region, out[0].ID) {
				a := v.Attachments[0]
				got = append(got, fmt.Sprint(a.Device, " ", v.Snapshot, " ", v.Type, " ", v.Size, " ", v.IOPS, " ", v.Throughput, " ", a.DeleteOnTermination))
			}
			if d := cmp.Diff(got, tt.want); d != "" {
				t.Error(d)
			}
		})
	}
	// The image's own mapping is as it was.
	if d := cmp.Diff(r.Image(region, img.ID).BlockDevices, img.BlockDevices); d != "" {
		t.Error(d)
	}
}

// TestCompatibility pairs images and instance types that do not go together.
//
//origami:proves RunInstances S5 S23 S24 S26
func TestCompatibility(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	base := r.Import(alice, "base", []byte("system"))
	const match = " of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. " +
		"You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI."
	hvm := ami.Registration{VirtualizationType: origami.HVM, Architecture: origami.X8664, ENASupport: true}
	for n, tt := range []struct {
		name   string
		change func(*ami.Registration)
		typ    string
		code   origami.Code
		text   string
	}{
		{"fits", func(*ami.Registration) {}, "t3.nano", "", ""},
		{"i386 on t2", func(a *ami.Registration) { a.Architecture = origami.I386 }, "t2.nano", "", ""},
		{"i386 on t3", func(a *ami.Registration) { a.Architecture = origami.I386 }, "t3.nano", origami.CodeInvalidParameterValue,
			"The architecture 'x86_64' of the specified instance type does not match the architecture 'i386'" + match},
		{"arm64 on t2", func(a *ami.Registration) { a.Architecture = origami.ARM64 }, "t2.nano", origami.CodeInvalidParameterValue,
			"The architecture 'i386,x86_64' of the specified instance type does not match the architecture 'arm64'" + match},
		{"x86 on t4g", func(*ami.Registration) {}, "t4g.nano", origami.CodeInvalidParameterValue, ""},
		{"arm64 on t4g has no host", func(a *ami.Registration) { a.Architecture = origami.ARM64 }, "t4g.nano", origami.CodeInsufficientInstanceCapacity,
			"We currently do not have sufficient t4g.nano capacity in the Availability Zone you requested."},
		{"paravirtual on t3", func(a *ami.Registration) { a.VirtualizationType, a.ENASupport = origami.Paravirtual, false }, "t3.nano", origami.CodeInvalidParameterCombination, ""},
		{"hvm on m1", func(*ami.Registration) {}, "m1.small", origami.CodeInvalidParameterCombination, ""},
		{"m1.small is the default", func(*ami.Registration) {}, "", origami.CodeInvalidParameterCombination, ""},
		{"no ENA on m5", func(a *ami.Registration) { a.ENASupport = false }, "m5.large", origami.CodeInvalidParameterCombination,
			"Enhanced networking with the Elastic Network Adapter (ENA) is required for the 'm5.large' instance type. Ensure that you are using an AMI that is enabled for ENA."},
		{"no ENA on m4", func(a *ami.Registration) { a.ENASupport = false }, "m4.large", "", ""},
		{"UEFI on t2", func(a *ami.Registration) { a.BootMode = origami.UEFI }, "t2.nano", origami.CodeInvalidParameterValue, ""},
		{"UEFI preferred on t2", func(a *ami.Registration) { a.BootMode = origami.UEFIPreferred }, "t2.nano", "", ""},
		{"TPM on t2", func(a *ami.Registration) { a.BootMode, a.TPMSupport = origami.UEFI, "v2.0" }, "t2.nano", origami.CodeInvalidParameterValue, ""},
		{"unknown type", func(*ami.Registration) {}, "t9.huge", origami.CodeInvalidParameterValue, "Invalid value 't9.huge' for InstanceType."},
		{"more processors than the host", func(*ami.Registration) {}, "m5.2xlarge", origami.CodeInsufficientInstanceCapacity, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := hvm
			reg.Name, reg.RootDeviceName = fmt.Sprint("image ", n), "/dev/sda1"
			reg.BlockDevices = []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: &origami.EBSBlockDevice{Snapshot: base.Snapshots()[0]}}}
			tt.change(&reg)
			img := register(t, r, base, reg)
			_, err := r.Instances.Run(t.Context(), alice, instance.Launch{Image: img.ID, Type: tt.typ, Min: 1, Max: 1})
			if tt.code != "" {
				wantError(t, err, tt.code, tt.text)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLaunchChecks goes through the rest of what a launch refuses. Nothing is
// left of a refused launch.
//
//origami:proves RunInstances S10 S12 S94 S106
func TestLaunchChecks(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "web", []byte("system"))
	foreign := r.Import(bob, "other", []byte("system"))
	if err := r.Instances.VPC.EnsureDefault(t.Context(), bob); err != nil {
		t.Fatal(err)
	}
	if err := r.Instances.VPC.EnsureDefault(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Instances.CreateKeyPair(t.Context(), alice, "laptop", "ed25519", nil); err != nil {
		t.Fatal(err)
	}
	network := func(who origami.Caller) (sub *origami.Subnet, group origami.SecurityGroupID) {
		r.View(func(tx *metadb.Tx) error {
			for s, err := range tx.Subnets(metadb.Query{Region: region, Viewer: who.Account}) {
				if err != nil {
					return err
				}
				if s.Zone == "us-east-1b" {
					sub = s
				}
			}
			for g, err := range tx.SecurityGroups(metadb.Query{Region: region, Viewer: who.Account}) {
				if err != nil {
					return err
				}
				group = g.ID
			}
			return nil
		})
		return sub, group
	}
	mine, group := network(alice)
	theirs, theirGroup := network(bob)
	address := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	for _, tt := range []struct {
		name   string
		change func(*instance.Launch)
		code   origami.Code
		text   string
	}{
		{"image of another account", func(l *instance.Launch) { l.Image = foreign.ID }, origami.CodeAuthFailure, "Not authorized for images: [" + string(foreign.ID) + "]"},
		{"unknown image", func(l *instance.Launch) { l.Image = "ami-0123456789abcdef0" }, origami.CodeInvalidAMIIDNotFound, "The image id '[ami-0123456789abcdef0]' does not exist"},
		{"none", func(l *instance.Launch) { l.Min, l.Max = 0, 0 }, origami.CodeInvalidParameterValue, ""},
		{"most below least", func(l *instance.Launch) { l.Min, l.Max = 2, 1 }, origami.CodeInvalidParameterValue, ""},
		{"unknown key pair", func(l *instance.Launch) { l.KeyName = "desktop" }, origami.CodeInvalidKeyPairNotFound, "The key pair 'desktop' does not exist"},
		{"key pair", func(l *instance.Launch) { l.KeyName = "laptop" }, "", ""},
		{"too much user data", func(l *instance.Launch) { l.UserData = make([]byte, 16<<10+1) }, origami.CodeInvalidParameterValue, ""},
		{"all user data", func(l *instance.Launch) { l.UserData = make([]byte, 16<<10) }, "", ""},
		{"long client token", func(l *instance.Launch) { l.ClientToken = strings.Repeat("t", 65) }, origami.CodeInvalidParameterValue, ""},
		{"shutdown behavior", func(l *instance.Launch) { l.ShutdownBehavior = "hibernate" }, origami.CodeInvalidParameterValue, ""},
		{"zone", func(l *instance.Launch) { l.Zone = "us-east-1c" }, "", ""},
		{"unknown zone", func(l *instance.Launch) { l.Zone = "eu-west-1a" }, origami.CodeInvalidParameterValue, "Invalid availability zone: [eu-west-1a]"},
		{"subnet", func(l *instance.Launch) { l.Subnet = mine.ID }, "", ""},
		{"subnet of another account", func(l *instance.Launch) { l.Subnet = theirs.ID }, "InvalidSubnetID.NotFound", "The subnet ID '" + string(theirs.ID) + "' does not exist"},
		{"subnet and zone disagree", func(l *instance.Launch) { l.Subnet, l.Zone = mine.ID, "us-east-1a" }, origami.CodeInvalidParameterValue, ""},
		{"group", func(l *instance.Launch) { l.SecurityGroups = []origami.SecurityGroupID{group, group} }, "", ""},
		{"group of another account", func(l *instance.Launch) { l.SecurityGroups = []origami.SecurityGroupID{theirGroup} }, origami.CodeInvalidGroupNotFound, ""},
		{"group name", func(l *instance.Launch) { l.GroupNames = []string{"default"} }, "", ""},
		{"unknown group name", func(l *instance.Launch) { l.GroupNames = []string{"web"} }, origami.CodeInvalidGroupNotFound, ""},
		{"address", func(l *instance.Launch) { l.Subnet, l.PrivateIP = mine.ID, address("172.31.16.77") }, "", ""},
		{"address in use", func(l *instance.Launch) { l.Subnet, l.PrivateIP = mine.ID, address("172.31.16.77") }, "InvalidIPAddress.InUse", ""},
		{"address of another subnet", func(l *instance.Launch) { l.Subnet, l.PrivateIP = mine.ID, address("172.31.0.77") }, origami.CodeInvalidParameterValue, ""},
		{"reserved address", func(l *instance.Launch) { l.Subnet, l.PrivateIP = mine.ID, address("172.31.16.3") }, origami.CodeInvalidParameterValue, "Address 172.31.16.3 is in subnet's reserved address range"},
		{"broadcast address", func(l *instance.Launch) { l.Subnet, l.PrivateIP = mine.ID, address("172.31.31.255") }, origami.CodeInvalidParameterValue, ""},
		{"IPv6 address", func(l *instance.Launch) { l.PrivateIP = address("fd00::1") }, origami.CodeInvalidParameterValue, ""},
		{"address for two", func(l *instance.Launch) { l.Max, l.PrivateIP = 2, address("172.31.0.77") }, origami.CodeInvalidParameterCombination, ""},
		{"metadata tokens", func(l *instance.Launch) { l.Metadata.Tokens = "never" }, origami.CodeInvalidParameterValue, ""},
		{"metadata endpoint", func(l *instance.Launch) { l.Metadata.Endpoint = "on" }, origami.CodeInvalidParameterValue, ""},
		{"metadata tags", func(l *instance.Launch) { l.Metadata.InstanceTags = "some" }, origami.CodeInvalidParameterValue, ""},
		{"metadata hops", func(l *instance.Launch) { l.Metadata.HopLimit = 65 }, origami.CodeInvalidParameterValue, ""},
		{"metadata over IPv6", func(l *instance.Launch) { l.Metadata.IPv6 = "enabled" }, origami.CodeUnsupportedOperation, ""},
		{"bad instance tag", func(l *instance.Launch) { l.InstanceTags = origami.Tags{"aws:x": ""} }, origami.CodeInvalidParameterValue, ""},
		{"bad volume tag", func(l *instance.Launch) { l.VolumeTags = origami.Tags{"": ""} }, "InvalidTagKey.Malformed", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			count := func() (n int) {
				r.View(func(tx *metadb.Tx) error {
					for _, err := range tx.AllInstances() {
						if err != nil {
							return err
						}
						n++
					}
					for _, err := range tx.AllVolumes() {
						if err != nil {
							return err
						}
						n++
					}
					return nil
				})
				return n
			}
			before := count()
			l := instance.Launch{Image: img.ID, Type: "t3.nano", Min: 1, Max: 1}
			tt.change(&l)
			_, err := r.Instances.Run(t.Context(), alice, l)
			if tt.code == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantError(t, err, tt.code, tt.text)
			if after := count(); after != before {
				t.Errorf("%d rows became %d", before, after)
			}
		})
	}
}

// TestAnyImage launches what nothing here could execute, where nothing is
// executed.
//
//origami:proves RunInstances StartInstances
func TestAnyImage(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Capacity: instance.Capacity{VCPUs: 8, MemoryMiB: 64 << 10, AnyImage: true}})
	base := r.Import(alice, "base", []byte("system"))
	for _, tt := range []struct {
		name   string
		change func(*ami.Registration)
		kind   string
	}{
		{"arm64", func(a *ami.Registration) { a.Architecture = origami.ARM64 }, "t4g.nano"},
		{"uefi with TPM", func(a *ami.Registration) { a.BootMode, a.TPMSupport = origami.UEFI, "v2.0" }, "t3.nano"},
	} {
		reg := ami.Registration{VirtualizationType: origami.HVM, Architecture: origami.X8664, ENASupport: true, Name: tt.name, RootDeviceName: "/dev/sda1",
			BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: &origami.EBSBlockDevice{Snapshot: base.Snapshots()[0]}}}}
		tt.change(&reg)
		img := register(t, r, base, reg)
		launched, err := r.Instances.Run(t.Context(), alice, instance.Launch{Image: img.ID, Type: tt.kind, Min: 1, Max: 1})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		i := r.WaitInstance(region, launched[0].ID, origami.InstanceRunning)
		if _, err := r.Instances.Stop(t.Context(), alice, ids(i), false); err != nil {
			t.Fatal(err)
		}
		r.WaitInstance(region, i.ID, origami.InstanceStopped)
		if _, err := r.Instances.Start(t.Context(), alice, ids(i)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		r.WaitInstance(region, i.ID, origami.InstanceRunning)
	}
}

// TestCapacity fills the host, of which all accounts have one.
//
//origami:proves RunInstances StartInstances
func TestCapacity(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{Capacity: instance.Capacity{VCPUs: 2, MemoryMiB: 5 * 512}})
	img, theirs := r.Import(alice, "web", []byte("system")), r.Import(bob, "web", []byte("system"))
	launched, err := r.Instances.Run(t.Context(), alice, instance.Launch{Image: img.ID, Type: "t3.nano", Min: 1, Max: 3})
	if err != nil || len(launched) != 3 {
		t.Fatalf("launched %d: %v", len(launched), err)
	}
	_, err = r.Instances.Run(t.Context(), bob, instance.Launch{Image: theirs.ID, Type: "t3.nano", Min: 3, Max: 3})
	wantError(t, err, origami.CodeInsufficientInstanceCapacity, "We currently do not have sufficient t3.nano capacity in the Availability Zone you requested.")
	more, err := r.Instances.Run(t.Context(), bob, instance.Launch{Image: theirs.ID, Type: "t3.nano", Min: 1, Max: 1 << 30})
	if err != nil || len(more) != 2 {
		t.Fatalf("launched %d, want the 2 that have room: %v", len(more), err)
	}
	first := r.WaitInstance(region, launched[0].ID, origami.InstanceRunning)
	if _, err := r.Instances.Stop(t.Context(), alice, ids(first), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, first.ID, origami.InstanceStopped)
	last, err := r.Instances.Run(t.Context(), bob, instance.Launch{Image: theirs.ID, Type: "t3.nano", Min: 1, Max: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Instances.Start(t.Context(), alice, ids(first))
	wantError(t, err, origami.CodeInsufficientInstanceCapacity, "")
	if _, err := r.Instances.Terminate(t.Context(), bob, ids(last...), false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, last[0].ID, origami.InstanceTerminated)
	if _, err := r.Instances.Start(t.Context(), alice, ids(first)); err != nil {
		t.Error(err)
	}
}

// TestClientToken repeats launches.
//
//origami:proves RunInstances
func TestClientToken(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	img := r.Import(alice, "web", []byte("system"))
	l := instance.Launch{Image: img.ID, Type: "t3.nano", Min: 2, Max: 2, ClientToken: "again", Fingerprint: [32]byte{1}}
	var wg sync.WaitGroup
	answers := make([][]*origami.Instance, 6)
	for n := range answers {
		wg.Go(func() {
			var err error
			if answers[n], err = r.Instances.Run(t.Context(), alice, l); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, a := range answers {
		if d := cmp.Diff(ids(a...), ids(answers[0]...)); d != "" {
			t.Error(d)
		}
	}
	other := l
	other.Fingerprint = [32]byte{2}
	_, err := r.Instances.Run(t.Context(), alice, other)
	wantError(t, err, origami.CodeIdempotentParameterMismatch, "")
	theirs := l
	theirs.Image = r.Import(bob, "web", []byte("system")).ID
	if out, err := r.Instances.Run(t.Context(), bob, theirs); err != nil || out[0].Reservation == answers[0][0].Reservation {
		t.Errorf("the token of another account: %v, %v", out, err)
	}
	all := ids(answers[0]...)
	if _, err := r.Instances.Terminate(t.Context(), alice, all[:1], false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, all[0], origami.InstanceTerminated)
	if out, err := r.Instances.Run(t.Context(), alice, l); err != nil || len(out) != 1 || out[0].ID != all[1] {
		t.Errorf("with one of two terminated: %v, %v", out, err)
	}
	if _, err := r.Instances.Terminate(t.Context(), alice, all[1:], false); err != nil {
		t.Fatal(err)
	}
	r.WaitInstance(region, all[1], origami.InstanceTerminated)
	_, err = r.Instances.Run(t.Context(), alice, l)
	wantError(t, err, "IdempotentInstanceTerminated", "")
}

// TestMetadataOptions completes what a request says about the metadata service.
func TestMetadataOptions(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	base := r.Import(alice, "base", []byte("system"))
	v2 := register(t, r, base, ami.Registration{
		Name: "imds v2", RootDeviceName: "/dev/sda1", VirtualizationType: origami.HVM, Architecture: origami.X8664, ENASupport: true, IMDSSupport: "v2.0",
		BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: &origami.EBSBlockDevice{Snapshot: base.Snapshots()[0]}}},
	})
	for _, tt := range []struct {
		name     string
		img      *origami.Image
		in, want origami.MetadataOptions
	}{
		{"defaults", base, origami.MetadataOptions{}, origami.MetadataOptions{Endpoint: "enabled", Tokens: "optional", HopLimit: 1, InstanceTags: "disabled", IPv6: "disabled"}},
		{"of the image", v2, origami.MetadataOptions{}, origami.MetadataOptions{Endpoint: "enabled", Tokens: "required", HopLimit: 2, InstanceTags: "disabled", IPv6: "disabled"}},
		{"of the request", v2, origami.MetadataOptions{Endpoint: "disabled", Tokens: "optional", HopLimit: 64, InstanceTags: "enabled", IPv6: "disabled"},
			origami.MetadataOptions{Endpoint: "disabled", Tokens: "optional", HopLimit: 64, InstanceTags: "enabled", IPv6: "disabled"}},
	} {
		if got := launch(t, r, tt.img, func(l *instance.Launch) { l.Metadata = tt.in }).Metadata; got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// TestLaunchAgainstDeregister launches and deregisters images from many
// goroutines: each launch either finds the image, and its instances live on, or
// is told that it is gone.
//
//origami:proves RunInstances DeregisterImage S87
func TestLaunchAgainstDeregister(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	base := r.Import(alice, "base", []byte("system"))
	for n := range 3 {
		img := register(t, r, base, ami.Registration{
			Name: fmt.Sprint("image ", n), RootDeviceName: "/dev/sda1", VirtualizationType: origami.HVM, Architecture: origami.X8664, ENASupport: true,
			BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: &origami.EBSBlockDevice{Snapshot: base.Snapshots()[0]}}},
		})
		var wg sync.WaitGroup
		var mu sync.Mutex
		var launched []*origami.Instance
		for g := range 8 {
			wg.Go(func() {
				if g == 4 {
					if err := deregister(r, img.ID); err != nil {
						t.Error(err)
					}
					return
				}
				out, err := r.Instances.Run(t.Context(), alice, instance.Launch{Image: img.ID, Type: "t3.nano", Min: 1, Max: 1})
				if err != nil {
					if !errors.Is(err, &origami.Error{Code: origami.CodeInvalidAMIIDUnavailable}) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				launched = append(launched, out...)
			})
		}
		wg.Wait()
		_, err := r.Instances.Run(t.Context(), alice, instance.Launch{Image: img.ID, Type: "t3.nano", Min: 1, Max: 1})
		wantError(t, err, origami.CodeInvalidAMIIDUnavailable, "")
		for _, i := range launched {
			r.WaitInstance(region, i.ID, origami.InstanceRunning)
		}
	}
}
