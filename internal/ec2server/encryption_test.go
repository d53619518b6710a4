package ec2server_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/ami"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// key makes a customer key of the account, which other accounts may use if they
// are named.
func (a *account) newKey(t *testing.T, region origami.Region, others ...*account) string {
	t.Helper()
	who := kms.Access{Caller: a.caller(region)}
	allowed := []string{fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"}`, a.id)}
	for _, o := range others {
		allowed = append(allowed, fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":["kms:Decrypt","kms:DescribeKey","kms:CreateGrant","kms:ReEncrypt*","kms:GenerateDataKey*"],"Resource":"*"}`, o.id))
	}
	k, err := a.i.kms.CreateKey(t.Context(), who, kms.NewKey{Policy: `{"Version":"2012-10-17","Statement":[` + strings.Join(allowed, ",") + `]}`})
	if err != nil {
		t.Fatal(err)
	}
	return k.ARN()
}

// managedKey is the ARN of the key that EBS has in the account.
func (a *account) managedKey(t *testing.T, region origami.Region) string {
	t.Helper()
	return *do(t, a.in(region).ResetEbsDefaultKmsKeyId, &ec2.ResetEbsDefaultKmsKeyIdInput{}).KmsKeyId
}

// encrypted is a completed snapshot of the account, encrypted with a key.
func (a *account) encrypted(t *testing.T, region origami.Region, content, key string) string {
	t.Helper()
	c := a.in(region)
	id := *do(t, c.CopySnapshot, &ec2.CopySnapshotInput{
		SourceRegion: p(string(region)), SourceSnapshotId: p(a.snapshot(t, region, content)), Encrypted: p(true), KmsKeyId: &key,
	}).SnapshotId
	if got := copied(t, c, id); got.State != "completed" || !*got.Encrypted || *got.KmsKeyId != key {
		t.Fatalf("the encrypted snapshot %s is %s: %v", id, got.State, got.StateMessage)
	}
	return id
}

// begins reports whether the disk of a snapshot begins with a text.
func (a *account) begins(t *testing.T, region origami.Region, id, content string) bool {
	t.Helper()
	img, err := a.i.ebs.OpenSnapshot(t.Context(), a.caller(region), origami.SnapshotID(id))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	got := make([]byte, len(content))
	if _, err := img.ReadAt(got, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return string(got) == content
}

// TestEncryptionSettings are an account's own, and a region's.
//
//origami:proves EnableEbsEncryptionByDefault DisableEbsEncryptionByDefault GetEbsEncryptionByDefault GetEbsDefaultKmsKeyId ModifyEbsDefaultKmsKeyId ResetEbsDefaultKmsKeyId S83
func TestEncryptionSettings(t *testing.T) {
	t.Parallel()
	i := open(t)
	far := i.a.in(abroad)
	state := func(c *ec2.Client) string {
		byDefault := do(t, c.GetEbsEncryptionByDefault, &ec2.GetEbsEncryptionByDefaultInput{})
		return fmt.Sprint(*byDefault.EbsEncryptionByDefault, " ", byDefault.SseType, " ", *do(t, c.GetEbsDefaultKmsKeyId, &ec2.GetEbsDefaultKmsKeyIdInput{}).KmsKeyId)
	}
	const initial = "false none alias/aws/ebs"
	for _, c := range []*ec2.Client{i.a.Client, far, i.b.Client} {
		if got := state(c); got != initial {
			t.Errorf("at first: got %s, want %s", got, initial)
		}
	}
	key := i.a.newKey(t, home)
	if got := *do(t, i.a.ModifyEbsDefaultKmsKeyId, &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: p(key[strings.LastIndex(key, "/")+1:])}).KmsKeyId; got != key {
		t.Errorf("the default key is %s, want %s", got, key)
	}
	if !*do(t, i.a.EnableEbsEncryptionByDefault, &ec2.EnableEbsEncryptionByDefaultInput{}).EbsEncryptionByDefault {
		t.Error("encryption by default is off after it was switched on")
	}
	if got, want := state(i.a.Client), "true sse-kms "+key; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, c := range []*ec2.Client{far, i.b.Client} {
		if got := state(c); got != initial {
			t.Errorf("elsewhere: got %s, want %s", got, initial)
		}
	}
	if *do(t, i.a.DisableEbsEncryptionByDefault, &ec2.DisableEbsEncryptionByDefaultInput{}).EbsEncryptionByDefault {
		t.Error("encryption by default is on after it was switched off")
	}
	if got := i.a.managedKey(t, home); !strings.HasPrefix(got, "arn:aws:kms:"+string(home)+":"+string(i.a.id)+":key/") || got == key {
		t.Errorf("after the reset the key is %s", got)
	}
	if got := state(i.a.Client); got != initial {
		t.Errorf("at last: got %s, want %s", got, initial)
	}
	fails(t, i.a.ModifyEbsDefaultKmsKeyId, &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: p("alias/none")}, "KMSKeyNotAccessibleFault", "…")
	fails(t, i.b.ModifyEbsDefaultKmsKeyId, &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &key}, "KMSKeyNotAccessibleFault", "…")
}

