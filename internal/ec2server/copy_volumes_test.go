package ec2server_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// duplicate copies a volume and waits until the copy is all there.
func (a *account) duplicate(t *testing.T, in *ec2.CopyVolumesInput) types.Volume {
	t.Helper()
	out := do(t, a.CopyVolumes, in).Volumes
	if len(out) != 1 || out[0].State != "creating" || *out[0].SourceVolumeId != *in.SourceVolumeId || *out[0].SnapshotId != "" {
		t.Fatalf("a new copy of %s: %+v", *in.SourceVolumeId, out)
	}
	a.initialized(t, *out[0].VolumeId)
	return a.volume(t, *out[0].VolumeId)
}

// initialized waits until a copy is all there.
func (a *account) initialized(t *testing.T, id string) {
	t.Helper()
	await(t, id+" to be initialized", func() bool {
		s := do(t, a.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{VolumeIds: []string{id}}).VolumeStatuses[0]
		return s.VolumeStatus.Status == "ok" && s.InitializationStatusDetails != nil && *s.InitializationStatusDetails.Progress == 100
	})
}

// holds reports whether a volume has a text at an offset.
func (a *account) holds(t *testing.T, id string, off int64, text string) bool {
	t.Helper()
	v, err := a.i.ebs.Open(t.Context(), home, origami.VolumeID(id))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	got, want := make([]byte, 4096*len(text)), bytes.Repeat([]byte(text), 4096)
	if _, err := v.ReadAt(got, off); err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(got, want)
}

// TestCopyVolumes copies the root volume of a running instance and uses the copy.
//
//origami:proves CopyVolumes DescribeVolumes DescribeVolumeStatus AttachVolume
func TestCopyVolumes(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	m := a.started(t, nil)
	source := *m.BlockDeviceMappings[0].Ebs.VolumeId
	do(t, a.CreateTags, &ec2.CreateTagsInput{Resources: []string{source}, Tags: []types.Tag{tag("of", "the source")}})
	a.write(t, source, 1<<20, "before")
	got := a.duplicate(t, &ec2.CopyVolumesInput{SourceVolumeId: &source, Size: p(int32(3)), VolumeType: "gp3", Throughput: p(int32(250)),
		TagSpecifications: []types.TagSpecification{{ResourceType: "volume", Tags: []types.Tag{tag("of", "the copy")}}}})
	id := *got.VolumeId
	a.write(t, source, 1<<20, "behind")
	same(t, got, types.Volume{
		VolumeId: &id, SourceVolumeId: &source, State: "available", Size: p(int32(3)), VolumeType: "gp3", Iops: p(int32(3000)), Throughput: p(int32(250)),
		AvailabilityZone: m.Placement.AvailabilityZone, AvailabilityZoneId: m.Placement.AvailabilityZoneId, CreateTime: &clock, SnapshotId: p(""),
		Encrypted: p(false), MultiAttachEnabled: p(false), Tags: []types.Tag{tag("of", "the copy")},
	})
	if !a.holds(t, id, 1<<20, "before") || !a.holds(t, source, 1<<20, "behind") {
		t.Error("the copy or its source has not what it should")
	}
	status := do(t, a.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{VolumeIds: []string{id}}).VolumeStatuses[0]
	same(t, status.InitializationStatusDetails, &types.InitializationStatusDetails{InitializationType: "volume-copy", Progress: p(int64(100))})
	same(t, status.VolumeStatus, &types.VolumeStatusInfo{Status: "ok", Details: []types.VolumeStatusDetails{
		{Name: "io-enabled", Status: p("passed")}, {Name: "io-performance", Status: p("not-applicable")}, {Name: "initialization-state", Status: p("completed")}}})
	a.empty(t, nil) // which has nothing to be initialized with
	var initialized []string
	for _, s := range do(t, a.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{Filters: filter("volume-status.details-name", "initialization-state")}).VolumeStatuses {
		initialized = append(initialized, *s.VolumeId)
	}
	if got, want := sorted(initialized), sorted([]string{source, id}); got != want {
		t.Errorf("initialized are %s, want the volume of a snapshot and the copy, %s", got, want)
	}
	do(t, a.AttachVolume, &ec2.AttachVolumeInput{VolumeId: &id, InstanceId: m.InstanceId, Device: p("/dev/sdf")})
	a.awaitAttachment(t, id, "attached")

	// As far as the request does not say otherwise, a copy is a new volume.
	plain := a.duplicate(t, &ec2.CopyVolumesInput{SourceVolumeId: &id})
	if plain.VolumeType != "gp2" || *plain.Size != 3 || *plain.Iops != 100 || plain.Throughput != nil || len(plain.Tags) != 0 {
		t.Errorf("a plain copy is %+v", plain)
	}
	snap := copied(t, a.Client, *do(t, a.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: plain.VolumeId}).SnapshotId)
	if snap.State != "completed" || *snap.VolumeId != *plain.VolumeId {
		t.Errorf("a snapshot of the copy is %+v", snap)
	}
}

