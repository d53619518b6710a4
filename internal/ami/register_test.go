package ami_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/ami"
	"origami/internal/instance/instancetest"
	"origami/internal/metadb"
)

var (
	alice  = instancetest.Alice
	bob    = instancetest.Bob
	region = alice.Region
)

func ptr[T any](v T) *T { return &v }

// register registers an image in a transaction of its own.
func register(r *instancetest.Region, who origami.Caller, reg ami.Registration) (img *origami.Image, err error) {
	err = r.Update(func(tx *metadb.Tx) (err error) {
		img, err = r.AMI.Register(tx, who, reg)
		return err
	})
	return img, err
}

// snapshot makes a completed snapshot of size GiB.
func snapshot(t *testing.T, r *instancetest.Region, who origami.Caller, size int64) origami.SnapshotID {
	t.Helper()
	id := origami.NewSnapshotID()
	err := r.Update(func(tx *metadb.Tx) error {
		return tx.PutSnapshot(&origami.Snapshot{
			ID: id, Region: who.Region, Owner: who.Account, Volume: origami.NoVolume,
			State: origami.SnapshotCompleted, Progress: 100, VolumeSize: size,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// update changes a snapshot.
func update(t *testing.T, r *instancetest.Region, id origami.SnapshotID, f func(*origami.Snapshot)) {
	t.Helper()
	err := r.Update(func(tx *metadb.Tx) error {
		_, err := tx.UpdateSnapshot(region, id, func(s *origami.Snapshot) error { f(s); return nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func ebsOf(id origami.SnapshotID) *origami.EBSBlockDevice {
	return &origami.EBSBlockDevice{Snapshot: id}
}

func wantError(t *testing.T, err error, code origami.Code, text string) {
	t.Helper()
	var e *origami.Error
	if !errors.As(err, &e) || e.Code != code || text != "" && e.Message != text {
		t.Errorf("got %v\nwant %s: %s", err, code, text)
	}
}

// TestRegisterDefaults registers with as little as possible.
//
//origami:proves RegisterImage S1 S4 S5 S6 S7 S9 S13 S30 S44 S55
func TestRegisterDefaults(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	root, data := snapshot(t, r, alice, 8), snapshot(t, r, alice, 3)
	img, err := register(r, alice, ami.Registration{
		Name: "web-1.0", RootDeviceName: "/dev/sda1",
		BlockDevices: []origami.BlockDevice{
			{DeviceName: "/dev/sdb", EBS: &origami.EBSBlockDevice{Snapshot: data, VolumeSize: 5, VolumeType: "gp3", DeleteOnTermination: ptr(false)}},
			{DeviceName: "/dev/sda1", EBS: ebsOf(root)},
			{DeviceName: "/dev/sdc", VirtualName: "ephemeral0"},
			{DeviceName: "/dev/sdd", NoDevice: true},
			{DeviceName: "/dev/sde", EBS: &origami.EBSBlockDevice{VolumeSize: 100, VolumeType: "io1", IOPS: 500}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &origami.Image{
		ID: img.ID, Region: region, Owner: alice.Account, Name: "web-1.0", Location: "111111111111/web-1.0",
		State: origami.ImageAvailable, Created: img.Created, ImageType: "machine", Architecture: "i386",
		VirtualizationType: "paravirtual", Hypervisor: "xen", RootDeviceType: "ebs", RootDeviceName: "/dev/sda1",
		PlatformDetails: "Linux/UNIX", UsageOperation: "RunInstances",
		BlockDevices: []origami.BlockDevice{
			{DeviceName: "/dev/sdb", EBS: &origami.EBSBlockDevice{Snapshot: data, VolumeSize: 5, VolumeType: "gp3", IOPS: 3000, Throughput: 125, DeleteOnTermination: ptr(false), Encrypted: ptr(false)}},
			{DeviceName: "/dev/sda1", EBS: &origami.EBSBlockDevice{Snapshot: root, VolumeSize: 8, VolumeType: "gp2", DeleteOnTermination: ptr(true), Encrypted: ptr(false)}},
			{DeviceName: "/dev/sdc", VirtualName: "ephemeral0"},
			{DeviceName: "/dev/sde", EBS: &origami.EBSBlockDevice{VolumeSize: 100, VolumeType: "io1", IOPS: 500, DeleteOnTermination: ptr(true), Encrypted: ptr(false)}},
		},
	}
	got := r.Image(region, img.ID)
	if d := cmp.Diff(got, want); d != "" {
		t.Error(d)
	}
	if got.Created.IsZero() {
		t.Error("the image has no date")
	}
}

// TestRegisterChecks goes through the checks of RegisterImage.
//
//origami:proves RegisterImage S18 S19 S23
func TestRegisterChecks(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	root := snapshot(t, r, alice, 30)
	pending := snapshot(t, r, alice, 8)
	update(t, r, pending, func(s *origami.Snapshot) { s.State = origami.SnapshotPending })
	foreign := snapshot(t, r, bob, 8)
	shared := snapshot(t, r, bob, 8)
	update(t, r, shared, func(s *origami.Snapshot) { s.SharedWith = []origami.AccountID{alice.Account} })
	abroad := snapshot(t, r, instancetest.Abroad, 8)
	if _, err := register(r, alice, ami.Registration{Name: "taken", RootDeviceName: "/dev/sda1",
		BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: ebsOf(root)}}}); err != nil {
		t.Fatal(err)
	}
	const badName = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'"
	device := func(d origami.BlockDevice) func(*ami.Registration) {
		return func(a *ami.Registration) { a.BlockDevices = append(a.BlockDevices, d) }
	}
	rootEBS := func(f func(*origami.EBSBlockDevice)) func(*ami.Registration) {
		return func(a *ami.Registration) { f(a.BlockDevices[0].EBS) }
	}
	hvm := func(f func(*ami.Registration)) func(*ami.Registration) {
		return func(a *ami.Registration) { a.VirtualizationType, a.Architecture = origami.HVM, origami.X8664; f(a) }
	}
	for _, tt := range []struct {
		name   string
		change func(*ami.Registration)
		code   origami.Code
		text   string
	}{
		{"nothing wrong", func(*ami.Registration) {}, "", ""},
		{"no name", func(a *ami.Registration) { a.Name = "" }, origami.CodeMissingParameter, "The request must contain the parameter Name"},
		{"short name", func(a *ami.Registration) { a.Name = "ab" }, origami.CodeInvalidAMINameMalformed, badName},
		{"long name", func(a *ami.Registration) { a.Name = strings.Repeat("a", 129) }, origami.CodeInvalidAMINameMalformed, badName},
		{"longest name", func(a *ami.Registration) { a.Name = strings.Repeat("a", 128) }, "", ""},
		{"all characters", func(a *ami.Registration) { a.Name = "aZ09()[] ./-'@_" }, "", ""},
		{"bad character", func(a *ami.Registration) { a.Name = "name:1" }, origami.CodeInvalidAMINameMalformed, badName},
		{"not ASCII", func(a *ami.Registration) { a.Name = "naïve" }, origami.CodeInvalidAMINameMalformed, badName},
		{"name taken", func(a *ami.Registration) { a.Name = "taken" }, origami.CodeInvalidAMINameDuplicate, ""},
		{"longest description", func(a *ami.Registration) { a.Description = strings.Repeat("d", 255) }, "", ""},
		{"long description", func(a *ami.Registration) { a.Description = strings.Repeat("d", 256) }, origami.CodeInvalidParameterValue, ""},
		{"architecture", func(a *ami.Registration) { a.Architecture = "vax" }, origami.CodeInvalidParameterValue, ""},
		{"virtualization", func(a *ami.Registration) { a.VirtualizationType = "none" }, origami.CodeInvalidParameterValue, ""},
		{"nothing to make it of", func(a *ami.Registration) { a.RootDeviceName, a.BlockDevices = "", nil }, origami.CodeMissingParameter, "The request must contain the parameter imageLocation or blockDeviceMapping"},
		{"no root device name", func(a *ami.Registration) { a.RootDeviceName = "" }, origami.CodeMissingParameter, "The request must contain the parameter rootDeviceName"},
		{"root not mapped", func(a *ami.Registration) { a.RootDeviceName = "/dev/xvda" }, origami.CodeInvalidBlockDeviceMapping, "No root snapshot specified in device mapping."},
		{"root without snapshot", rootEBS(func(e *origami.EBSBlockDevice) { e.Snapshot, e.VolumeSize = "", 8 }), origami.CodeInvalidBlockDeviceMapping, ""},
		{"root on st1", rootEBS(func(e *origami.EBSBlockDevice) { e.VolumeType, e.VolumeSize = origami.ST1, 125 }), origami.CodeInvalidParameterValue, "Volume type st1 is not supported for the root device '/dev/sda1'."},
		{"unknown snapshot", rootEBS(func(e *origami.EBSBlockDevice) { e.Snapshot = "snap-0123456789abcdef0" }), origami.CodeInvalidSnapshotNotFound, "The snapshot 'snap-0123456789abcdef0' does not exist."},
		{"snapshot of another account", rootEBS(func(e *origami.EBSBlockDevice) { e.Snapshot = foreign }), origami.CodeInvalidSnapshotNotFound, ""},
		{"snapshot in another region", rootEBS(func(e *origami.EBSBlockDevice) { e.Snapshot = abroad }), origami.CodeInvalidSnapshotNotFound, ""},
		{"shared snapshot", rootEBS(func(e *origami.EBSBlockDevice) { e.Snapshot = shared }), "", ""},
		{"pending snapshot", rootEBS(func(e *origami.EBSBlockDevice) { e.Snapshot = pending }), origami.CodeIncorrectState, ""},
		{"encrypted flag", rootEBS(func(e *origami.EBSBlockDevice) { e.Encrypted = ptr(false) }), origami.CodeInvalidBlockDeviceMapping, "the encrypted flag cannot be specified since device /dev/sda1 has a snapshot specified."},
		{"smaller than snapshot", rootEBS(func(e *origami.EBSBlockDevice) { e.VolumeSize = 8 }), origami.CodeInvalidBlockDeviceMapping, "Volume of size 8GB is smaller than snapshot '" + string(root) + "', expect size >= 30GB"},
		{"neither snapshot nor size", device(origami.BlockDevice{DeviceName: "/dev/sdb", EBS: &origami.EBSBlockDevice{}}), origami.CodeMissingParameter, "The request must contain the parameter size/snapshot"},
		{"device twice", device(origami.BlockDevice{DeviceName: "/dev/sda1", NoDevice: true}), origami.CodeInvalidBlockDeviceMapping, "The device 'sda1' is used in more than one block-device mapping"},
		{"device twice, spelled otherwise", device(origami.BlockDevice{DeviceName: "sda1", VirtualName: "ephemeral0"}), origami.CodeInvalidBlockDeviceMapping, "The device 'sda1' is used in more than one block-device mapping"},
		{"bad device", device(origami.BlockDevice{DeviceName: "/dev/null", NoDevice: true}), origami.CodeInvalidParameterValue, "Value (/dev/null) for parameter device is invalid. /dev/null is not a valid EBS device name."},
		{"no device name", device(origami.BlockDevice{NoDevice: true}), origami.CodeMissingParameter, "The request must contain the parameter deviceName"},
		{"empty entry", device(origami.BlockDevice{DeviceName: "/dev/sdb"}), origami.CodeInvalidBlockDeviceMapping, ""},
		{"two things at once", device(origami.BlockDevice{DeviceName: "/dev/sdb", NoDevice: true, VirtualName: "ephemeral0"}), origami.CodeInvalidBlockDeviceMapping, ""},
		{"bad virtual name", device(origami.BlockDevice{DeviceName: "/dev/sdb", VirtualName: "ephemeral24"}), origami.CodeInvalidBlockDeviceMapping, "The virtual name 'ephemeral24' is not valid"},
		{"encrypted empty volume", device(origami.BlockDevice{DeviceName: "/dev/sdb", EBS: &origami.EBSBlockDevice{VolumeSize: 1, Encrypted: ptr(true)}}), "", ""},
		{"key", device(origami.BlockDevice{DeviceName: "/dev/sdb", EBS: &origami.EBSBlockDevice{VolumeSize: 1, Encrypted: ptr(true), KMSKey: "alias/aws/ebs"}}), origami.CodeInvalidBlockDeviceMapping, "the KMS key cannot be specified for device /dev/sdb: each launch has its own."},
		{"io1 without IOPS", rootEBS(func(e *origami.EBSBlockDevice) { e.VolumeType = origami.IO1 }), origami.CodeMissingParameter, "The request must contain the parameter iops"},
		{"gp2 with IOPS", rootEBS(func(e *origami.EBSBlockDevice) { e.IOPS = 100 }), origami.CodeInvalidParameterCombination, ""},
		{"gp2 with throughput", rootEBS(func(e *origami.EBSBlockDevice) { e.Throughput = 125 }), origami.CodeInvalidParameterCombination, ""},
		{"unknown volume type", rootEBS(func(e *origami.EBSBlockDevice) { e.VolumeType = "gp9" }), origami.CodeUnknownVolumeType, ""},
		{"paravirtual kernel", func(a *ami.Registration) { a.KernelID, a.RamdiskID = "aki-1a2b3c4d", "ari-1a2b3c4d" }, "", ""},
		{"no kernel ID", func(a *ami.Registration) { a.KernelID = "ami-1a2b3c4d" }, "InvalidKernelId.Malformed", `Invalid id: "ami-1a2b3c4d" (expecting "aki-...")`},
		{"no ramdisk ID", func(a *ami.Registration) { a.RamdiskID = "ari-1" }, "InvalidRamdiskId.Malformed", `Invalid id: "ari-1" (expecting "ari-...")`},
		{"paravirtual arm64", func(a *ami.Registration) { a.Architecture = origami.ARM64 }, origami.CodeInvalidParameterCombination, "Images with architecture arm64 support only the virtualization type hvm."},
		{"hvm with kernel", hvm(func(a *ami.Registration) { a.KernelID = "aki-1a2b3c4d" }), origami.CodeInvalidParameterCombination, ""},
		{"hvm with ramdisk", hvm(func(a *ami.Registration) { a.RamdiskID = "ari-1a2b3c4d" }), origami.CodeInvalidParameterCombination, ""},
		{"paravirtual with ENA", func(a *ami.Registration) { a.ENASupport = true }, origami.CodeInvalidParameterCombination, "The parameter enaSupport is supported only for images with virtualization type hvm."},
		{"paravirtual with SR-IOV", func(a *ami.Registration) { a.SriovNetSupport = "simple" }, origami.CodeInvalidParameterCombination, ""},
		{"paravirtual with UEFI", func(a *ami.Registration) { a.BootMode = origami.UEFI }, origami.CodeInvalidParameterCombination, ""},
		{"paravirtual with TPM", func(a *ami.Registration) { a.TPMSupport = "v2.0" }, origami.CodeInvalidParameterCombination, ""},
		{"SR-IOV", hvm(func(a *ami.Registration) { a.SriovNetSupport = "simple" }), "", ""},
		{"bad SR-IOV", hvm(func(a *ami.Registration) { a.SriovNetSupport = "double" }), origami.CodeInvalidParameterValue, ""},
		{"boot mode", hvm(func(a *ami.Registration) { a.BootMode = "floppy" }), origami.CodeInvalidParameterValue, ""},
		{"arm64 without boot mode", hvm(func(a *ami.Registration) { a.Architecture = origami.ARM64 }), "", ""},
		{"arm64 with BIOS", hvm(func(a *ami.Registration) { a.Architecture, a.BootMode = origami.ARM64, origami.LegacyBIOS }), origami.CodeInvalidParameterCombination, ""},
		{"arm64 with UEFI preferred", hvm(func(a *ami.Registration) { a.Architecture, a.BootMode = origami.ARM64, origami.UEFIPreferred }), origami.CodeInvalidParameterCombination, ""},
		{"TPM", hvm(func(a *ami.Registration) { a.TPMSupport, a.BootMode = "v2.0", origami.UEFI }), "", ""},
		{"TPM with UEFI preferred", hvm(func(a *ami.Registration) { a.TPMSupport, a.BootMode = "v2.0", origami.UEFIPreferred }), origami.CodeInvalidParameterCombination, ""},
		{"TPM 1.2", hvm(func(a *ami.Registration) { a.TPMSupport, a.BootMode = "v1.2", origami.UEFI }), origami.CodeInvalidParameterValue, ""},
		{"UEFI data", hvm(func(a *ami.Registration) {
			a.UEFIData, a.BootMode = base64.StdEncoding.EncodeToString(make([]byte, 48_000)), origami.UEFI
		}), "", ""},
		{"UEFI data too long", hvm(func(a *ami.Registration) {
			a.UEFIData, a.BootMode = base64.StdEncoding.EncodeToString(make([]byte, 48_001)), origami.UEFI
		}), origami.CodeInvalidParameterValue, ""},
		{"UEFI data not base64", hvm(func(a *ami.Registration) { a.UEFIData, a.BootMode = "&", origami.UEFI }), origami.CodeInvalidParameterValue, ""},
		{"UEFI data with BIOS", hvm(func(a *ami.Registration) { a.UEFIData, a.BootMode = "AAAA", origami.LegacyBIOS }), origami.CodeInvalidParameterCombination, ""},
		{"IMDS", func(a *ami.Registration) { a.IMDSSupport = "v2.0" }, "", ""},
		{"IMDS 1", func(a *ami.Registration) { a.IMDSSupport = "v1.0" }, origami.CodeInvalidParameterValue, ""},
		{"bad tag", func(a *ami.Registration) { a.Tags = origami.Tags{"aws:a": ""} }, origami.CodeInvalidParameterValue, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := ami.Registration{Name: "fine " + strings.ReplaceAll(tt.name, ",", ""), RootDeviceName: "/dev/sda1",
				BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: ebsOf(root)}}}
			tt.change(&reg)
			img, err := register(r, alice, reg)
			if tt.code != "" {
				wantError(t, err, tt.code, tt.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Image(region, img.ID); got.KernelID != reg.KernelID || got.RamdiskID != reg.RamdiskID || got.BootMode != reg.BootMode ||
				got.TPMSupport != reg.TPMSupport || got.UEFIData != reg.UEFIData || got.SriovNetSupport != reg.SriovNetSupport || got.IMDSSupport != reg.IMDSSupport {
				t.Errorf("registered %+v\nas %+v", reg, got)
			}
		})
	}
}

// TestNames counts names by account and region, and frees those of images that
// are gone.
//
//origami:proves RegisterImage DeregisterImage
func TestNames(t *testing.T) {
	t.Parallel()
	r := instancetest.New(t, instancetest.Config{})
	reg := func(id origami.SnapshotID) ami.Registration {
		return ami.Registration{Name: "golden", RootDeviceName: "/dev/sda1", BlockDevices: []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: ebsOf(id)}}}
	}
	mine := snapshot(t, r, alice, 1)
	first, err := register(r, alice, reg(mine))
	if err != nil {
		t.Fatal(err)
	}
	_, err = register(r, alice, reg(mine))
	wantError(t, err, origami.CodeInvalidAMINameDuplicate, "AMI name golden is already in use by AMI "+string(first.ID))
	if _, err := register(r, bob, reg(snapshot(t, r, bob, 1))); err != nil {
		t.Errorf("the name in another account: %v", err)
	}
	if _, err := register(r, instancetest.Abroad, reg(snapshot(t, r, instancetest.Abroad, 1))); err != nil {
		t.Errorf("the name in another region: %v", err)
	}
	if _, err := deregister(r, alice, first.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, err := register(r, alice, reg(mine)); err != nil {
		t.Errorf("the name of an image that is gone: %v", err)
	}
}

// TestCheckDevices accepts the device names that EC2 knows.
func TestCheckDevices(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"/dev/sda1": true, "/dev/sdz": true, "sdf": true, "/dev/sda15": true, "/dev/xvda": true, "/dev/xvdba": true, "xvdzz": true, "/dev/hda": true, "/dev/hdb2": true,
		"/dev/sda0": false, "/dev/sda16": false, "/dev/sdaa": false, "/dev/xvd": false, "/dev/xvdabc": false, "/dev/sd": false, "/dev/vda": false, "/dev/nvme0n1": false,
		"/dev//sda": false, "/dev/sdA": false, "/dev/sda1 ": false, "../sda": false, "/dev/sda01": false, "/dev/dev/sda": false,
	} {
		err := ami.CheckDevices([]origami.BlockDevice{{DeviceName: name, NoDevice: true}})
		if got := err == nil; got != want {
			t.Errorf("%q: got %v", name, err)
		}
	}
	for name, want := range map[string]bool{
		"ephemeral0": true, "ephemeral23": true, "ephemeral24": false, "ephemeral": false, "ephemeral01": false, "ephemeralx": false, "ephemeral-1": false, "swap": false,
	} {
		err := ami.CheckDevices([]origami.BlockDevice{{DeviceName: "/dev/sdb", VirtualName: name}})
		if got := err == nil; got != want {
			t.Errorf("%q: got %v", name, err)
		}
	}
}