// TestCopyMatrix makes every copy of the tables in the guide: sources in every
// state, each request, with and without encryption by default.
//
//origami:proves CopySnapshot CopyImage S76 S80 S81 S83 S85
func TestCopyMatrix(t *testing.T) {
	t.Parallel()
	i := open(t)
	source, given, chosen := i.a.newKey(t, home), i.a.newKey(t, home), i.a.newKey(t, home)
	foreign := i.b.newKey(t, home, i.a)
	managed := i.a.managedKey(t, home)
	plain, own, shared := i.a.snapshot(t, home, "disk"), i.a.encrypted(t, home, "disk", source), i.b.encrypted(t, home, "disk", foreign)
	do(t, i.b.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &shared, OperationType: "add", UserIds: []string{string(i.a.id)}})
	images := make(map[string]string)
	for n, snap := range []string{plain, own, shared} {
		images[snap] = i.a.register(t, i.a.Client, fmt.Sprint("image ", n), snap)
	}
	do(t, i.a.ModifyEbsDefaultKmsKeyId, &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &chosen})
	const refused = "refused"
	for _, tt := range []struct {
		name, source string
		byDefault    bool
		// For nothing, Encrypted, and Encrypted with a key: the key of the
		// result, "" for none.
		snapshot, image [3]string
	}{
		{"unencrypted", plain, false, [3]string{"", chosen, given}, [3]string{"", chosen, given}},
		{"unencrypted, by default", plain, true, [3]string{chosen, chosen, given}, [3]string{chosen, chosen, given}},
		{"own", own, false, [3]string{managed, managed, given}, [3]string{source, source, given}},
		{"own, by default", own, true, [3]string{chosen, chosen, given}, [3]string{source, source, given}},
		{"shared", shared, false, [3]string{managed, managed, given}, [3]string{chosen, chosen, given}},
		{"shared, by default", shared, true, [3]string{chosen, chosen, given}, [3]string{chosen, chosen, given}},
	} {
		if tt.byDefault {
			do(t, i.a.EnableEbsEncryptionByDefault, &ec2.EnableEbsEncryptionByDefaultInput{})
		} else {
			do(t, i.a.DisableEbsEncryptionByDefault, &ec2.DisableEbsEncryptionByDefaultInput{})
		}
		check := func(what, id, want string) {
			got := copied(t, i.a.Client, id)
			key := ""
			if got.KmsKeyId != nil {
				key = *got.KmsKeyId
			}
			if got.State != "completed" || key != want || *got.Encrypted != (want != "") {
				t.Errorf("%s, %s: %s with key %q (%v), want %q", tt.name, what, got.State, key, got.StateMessage, want)
				return
			}
			if !i.a.begins(t, home, id, "disk") {
				t.Errorf("%s, %s: the copy holds something else", tt.name, what)
			}
		}
		for n, what := range []string{"nothing", "Encrypted", "Encrypted and key"} {
			s := &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &tt.source}
			m := &ec2.CopyImageInput{SourceRegion: p(string(home)), SourceImageId: p(images[tt.source]), Name: p(strings.ReplaceAll(tt.name+" "+what, ",", ""))}
			if n > 0 {
				s.Encrypted, m.Encrypted = p(true), p(true)
			}
			if n > 1 {
				s.KmsKeyId, m.KmsKeyId = &given, &given
			}
			check("CopySnapshot "+what, *do(t, i.a.CopySnapshot, s).SnapshotId, tt.snapshot[n])
			img := settled(t, i.a.Client, *do(t, i.a.CopyImage, m).ImageId)
			check("CopyImage "+what, *img.BlockDeviceMappings[0].Ebs.SnapshotId, tt.image[n])
			if e := img.BlockDeviceMappings[0].Ebs.Encrypted; *e != (tt.image[n] != "") {
				t.Errorf("%s, CopyImage %s: the mapping says encrypted %v", tt.name, what, *e)
			}
		}
		fails(t, i.a.CopySnapshot, &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &tt.source, KmsKeyId: &given},
			"InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
		fails(t, i.a.CopySnapshot, &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &tt.source, Encrypted: p(false)},
			"InvalidParameterValue", "…")
		fails(t, i.a.CopyImage, &ec2.CopyImageInput{SourceRegion: p(string(home)), SourceImageId: p(images[tt.source]), Name: p(refused), KmsKeyId: &given},
			"InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	}
}