// TestCopyVolumesRefusals asks for what cannot be copied.
//
//origami:proves CopyVolumes
func TestCopyVolumesRefusals(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	v := a.empty(t, func(in *ec2.CreateVolumeInput) { in.Size = p(int32(2)) })
	type in = ec2.CopyVolumesInput
	n := func(v int32) *int32 { return &v }
	for _, test := range []struct {
		in            in
		code, message string
	}{
		{in{SourceVolumeId: p("vol")}, "InvalidVolumeID.Malformed", "…"},
		{in{SourceVolumeId: p("vol-0123456789abcdef0")}, "InvalidVolume.NotFound", "The volume 'vol-0123456789abcdef0' does not exist."},
		{in{SourceVolumeId: &v, Size: n(1)}, "InvalidParameterValue", "Volume of size 1GB is smaller than volume '" + v + "', expect size >= 2GB"},
		{in{SourceVolumeId: &v, Size: n(0)}, "InvalidParameterValue", "…"},
		{in{SourceVolumeId: &v, Size: n(16385)}, "InvalidParameterValue", "…"},
		{in{SourceVolumeId: &v, VolumeType: "gp4"}, "UnknownVolumeType", "…"},
		{in{SourceVolumeId: &v, Iops: n(100)}, "InvalidParameterCombination", "The parameter iops is not supported for gp2 volumes."},
		{in{SourceVolumeId: &v, Throughput: n(125)}, "InvalidParameterCombination", "…"},
		{in{SourceVolumeId: &v, VolumeType: "io2", Size: n(4)}, "MissingParameter", "The request must contain the parameter iops"},
		{in{SourceVolumeId: &v, VolumeType: "io2", Size: n(4), Iops: n(100), MultiAttachEnabled: p(true)}, "UnsupportedOperation", "…"},
		{in{SourceVolumeId: &v, Encrypted: p(false), KmsKeyId: p("alias/aws/ebs")}, "InvalidParameterCombination", "…"},
		{in{SourceVolumeId: &v, ClientToken: p(strings.Repeat("t", 65))}, "InvalidParameterValue", "…"},
		{in{SourceVolumeId: &v, TagSpecifications: []types.TagSpecification{{ResourceType: "snapshot", Tags: []types.Tag{tag("k", "v")}}}}, "InvalidParameterValue", "…"},
		{in{SourceVolumeId: &v, DryRun: p(true)}, "DryRunOperation", "…"},
	} {
		fails(t, a.CopyVolumes, &test.in, test.code, test.message)
	}
	missing := "The volume '" + v + "' does not exist."
	fails(t, i.b.CopyVolumes, &in{SourceVolumeId: &v}, "InvalidVolume.NotFound", missing)
	fails(t, a.in(abroad).CopyVolumes, &in{SourceVolumeId: &v}, "InvalidVolume.NotFound", missing)
	if _, text := a.send(t, home, url.Values{"Action": {"CopyVolumes"}}); !strings.Contains(text, "<Code>MissingParameter</Code>") {
		t.Errorf("without a source: %s", text)
	}
	set := func(f func(*origami.Volume)) {
		t.Helper()
		err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
			_, err := tx.UpdateVolume(home, origami.VolumeID(v), func(v *origami.Volume) error { f(v); return nil })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range []origami.VolumeState{origami.VolumeCreating, origami.VolumeError} {
		set(func(v *origami.Volume) { v.State = state })
		fails(t, a.CopyVolumes, &in{SourceVolumeId: &v}, "IncorrectState", "Volume '"+v+"' is in the '"+string(state)+"' state.")
	}
	set(func(v *origami.Volume) {
		v.State, v.Modification = origami.VolumeAvailable, &origami.VolumeModification{State: origami.Modifying}
	})
	fails(t, a.CopyVolumes, &in{SourceVolumeId: &v}, "IncorrectState", "The modification of volume '"+v+"' is in the 'modifying' state.")
	set(func(v *origami.Volume) { v.Modification.State = origami.Optimizing })
	token := in{SourceVolumeId: &v, ClientToken: p(strings.Repeat("t", 64))}
	one, two := do(t, a.CopyVolumes, &token).Volumes[0], do(t, a.CopyVolumes, &token).Volumes[0]
	if *one.VolumeId != *two.VolumeId {
		t.Errorf("one token made %s and %s", *one.VolumeId, *two.VolumeId)
	}
	token.Size = n(5)
	fails(t, a.CopyVolumes, &token, "IdempotentParameterMismatch", "…")
	a.initialized(t, *one.VolumeId)

	// A source in the bin is no source.
	a.keepVolumes(t, 1)
	do(t, a.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: &v})
	fails(t, a.CopyVolumes, &in{SourceVolumeId: &v}, "InvalidVolume.NotFound", missing)
	do(t, a.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: one.VolumeId})
	binned := do(t, a.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{VolumeIds: []string{*one.VolumeId}}).Volumes
	if len(binned) != 1 || *binned[0].SourceVolumeId != v {
		t.Errorf("a copy in the bin: %+v", binned)
	}
}

