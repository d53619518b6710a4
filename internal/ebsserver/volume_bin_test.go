package ebsserver_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/rbin"
	rbintypes "github.com/aws/aws-sdk-go-v2/service/rbin/types"

	"origami"
	"origami/internal/ebs"
	"origami/internal/kms"
)

// volume makes a volume of 1 GiB and waits until it is available.
func (a account) volume(t *testing.T, edit func(*ec2.CreateVolumeInput)) *string {
	t.Helper()
	in := &ec2.CreateVolumeInput{AvailabilityZone: p("eu-west-1a"), Size: p(int32(1)), VolumeType: "gp3"}
	if edit != nil {
		edit(in)
	}
	c := a.ec2(home)
	id := do(t, c.CreateVolume, in).VolumeId
	await(t, *id+" is available", func() bool {
		return do(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*id}}).Volumes[0].State == ec2types.VolumeStateAvailable
	})
	return id
}

// keep makes a rule of the Recycle Bin for volumes: those with a tag, or all but
// those with one.
func (a account) keep(t *testing.T, days int32, include, exclude string) {
	t.Helper()
	tags := func(value string) []rbintypes.ResourceTag {
		if value == "" {
			return nil
		}
		return []rbintypes.ResourceTag{{ResourceTagKey: p("keep"), ResourceTagValue: &value}}
	}
	do(t, a.rules(home).CreateRule, &rbin.CreateRuleInput{
		ResourceType: rbintypes.ResourceTypeEbsVolume, ResourceTags: tags(include), ExcludeResourceTags: tags(exclude),
		RetentionPeriod: &rbintypes.RetentionPeriod{RetentionPeriodValue: &days, RetentionPeriodUnit: rbintypes.RetentionPeriodUnitDays},
	})
}

// write writes to a volume, and read reads from it.
func (i *installation) write(t *testing.T, id string, off int64, b []byte) {
	t.Helper()
	v, err := i.ebs.Open(t.Context(), home, origami.VolumeID(id))
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.WriteAt(b, off)
	if err := errors.Join(err, v.Close()); err != nil {
		t.Fatal(err)
	}
}

func (i *installation) read(t *testing.T, id string, off int64, n int) []byte {
	t.Helper()
	v, err := i.ebs.Open(t.Context(), home, origami.VolumeID(id))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	_, err = v.ReadAt(b, off)
	if err := errors.Join(err, v.Close()); err != nil {
		t.Fatal(err)
	}
	return b
}

// recycled lists the IDs of an account's volumes in the Recycle Bin.
func recycled(t *testing.T, c *ec2.Client) (ids []string) {
	t.Helper()
	for _, v := range do(t, c.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{}).Volumes {
		ids = append(ids, *v.VolumeId)
	}
	return ids
}