// TestCopyEncryptedAbroad takes the key of the region that it is copied to.
//
//origami:proves CopySnapshot CopyImage S81
func TestCopyEncryptedAbroad(t *testing.T) {
	t.Parallel()
	i := open(t)
	own := i.a.encrypted(t, home, "disk", i.a.newKey(t, home))
	img := i.a.register(t, i.a.Client, "image", own)
	far := i.a.in(abroad)
	managed, chosen := i.a.managedKey(t, abroad), i.a.newKey(t, abroad)
	id := *do(t, far.CopySnapshot, &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &own}).SnapshotId
	if got := copied(t, far, id); got.State != "completed" || *got.KmsKeyId != managed || !i.a.begins(t, abroad, id, "disk") {
		t.Errorf("the copy abroad is %s with key %v, want %s", got.State, got.KmsKeyId, managed)
	}
	for _, tt := range []struct {
		name, key, want string
	}{{"default", "", managed}, {"given", chosen, chosen}} {
		in := &ec2.CopyImageInput{SourceRegion: p(string(home)), SourceImageId: &img, Name: &tt.name}
		if tt.key != "" {
			in.Encrypted, in.KmsKeyId = p(true), &tt.key
		}
		got := settled(t, far, *do(t, far.CopyImage, in).ImageId)
		snap := snapshotOf(t, far, *got.BlockDeviceMappings[0].Ebs.SnapshotId)
		if got.State != "available" || *snap.KmsKeyId != tt.want {
			t.Errorf("%s: the image is %s, its key %v, want %s", tt.name, got.State, snap.KmsKeyId, tt.want)
		}
	}
}

// TestCopyWithBadKeys succeeds, and the copy fails.
//
//origami:proves CopySnapshot CopyImage S67 S69
func TestCopyWithBadKeys(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.expected = "key" // of AWS: what the tasks log
	disabled, foreign := i.a.newKey(t, home), i.b.newKey(t, home)
	plain := i.a.snapshot(t, home, "disk")
	own, theirs := i.a.encrypted(t, home, "disk", disabled), i.b.encrypted(t, home, "disk", foreign)
	do(t, i.b.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &theirs, OperationType: "add", UserIds: []string{string(i.a.id)}})
	if err := i.kms.DisableKey(t.Context(), kms.Access{Caller: i.a.caller(home)}, disabled); err != nil {
		t.Fatal(err)
	}
	const access, state = "Given key ID is not accessible", "The KMS key provided is in an incorrect state"
	for _, tt := range []struct{ name, source, key, want string }{
		{"no such key", plain, "alias/none", access},
		{"key of another account", plain, foreign, access},
		{"disabled key", plain, disabled, state},
		{"source of a disabled key", own, "", state},
		{"shared source whose key is not shared", theirs, "", access},
	} {
		s := &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &tt.source}
		m := &ec2.CopyImageInput{SourceRegion: p(string(home)), SourceImageId: p(i.a.register(t, i.a.Client, tt.name, tt.source)), Name: p("copy of " + tt.name)}
		if tt.key != "" {
			s.Encrypted, s.KmsKeyId, m.Encrypted, m.KmsKeyId = p(true), &tt.key, p(true), &tt.key
		}
		if got := copied(t, i.a.Client, *do(t, i.a.CopySnapshot, s).SnapshotId); got.State != "error" || *got.StateMessage != tt.want {
			t.Errorf("%s: the snapshot is %s: %v, want %s", tt.name, got.State, aws.ToString(got.StateMessage), tt.want)
		} else if tt.key != "" { // which is none that EBS has for the account
			do(t, i.a.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: got.SnapshotId, OperationType: "add", UserIds: []string{string(i.b.id)}})
		}
		got := settled(t, i.a.Client, *do(t, i.a.CopyImage, m).ImageId)
		if got.State != "failed" || got.StateReason == nil || *got.StateReason.Code != "Client.InternalError" || !strings.Contains(*got.StateReason.Message, tt.want) {
			t.Errorf("%s: the image is %s: %v", tt.name, got.State, got.StateReason)
		}
	}
}