// TestCopyVolumesMatrix goes through how copies are encrypted.
//
//origami:proves CopyVolumes
func TestCopyVolumesMatrix(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	source, given, chosen := a.newKey(t, home), a.newKey(t, home), a.newKey(t, home)
	do(t, a.ModifyEbsDefaultKmsKeyId, &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: &chosen})
	plain := a.empty(t, nil)
	own := a.empty(t, func(in *ec2.CreateVolumeInput) { in.Encrypted, in.KmsKeyId = p(true), &source })
	for _, id := range []string{plain, own} {
		a.write(t, id, 0, "content")
	}
	for _, test := range []struct {
		source    string
		byDefault bool
		encrypted *bool
		key, want string // keys
	}{
		{plain, false, nil, "", ""},
		{plain, false, p(false), "", ""},
		{plain, false, p(true), "", chosen},
		{plain, false, p(true), given, given},
		{plain, false, nil, given, given},
		{plain, true, nil, "", chosen},
		{plain, true, nil, given, given},
		{own, false, nil, "", source},
		{own, false, p(true), "", source},
		{own, false, p(false), "", source},
		{own, false, nil, given, given},
		{own, true, nil, "", source},
		{own, true, p(true), given, given},
	} {
		if test.byDefault {
			do(t, a.EnableEbsEncryptionByDefault, &ec2.EnableEbsEncryptionByDefaultInput{})
		} else {
			do(t, a.DisableEbsEncryptionByDefault, &ec2.DisableEbsEncryptionByDefaultInput{})
		}
		in := &ec2.CopyVolumesInput{SourceVolumeId: &test.source, Encrypted: test.encrypted}
		if test.key != "" {
			in.KmsKeyId = &test.key
		}
		got := a.duplicate(t, in)
		key := ""
		if got.KmsKeyId != nil {
			key = *got.KmsKeyId
		}
		if key != test.want || *got.Encrypted != (test.want != "") {
			t.Errorf("%+v: got key %q, want %q", test, key, test.want)
		}
		if !a.holds(t, *got.VolumeId, 0, "content") {
			t.Errorf("%+v: the copy holds something else", test)
		}
	}
}