// TestVolumeBin deletes a volume that a rule keeps, restores it, and lets it fall
// out of the bin.
//
//origami:proves ListVolumesInRecycleBin RestoreVolumeFromRecycleBin DeleteVolume
func TestVolumeBin(t *testing.T) {
	t.Parallel()
	i := start(t)
	c, bob := i.a.ec2(home), i.b.ec2(home)
	i.a.keep(t, 3, "", "no")
	i.a.keep(t, 7, "yes", "")
	id := i.a.volume(t, nil)
	i.write(t, *id, 4096, content(1))
	label := &ec2.CreateTagsInput{Resources: []string{*id}, Tags: []ec2types.Tag{{Key: p("keep"), Value: p("yes")}}}
	do(t, c.CreateTags, label)
	excluded := i.a.volume(t, func(in *ec2.CreateVolumeInput) {
		in.TagSpecifications = []ec2types.TagSpecification{{ResourceType: "volume", Tags: []ec2types.Tag{{Key: p("keep"), Value: p("no")}}}}
	})
	do(t, c.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: excluded})
	before := i.now()
	do(t, c.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: id})

	// In the bin nobody sees it, and nothing can be done with it.
	const missing = "InvalidVolume.NotFound"
	refused(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*id}}, missing)
	refused(t, c.DescribeVolumeStatus, &ec2.DescribeVolumeStatusInput{VolumeIds: []string{*id}}, missing)
	refused(t, c.DescribeVolumesModifications, &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{*id}}, missing)
	refused(t, c.DescribeVolumeAttribute, &ec2.DescribeVolumeAttributeInput{VolumeId: id, Attribute: "autoEnableIO"}, missing)
	refused(t, c.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: id}, missing)
	refused(t, c.CreateSnapshot, &ec2.CreateSnapshotInput{VolumeId: id}, missing)
	if got := do(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes; len(got) != 0 {
		t.Errorf("listed are %+v", got)
	}
	out := do(t, c.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{VolumeIds: []string{*id}})
	if len(out.Volumes) != 1 || out.NextToken != nil {
		t.Fatalf("bin: %+v", out)
	}
	in := out.Volumes[0]
	if *in.VolumeId != *id || in.VolumeType != "gp3" || *in.Size != 1 || *in.Iops != 3000 || *in.Throughput != 125 || *in.AvailabilityZone != "eu-west-1a" ||
		*in.AvailabilityZoneId != "euw1-az1" || in.State != "available" || in.CreateTime == nil || in.SourceVolumeId != nil ||
		in.RecycleBinEnterTime.Before(before.Add(-time.Second)) || in.RecycleBinExitTime.Sub(*in.RecycleBinEnterTime) != 7*days {
		t.Errorf("bin: %+v", in)
	}
	refused(t, c.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{VolumeIds: []string{*excluded}}, missing)
	refused(t, c.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{VolumeIds: []string{"vol"}}, "InvalidVolumeID.Malformed")
	refused(t, c.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: excluded}, missing)
	refused(t, c.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: p("vol")}, "InvalidVolumeID.Malformed")
	refused(t, c.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: id, DryRun: p(true)}, "DryRunOperation")
	refused(t, c.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{DryRun: p(true)}, "DryRunOperation")
	for what, stranger := range map[string]*ec2.Client{"bob": bob, "abroad": i.a.ec2(abroad)} {
		if ids := recycled(t, stranger); len(ids) != 0 {
			t.Errorf("%s sees %v", what, ids)
		}
		refused(t, stranger.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: id}, missing)
		refused(t, stranger.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{VolumeIds: []string{*id}}, missing)
	}

	// Its tags stay and can be changed, by its owner, but for the system's.
	tags := func() string {
		var keys []string
		for _, d := range do(t, c.DescribeTags, &ec2.DescribeTagsInput{Filters: []ec2types.Filter{{Name: p("resource-id"), Values: []string{*id}}}}).Tags {
			keys = append(keys, *d.Key+"="+*d.Value)
		}
		return strings.Join(keys, " ")
	}
	another := &ec2.CreateTagsInput{Resources: []string{*id}, Tags: []ec2types.Tag{{Key: p("another"), Value: p("tag")}}}
	do(t, c.CreateTags, another)
	refused(t, bob.CreateTags, another, missing)
	do(t, c.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{*id}, Tags: label.Tags})
	if got, want := tags(), "another=tag aws:recycle-bin:resource-in-bin=true"; got != want {
		t.Errorf("tags in the bin: %s, want %s", got, want)
	}

	// Restored, it is what it was.
	i.restart()
	c = i.a.ec2(home)
	if got := do(t, c.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: id}); !*got.Return {
		t.Errorf("restored: %+v", got)
	}
	refused(t, c.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: id}, missing)
	v := do(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*id}}).Volumes[0]
	if v.State != "available" || len(v.Tags) != 1 || v.SourceVolumeId != nil {
		t.Errorf("restored volume: %+v", v)
	}
	if got, want := tags(), "another=tag"; got != want {
		t.Errorf("tags after the bin: %s, want %s", got, want)
	}
	if !slices.Equal(i.read(t, *id, 4096, size), content(1)) {
		t.Error("a restored volume has not the bytes that it had")
	}

	// Deleted again later, without the tag, it stays for three days.
	i.shift(4 * days)
	do(t, c.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: id})
	i.restart()
	c = i.a.ec2(home)
	i.shift(2 * days)
	if ids := recycled(t, c); len(ids) != 1 {
		t.Fatalf("after 2 days: %v", ids)
	}
	files := filepath.Join(i.root, "volumes", *id)
	if _, err := os.Stat(files); err != nil {
		t.Errorf("the files of a volume in the bin: %v", err)
	}
	i.shift(2 * days)
	await(t, "the volume has left the bin", func() bool { return len(recycled(t, c)) == 0 })
	refused(t, c.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: id}, missing)
	await(t, "its files are gone", func() bool { _, err := os.Stat(files); return os.IsNotExist(err) })
	if got := tags(); got != "" {
		t.Errorf("an expired volume has the tags %s", got)
	}
}