// TestRestoreMatrix makes volumes of snapshots in every state.
//
//origami:proves CreateVolume CreateSnapshot RunInstances S83 S84
func TestRestoreMatrix(t *testing.T) {
	t.Parallel()
	i := open(t)
	source, given := i.a.newKey(t, home), i.a.newKey(t, home)
	managed, foreign := i.a.managedKey(t, home), i.b.newKey(t, home, i.a)
	plain, own, shared := i.a.snapshot(t, home, "disk"), i.a.encrypted(t, home, "disk", source), i.b.encrypted(t, home, "disk", foreign)
	do(t, i.b.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &shared, OperationType: "add", UserIds: []string{string(i.a.id)}})
	for _, tt := range []struct {
		name, source string
		byDefault    bool
		want         [3]string // for nothing, Encrypted, Encrypted and key
		declined     string    // for Encrypted=false
	}{
		{"empty", "", false, [3]string{"", managed, given}, ""},
		{"empty, by default", "", true, [3]string{managed, managed, given}, managed},
		{"unencrypted", plain, false, [3]string{"", managed, given}, ""},
		{"unencrypted, by default", plain, true, [3]string{managed, managed, given}, managed},
		{"own", own, false, [3]string{source, source, given}, "refused"},
		{"own, by default", own, true, [3]string{source, source, given}, "refused"},
		{"shared", shared, false, [3]string{managed, managed, given}, "refused"},
	} {
		if tt.byDefault {
			do(t, i.a.EnableEbsEncryptionByDefault, &ec2.EnableEbsEncryptionByDefaultInput{})
		} else {
			do(t, i.a.DisableEbsEncryptionByDefault, &ec2.DisableEbsEncryptionByDefaultInput{})
		}
		request := func(encrypted *bool, key *string) *ec2.CreateVolumeInput {
			in := &ec2.CreateVolumeInput{AvailabilityZone: p(string(home) + "a"), Encrypted: encrypted, KmsKeyId: key, Size: p(int32(1))}
			if tt.source != "" {
				in.SnapshotId = &tt.source
			}
			return in
		}
		check := func(what string, in *ec2.CreateVolumeInput, want string) {
			v := do(t, i.a.CreateVolume, in)
			await(t, "the volume", func() bool { return i.a.volume(t, *v.VolumeId).State != "creating" })
			got := i.a.volume(t, *v.VolumeId)
			if string(got.State) != "available" || *got.Encrypted != (want != "") || want != "" && *got.KmsKeyId != want {
				t.Errorf("%s, %s: %s, encrypted %v with %v, want %q", tt.name, what, got.State, *got.Encrypted, got.KmsKeyId, want)
				return
			}
			// A snapshot is encrypted as its volume is, and holds the same.
			i.a.write(t, *v.VolumeId, 1<<20, "written")
			snap := copied(t, i.a.Client, *do(t, i.a.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: v.VolumeId}).SnapshotId)
			if snap.State != "completed" || *snap.Encrypted != (want != "") || want != "" && *snap.KmsKeyId != want {
				t.Errorf("%s, %s: its snapshot is %s, encrypted %v with %v, want %q", tt.name, what, snap.State, *snap.Encrypted, snap.KmsKeyId, want)
				return
			}
			begin := "disk"
			if tt.source == "" {
				begin = "\x00\x00\x00\x00"
			}
			if !i.a.begins(t, home, *snap.SnapshotId, begin) {
				t.Errorf("%s, %s: the snapshot of the volume holds something else", tt.name, what)
			}
		}
		check("nothing", request(nil, nil), tt.want[0])
		check("Encrypted", request(p(true), nil), tt.want[1])
		check("Encrypted and key", request(p(true), &given), tt.want[2])
		fails(t, i.a.CreateVolume, request(nil, &given), "InvalidParameterDependency", "…")
		if tt.declined == "refused" {
			fails(t, i.a.CreateVolume, request(p(false), nil), "InvalidParameterValue", "…")
		} else {
			check("Encrypted=false", request(p(false), nil), tt.declined)
		}
	}
}