// TestCopyVolumesBadKeys names keys that cannot be used, and copies volumes whose
// own key cannot be: both are refused at once.
//
//origami:proves CopyVolumes
func TestCopyVolumesBadKeys(t *testing.T) {
	t.Parallel()
	i := open(t)
	a := i.a
	key, given, theirs := a.newKey(t, home), a.newKey(t, home), i.b.newKey(t, home)
	plain := a.empty(t, nil)
	own := a.empty(t, func(in *ec2.CreateVolumeInput) { in.Encrypted, in.KmsKeyId = p(true), &key })
	a.write(t, own, 0, "content")
	independent := a.duplicate(t, &ec2.CopyVolumesInput{SourceVolumeId: &own, KmsKeyId: &given})
	disabled := a.newKey(t, home)
	for _, id := range []string{key, disabled} {
		if err := i.kms.DisableKey(t.Context(), kms.Access{Caller: a.caller(home)}, id); err != nil {
			t.Fatal(err)
		}
	}
	const code = "InvalidKMSKey.InvalidState"
	for _, id := range []string{disabled, theirs, "alias/none"} {
		fails(t, a.CopyVolumes, &ec2.CopyVolumesInput{SourceVolumeId: &plain, Encrypted: p(true), KmsKeyId: &id}, code, "…")
	}
	fails(t, a.CopyVolumes, &ec2.CopyVolumesInput{SourceVolumeId: &own}, code, "…")
	fails(t, a.CopyVolumes, &ec2.CopyVolumesInput{SourceVolumeId: &own, KmsKeyId: &given}, code, "…")
	if got := len(do(t, a.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes); got != 3 {
		t.Errorf("%d volumes are left of refused copies and 3", got)
	}
	// A copy with a key of its own does not need the source's any more.
	if !a.holds(t, *independent.VolumeId, 0, "content") {
		t.Error("the copy holds something else")
	}
}

// TestCopyVolumesPolicies lets a user copy some volumes to some.
//
//origami:proves CopyVolumes
func TestCopyVolumesPolicies(t *testing.T) {
	t.Parallel()
	i := open(t)
	v := i.a.empty(t, nil)
	u := i.a.user(t, "alice", `{"Effect":"Deny","Action":"*","Resource":"*"}`)
	volume := "arn:aws:ec2:" + string(home) + ":" + string(i.a.id) + ":volume/"
	const all = `{"Effect":"Allow","Action":["ec2:CopyVolumes","ec2:CreateTags"],"Resource":"*"}`
	deny := func(condition string) string {
		return all + `,{"Effect":"Deny","Action":"ec2:CopyVolumes","Resource":"` + volume + `*","Condition":{` + condition + `}}`
	}
	for _, test := range []struct {
		statements, request string
		allowed             bool
	}{
		{all, "", true},
		{`{"Effect":"Allow","Action":"ec2:CreateVolume","Resource":"*"}`, "", false},
		{`{"Effect":"Allow","Action":"ec2:CopyVolumes","Resource":"` + volume + v + `"}`, "", false}, // and the copy
		{`{"Effect":"Allow","Action":"ec2:CopyVolumes","Resource":"` + volume + `*"}`, "", true},
		{`{"Effect":"Allow","Action":"ec2:CopyVolumes","Resource":"*"}`, "&TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v", false},
		{all, "&TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v", true},
		{deny(`"NumericGreaterThan":{"ec2:VolumeSize":"1"}`), "&Size=2", false},
		{deny(`"NumericGreaterThan":{"ec2:VolumeSize":"1"}`), "", true},
		{deny(`"StringEquals":{"ec2:VolumeType":"gp3"}`), "&VolumeType=gp3", false},
		{deny(`"Bool":{"ec2:Encrypted":"true"}`), "&Encrypted=true", false},
		{deny(`"Bool":{"ec2:Encrypted":"true"}`), "", true},
		{deny(`"StringEquals":{"aws:RequestTag/k":"v"}`), "&TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v", false},
	} {
		i.a.allow(t, "alice", test.statements)
		form, err := url.ParseQuery("Action=CopyVolumes&DryRun=true&SourceVolumeId=" + v + test.request)
		if err != nil {
			t.Fatal(err)
		}
		if got := u.allowed(t, form); got != test.allowed {
			t.Errorf("%s with %q is allowed: %v, want %v", test.statements, test.request, got, test.allowed)
		}
	}
}