// TestVolumeBinIsOver shows a volume whose time is over and which no task has
// removed yet: it can be seen, and not restored.
//
//origami:proves ListVolumesInRecycleBin RestoreVolumeFromRecycleBin
func TestVolumeBinIsOver(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.a.keep(t, 1, "", "")
	id := i.a.volume(t, nil)
	i.idle = true
	i.restart()
	c := i.a.ec2(home)
	do(t, c.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: id})
	i.shift(2 * days)
	if got := recycled(t, c); !slices.Equal(got, []string{*id}) {
		t.Errorf("in the bin: %v", got)
	}
	refused(t, c.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: id}, "InvalidVolume.NotFound")
}

// TestVolumeBinPages lists a bin page by page.
//
//origami:proves ListVolumesInRecycleBin
func TestVolumeBinPages(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.ec2(home)
	i.a.keep(t, 1, "", "")
	var want, got []string
	for range 12 {
		id := i.a.volume(t, nil)
		do(t, c.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: id})
		want = append(want, *id)
	}
	for token, pages := (*string)(nil), 1; ; pages++ {
		out := do(t, c.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{MaxResults: p(int32(5)), NextToken: token})
		for _, v := range out.Volumes {
			got = append(got, *v.VolumeId)
		}
		if token = out.NextToken; token == nil {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	refused(t, c.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{NextToken: p("x")}, "InvalidNextToken")
	for _, n := range []int32{4, 501} {
		refused(t, c.ListVolumesInRecycleBin, &ec2.ListVolumesInRecycleBinInput{MaxResults: &n}, "InvalidParameterValue")
	}
}

// TestEncryptedVolumeBin disables the key of a volume in the bin, which comes back
// and has its bytes as soon as the key can be used.
//
//origami:proves RestoreVolumeFromRecycleBin
func TestEncryptedVolumeBin(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.ec2(home)
	i.a.keep(t, 1, "", "")
	who := kms.Access{Caller: origami.Caller{Account: i.a.id, ARN: i.principal(i.a.id), Region: home}}
	key, err := i.kms.CreateKey(t.Context(), who, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	id := i.a.volume(t, func(in *ec2.CreateVolumeInput) { in.Encrypted, in.KmsKeyId = p(true), p(key.ARN()) })
	i.write(t, *id, 0, content(2))
	do(t, c.DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: id})
	if err := i.kms.DisableKey(t.Context(), who, key.ARN()); err != nil {
		t.Fatal(err)
	}
	i.restart()
	c = i.a.ec2(home)
	do(t, c.RestoreVolumeFromRecycleBin, &ec2.RestoreVolumeFromRecycleBinInput{VolumeId: id})
	if v := do(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{VolumeIds: []string{*id}}).Volumes[0]; !*v.Encrypted || *v.KmsKeyId != key.ARN() || v.State != "available" {
		t.Errorf("restored: %+v", v)
	}
	if _, err := i.ebs.Open(t.Context(), home, origami.VolumeID(*id)); err == nil {
		t.Error("the volume opens while its key is disabled")
	}
	if err := i.kms.EnableKey(t.Context(), who, key.ARN()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(i.read(t, *id, 0, size), content(2)) {
		t.Error("the volume has not the bytes that it had")
	}
}

// TestCopyLimits sets how many copies an account may have under way.
//
//origami:proves CopyVolumes CopySnapshot
func TestCopyLimits(t *testing.T) {
	t.Parallel()
	i := start(t)
	one, two := i.a.volume(t, nil), i.a.volume(t, nil)
	snap := i.a.make(t, nil, nil)
	i.idle, i.limits = true, ebs.Limits{VolumeCopies: 1, SnapshotCopies: 1}
	i.restart()
	c := i.a.ec2(home)
	do(t, c.CopyVolumes, &ec2.CopyVolumesInput{SourceVolumeId: one})
	refused(t, c.CopyVolumes, &ec2.CopyVolumesInput{SourceVolumeId: one}, "ConcurrentCopyVolumeLimitExceeded")
	refused(t, c.CopyVolumes, &ec2.CopyVolumesInput{SourceVolumeId: two}, "CopyVolumesLimitExceeded")
	in := func() *ec2.CopySnapshotInput {
		return &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: snap}
	}
	do(t, c.CopySnapshot, in())
	refused(t, c.CopySnapshot, in(), "ResourceLimitExceeded")
	i.idle = false
	i.restart()
	c = i.a.ec2(home)
	await(t, "the copies are there", func() bool {
		for _, v := range do(t, c.DescribeVolumes, &ec2.DescribeVolumesInput{}).Volumes {
			if v.State != ec2types.VolumeStateAvailable {
				return false
			}
		}
		return true
	})
	do(t, c.CopyVolumes, &ec2.CopyVolumesInput{SourceVolumeId: two})
}