// volume describes one volume.
func (a *account) volume(t *testing.T, id string) types.Volume {
	t.Helper()
	out := do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
	if len(out.Volumes) != 1 {
		t.Fatalf("got %d volumes for %s", len(out.Volumes), id)
	}
	return out.Volumes[0]
}

// write writes to a volume as a guest would.
func (a *account) write(t *testing.T, id string, off int64, text string) {
	t.Helper()
	v, err := a.i.ebs.Open(t.Context(), home, origami.VolumeID(id))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.WriteAt(bytes.Repeat([]byte(text), 4096), off); err != nil {
		t.Error(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

// TestTemplateKey launches with the key of a launch template.
//
//origami:proves CreateLaunchTemplate GetLaunchTemplateData RunInstances S83
func TestTemplateKey(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	key := a.newKey(t, home)
	img := a.register(t, a.Client, "base", a.snapshot(t, home, "root"))
	id := a.template(t, "secret", &types.RequestLaunchTemplateData{
		ImageId: &img, InstanceType: "t3.micro",
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{
			{DeviceName: p("/dev/sda1"), Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{Encrypted: p(true), KmsKeyId: &key}},
		},
	})
	for name, said := range map[string][]types.BlockDeviceMapping{
		"nothing": nil,
		"a size":  {{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(2))}}},
	} {
		m := reaches(t, a.Client, *do(t, a.RunInstances, &ec2.RunInstancesInput{
			MinCount: p(int32(1)), MaxCount: p(int32(1)), BlockDeviceMappings: said,
			LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &id},
		}).Instances[0].InstanceId, "running")
		if v := a.volume(t, *m.BlockDeviceMappings[0].Ebs.VolumeId); *v.KmsKeyId != key {
			t.Errorf("%s: the root volume has key %s, want %s", name, *v.KmsKeyId, key)
		}
		got := do(t, a.GetLaunchTemplateData, &ec2.GetLaunchTemplateDataInput{InstanceId: m.InstanceId}).LaunchTemplateData
		if e := got.BlockDeviceMappings[0].Ebs; !*e.Encrypted || *e.KmsKeyId != key {
			t.Errorf("%s: the instance makes a template of %+v", name, e)
		}
	}
}

// TestEncryptedNeedsType makes an image of an instance with an encrypted volume:
// types that cannot encrypt cannot start what comes of it.
//
//origami:proves CreateImage RegisterImage RunInstances S50
func TestEncryptedNeedsType(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := a.started(t, func(in *ec2.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(1)), Encrypted: p(true)}}}
	})
	id := *do(t, a.CreateImage, &ec2.CreateImageInput{InstanceId: m.InstanceId, Name: p("baked"), NoReboot: p(true)}).ImageId
	baked := settled(t, a.Client, id).BlockDeviceMappings
	if len(baked) != 2 || *baked[0].Ebs.Encrypted || !*baked[1].Ebs.Encrypted {
		t.Fatalf("the image maps %+v", baked)
	}
	// Of the types that cannot encrypt, none runs hvm.
	for _, d := range baked {
		d.Ebs.Encrypted = nil
	}
	both := *do(t, a.RegisterImage, &ec2.RegisterImageInput{Name: p("both"), Architecture: "x86_64", RootDeviceName: p("/dev/sda1"), BlockDeviceMappings: baked}).ImageId
	launch := func(id, kind string, devices ...types.BlockDeviceMapping) *ec2.RunInstancesInput {
		return &ec2.RunInstancesInput{ImageId: &id, InstanceType: types.InstanceType(kind), MinCount: p(int32(1)), MaxCount: p(int32(1)), BlockDeviceMappings: devices}
	}
	const refusal = "The instance type 'm1.small' does not support encrypted volumes."
	fails(t, a.RunInstances, launch(both, "m1.small"), "EncryptedVolumesNotSupported", refusal)
	// What is left is that no host here runs paravirtual machines.
	fails(t, a.RunInstances, launch(both, "m3.medium"), "InsufficientInstanceCapacity", "…")
	without := types.BlockDeviceMapping{DeviceName: p("/dev/sdf"), NoDevice: p("")}
	fails(t, a.RunInstances, launch(both, "m1.small", without), "InsufficientInstanceCapacity", "…")
	encrypted := types.BlockDeviceMapping{DeviceName: p("/dev/sda1"), Ebs: &types.EbsBlockDevice{Encrypted: p(true)}}
	fails(t, a.RunInstances, launch(both, "m1.small", without, encrypted), "EncryptedVolumesNotSupported", refusal)
	do(t, a.EnableEbsEncryptionByDefault, &ec2.EnableEbsEncryptionByDefaultInput{})
	fails(t, a.RunInstances, launch(both, "m1.small", without), "EncryptedVolumesNotSupported", refusal)
}

// TestLaunchEncrypted gives each launch its key, and fails with AWS's reasons.
//
//origami:proves RunInstances S67 S84
func TestLaunchEncrypted(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.expected = "key"
	source, given := i.a.newKey(t, home, i.b), i.a.newKey(t, home)
	hidden := i.a.newKey(t, home)
	img := i.a.register(t, i.a.Client, "encrypted", i.a.encrypted(t, home, "disk", source))
	lost := i.a.register(t, i.a.Client, "hidden", i.a.encrypted(t, home, "disk", hidden))
	for _, id := range []string{img, lost} {
		do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{UserId: p(string(i.b.id))}}}})
	}
	launch := func(a *account, id string, e *types.EbsBlockDevice) types.Instance {
		in := &ec2.RunInstancesInput{ImageId: &id, InstanceType: "t3.micro", MinCount: p(int32(1)), MaxCount: p(int32(1))}
		if e != nil {
			in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: p("/dev/sda1"), Ebs: e}}
		}
		vm := *do(t, a.RunInstances, in).Instances[0].InstanceId
		var got types.Instance
		await(t, "the instance", func() bool {
			got = do(t, a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{vm}}).Reservations[0].Instances[0]
			return got.State.Name != "pending"
		})
		return got
	}
	for _, tt := range []struct {
		name string
		a    *account
		e    *types.EbsBlockDevice
		want string
	}{
		{"own", i.a, nil, source},
		{"own, key given", i.a, &types.EbsBlockDevice{Encrypted: p(true), KmsKeyId: &given}, given},
		{"shared", i.b, nil, i.b.managedKey(t, home)},
	} {
		got := launch(tt.a, img, tt.e)
		if got.State.Name != "running" {
			t.Errorf("%s: the instance is %s: %v", tt.name, got.State.Name, got.StateReason)
			continue
		}
		if v := tt.a.volume(t, *got.BlockDeviceMappings[0].Ebs.VolumeId); *v.KmsKeyId != tt.want {
			t.Errorf("%s: the root volume has key %s, want %s", tt.name, *v.KmsKeyId, tt.want)
		}
		do(t, tt.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{*got.InstanceId}})
	}
	if got := launch(i.b, lost, nil); got.State.Name != "terminated" || *got.StateReason.Code != "Client.InternalError" || *got.StateReason.Message != "Client.InternalError: Client error on launch" {
		t.Errorf("without the key: %s, %v", got.State.Name, got.StateReason)
	}
	running := launch(i.a, img, nil)
	do(t, i.a.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{*running.InstanceId}})
	stopped := func() (got types.Instance) {
		await(t, "the stop", func() bool {
			got = do(t, i.a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{*running.InstanceId}}).Reservations[0].Instances[0]
			return got.State.Name == "stopped"
		})
		return got
	}
	stopped()
	if err := i.kms.DisableKey(t.Context(), kms.Access{Caller: i.a.caller(home)}, source); err != nil {
		t.Fatal(err)
	}
	const code, message = "Client.InvalidKMSKey.InvalidState", "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state"
	if got := launch(i.a, img, nil); got.State.Name != "terminated" || *got.StateReason.Code != code || *got.StateReason.Message != message {
		t.Errorf("with a disabled key: %s, %v", got.State.Name, got.StateReason)
	}
	do(t, i.a.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{*running.InstanceId}})
	if got := stopped(); got.StateReason == nil || *got.StateReason.Code != code {
		t.Errorf("a start with a disabled key: %v", got.StateReason)
	}
	v := do(t, i.a.CreateVolume, &ec2.CreateVolumeInput{AvailabilityZone: p(string(home) + "a"), Size: p(int32(1)), Encrypted: p(true), KmsKeyId: &source})
	await(t, "the volume", func() bool { return i.a.volume(t, *v.VolumeId).State != "creating" })
	if got := i.a.volume(t, *v.VolumeId); got.State != "error" {
		t.Errorf("a volume with a disabled key is %s", got.State)
	}
}

// TestShareEncrypted refuses what nobody else could decrypt.
//
//origami:proves ModifySnapshotAttribute ModifyImageAttribute S67 S68
func TestShareEncrypted(t *testing.T) {
	t.Parallel()
	i := open(t)
	for _, tt := range []struct {
		name, key               string
		snapshotCode, imageCode string
	}{
		{"managed", i.a.managedKey(t, home), "OperationNotPermitted: Encrypted snapshots with EBS default key cannot be shared", "InvalidParameter: Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot."},
		{"customer", i.a.newKey(t, home), "", ""},
	} {
		snap := i.a.encrypted(t, home, "disk", tt.key)
		img := i.a.register(t, i.a.Client, tt.name, snap)
		_, err := i.a.ModifySnapshotAttribute(t.Context(), &ec2.ModifySnapshotAttributeInput{SnapshotId: &snap, OperationType: "add", UserIds: []string{string(i.b.id)}})
		if got := described(err); got != tt.snapshotCode {
			t.Errorf("%s: share the snapshot: got %q, want %q", tt.name, got, tt.snapshotCode)
		}
		_, err = i.a.ModifyImageAttribute(t.Context(), &ec2.ModifyImageAttributeInput{ImageId: &img, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{UserId: p(string(i.b.id))}}}})
		if got := described(err); got != tt.imageCode {
			t.Errorf("%s: share the image: got %q, want %q", tt.name, got, tt.imageCode)
		}
	}
}

// described is describe, and empty for no error.
func described(err error) string {
	if err == nil {
		return ""
	}
	return describe(err)
}

// TestRekeyed disables the key of a snapshot that other volumes were made of: once
// they are encrypted with their own keys that does not matter any more.
//
//origami:proves CreateVolume RunInstances DescribeVolumeStatus S84
func TestRekeyed(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.expected = "key"
	owners, given := i.a.newKey(t, home, i.b), i.b.newKey(t, home)
	managed := i.b.managedKey(t, home)
	snap := i.a.encrypted(t, home, "disk", owners)
	do(t, i.a.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &snap, OperationType: "add", UserIds: []string{string(i.b.id)}})
	img := i.a.register(t, i.a.Client, "image", snap)
	do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &img, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{UserId: p(string(i.b.id))}}}})

	keys := map[string]string{} // by volume
	for _, in := range []*ec2.CreateVolumeInput{
		{AvailabilityZone: p(string(home) + "a"), SnapshotId: &snap},
		{AvailabilityZone: p(string(home) + "a"), SnapshotId: &snap, Encrypted: p(true), KmsKeyId: &given},
	} {
		v := do(t, i.b.CreateVolume, in)
		keys[*v.VolumeId] = *v.KmsKeyId
	}
	vm := do(t, i.b.RunInstances, &ec2.RunInstancesInput{ImageId: &img, InstanceType: "t3.micro", MinCount: p(int32(1)), MaxCount: p(int32(1))}).Instances[0].InstanceId
	await(t, "the instance", func() bool {
		got := do(t, i.b.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{*vm}}).Reservations[0].Instances[0]
		if len(got.BlockDeviceMappings) == 1 {
			keys[*got.BlockDeviceMappings[0].Ebs.VolumeId] = managed
		}
		return got.State.Name == "running"
	})
	if len(keys) != 3 {
		t.Fatalf("volumes %v", keys)
	}
	for id, key := range keys {
		i.a.i.rekeyed(t, id)
		status := do(t, i.b.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{VolumeIds: []string{id}}).VolumeStatuses[0]
		if d := status.InitializationStatusDetails; d == nil || *d.Progress != 100 || d.InitializationType != types.InitializationTypeDefault {
			t.Errorf("%s is initialized, and shows %+v", id, d)
		}
		if got := i.b.volume(t, id); *got.KmsKeyId != key {
			t.Errorf("%s has key %s, want %s", id, *got.KmsKeyId, key)
		}
	}
	do(t, i.b.StopInstances, &ec2.StopInstancesInput{InstanceIds: []string{*vm}})
	if err := i.kms.DisableKey(t.Context(), kms.Access{Caller: i.a.caller(home)}, owners); err != nil {
		t.Fatal(err)
	}
	for id := range keys {
		i.b.write(t, id, 1<<20, "written")
		got := copied(t, i.b.Client, *do(t, i.b.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: &id}).SnapshotId)
		if got.State != "completed" || !i.b.begins(t, home, *got.SnapshotId, "disk") {
			t.Errorf("%s without the key of what it began with: its snapshot is %s: %v", id, got.State, got.StateMessage)
		}
	}
	await(t, "the stop", func() bool {
		got := do(t, i.b.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{*vm}}).Reservations[0].Instances[0]
		return got.State.Name == "stopped"
	})
	do(t, i.b.StartInstances, &ec2.StartInstancesInput{InstanceIds: []string{*vm}})
	await(t, "the start", func() bool {
		got := do(t, i.b.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{*vm}}).Reservations[0].Instances[0]
		return got.State.Name == "running"
	})
}

// TestRekeyShown shows how far the encryption of a volume is.
//
//origami:proves DescribeVolumeStatus
func TestRekeyShown(t *testing.T) {
	t.Parallel()
	i := open(t)
	v := do(t, i.a.CreateVolume, &ec2.CreateVolumeInput{AvailabilityZone: p(string(home) + "a"), Size: p(int32(1))})
	err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		_, err := tx.UpdateVolume(home, origami.VolumeID(*v.VolumeId), func(v *origami.Volume) error {
			v.Rekey = &origami.VolumeRekey{Progress: 42}
			return nil
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	status := do(t, i.a.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{VolumeIds: []string{*v.VolumeId}}).VolumeStatuses[0]
	if d := status.InitializationStatusDetails; d == nil || *d.Progress != 42 || d.InitializationType != types.InitializationTypeDefault {
		t.Errorf("initialization: %+v, want 42 %%", d)
	}
}

// rekeyed waits until what a volume began with is encrypted with its own key.
func (i *installation) rekeyed(t *testing.T, id string) {
	t.Helper()
	await(t, "the volume is encrypted with its own key", func() bool {
		var v *origami.Volume
		err := i.db.View(t.Context(), func(tx *metadb.Tx) (err error) {
			v, err = tx.Volume(home, metadb.System, origami.VolumeID(id))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return v.Rekey == nil
	})
}

// TestUsageWithoutKeys counts what it can while keys are disabled.
func TestUsageWithoutKeys(t *testing.T) {
	t.Parallel()
	i := open(t)
	key, other := i.a.newKey(t, home), i.a.newKey(t, home)
	plain, hidden, shown := i.a.snapshot(t, home, "one"), i.a.encrypted(t, home, "two", key), i.a.encrypted(t, home, "three", other)
	img := i.a.register(t, i.a.Client, "image", hidden)
	usage := func() *ami.Usage {
		u, err := i.images.Usage(t.Context(), i.db, i.a.caller(home))
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	before := usage()
	if len(before.Unreadable) > 0 {
		t.Errorf("unreadable before: %v", before.Unreadable)
	}
	if err := i.kms.DisableKey(t.Context(), kms.Access{Caller: i.a.caller(home)}, key); err != nil {
		t.Fatal(err)
	}
	after := usage()
	if len(after.Unreadable) != 1 || string(after.Unreadable[0]) != hidden {
		t.Errorf("unreadable: %v, want %s", after.Unreadable, hidden)
	}
	var lost int64
	for n, s := range after.Snapshots {
		was := before.Snapshots[n]
		switch string(s.ID) {
		case hidden:
			lost = was.Stored
			if !s.Unreadable || s.Stored != 0 || s.Unique != 0 || s.Logical != was.Logical {
				t.Errorf("the hidden snapshot: %+v", s)
			}
		case plain, shown:
			if s.Unreadable || s.Bytes != was.Bytes || s.Stored == 0 {
				t.Errorf("%s: %+v, was %+v", s.ID, s.Bytes, was.Bytes)
			}
		}
	}
	if after.Account.Stored != before.Account.Stored-lost || lost == 0 || after.Referenced != before.Referenced-lost {
		t.Errorf("account %+v, was %+v with %d bytes hidden", after.Account, before.Account, lost)
	}
	if !after.Images[0].Unreadable {
		t.Errorf("image %+v", after.Images[0])
	}
	d, err := i.images.Deleting(t.Context(), i.db, i.a.caller(home), []origami.ImageID{origami.ImageID(img)}, []origami.SnapshotID{origami.SnapshotID(plain)})
	if err != nil || len(d.Unreadable) != 1 || string(d.Unreadable[0]) != hidden || d.Freed == 0 {
		t.Errorf("deleting: %+v, %v", d, err)
	}
}
