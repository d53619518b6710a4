package ec2server_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/metadb"
	"origami/internal/rbin"
)

// keep makes a rule of the Recycle Bin for an account's images: with no tags of
// all, otherwise of those which have one.
func (a *account) keep(t *testing.T, days int, tags ...origami.ResourceTag) {
	t.Helper()
	err := a.i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		_, err := rbin.Create(tx, a.caller(home), origami.RetentionRule{Kind: origami.RetainImages, Days: days, Include: tags}, clock)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// binned lists an account's images in the Recycle Bin.
func (a *account) binned(t *testing.T) []types.ImageRecycleBinInfo {
	t.Helper()
	return do(t, a.ListImagesInRecycleBin, &ec2.ListImagesInRecycleBinInput{}).Images
}

// TestImageRecycleBin deregisters an image that a rule keeps, and restores it.
//
//origami:proves DeregisterImage ListImagesInRecycleBin RestoreImageFromRecycleBin DescribeImages RunInstances CreateTags DeleteTags DescribeTags
func TestImageRecycleBin(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.a.keep(t, 3)
	i.a.keep(t, 7, origami.ResourceTag{Key: "keep", Value: "long"})
	in := bootable("image", i.a.snapshot(t, home, "root"))
	in.Description = p("about it")
	in.TagSpecifications = tagged("image", "keep", "long")
	id := *do(t, i.a.RegisterImage, in).ImageId
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}, "LaunchPermission.Add.2.Group": {"all"}})
	do(t, i.b.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("bob", "was here")}})

	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	want := []types.ImageRecycleBinInfo{{ImageId: &id, Name: p("image"), Description: p("about it"), RecycleBinEnterTime: &clock, RecycleBinExitTime: p(clock.AddDate(0, 0, 7))}}
	same(t, i.a.binned(t), want)
	same(t, do(t, i.a.ListImagesInRecycleBin, &ec2.ListImagesInRecycleBinInput{ImageIds: []string{id}}).Images, want)
	same(t, i.b.binned(t), []types.ImageRecycleBinInfo{})
	missing := "The image id '[" + id + "]' does not exist"
	fails(t, i.b.ListImagesInRecycleBin, &ec2.ListImagesInRecycleBinInput{ImageIds: []string{id}}, "InvalidAMIID.NotFound", missing)
	fails(t, i.b.RestoreImageFromRecycleBin, &ec2.RestoreImageFromRecycleBinInput{ImageId: &id}, "InvalidAMIID.NotFound", missing)
	if got, want := i.a.sees(t, id), "no InvalidAMIID.NotFound no InvalidAMIID.Unavailable"; got != want {
		t.Errorf("the owner sees %q, want %q", got, want)
	}
	if got, want := i.b.sees(t, id), "no InvalidAMIID.NotFound no InvalidAMIID.NotFound"; got != want {
		t.Errorf("bob sees %q, want %q", got, want)
	}
	gone := "The image id '[" + id + "]' is no longer available"
	fails(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id}, "InvalidAMIID.Unavailable", gone)
	fails(t, i.a.DisableImage, &ec2.DisableImageInput{ImageId: &id}, "InvalidAMIID.Unavailable", gone)
	fails(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, Description: &types.AttributeValue{Value: p("x")}}, "InvalidAMIID.Unavailable", gone)
	fails(t, i.a.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "description"}, "InvalidAMIID.Unavailable", gone)

	// Tags are all that can be changed, and the system's is not among them.
	tags := func() map[string]string {
		out := make(map[string]string)
		for _, d := range do(t, i.a.DescribeTags, &ec2.DescribeTagsInput{Filters: filter("resource-id", id)}).Tags {
			out[*d.Key] = *d.Value
		}
		return out
	}
	same(t, tags(), map[string]string{"keep": "long", "aws:recycle-bin:resource-in-bin": "true"})
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("new", "tag")}})
	do(t, i.a.DeleteTags, &ec2.DeleteTagsInput{Resources: []string{id}})
	same(t, tags(), map[string]string{"aws:recycle-bin:resource-in-bin": "true"})
	fails(t, i.b.CreateTags, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{tag("bob", "is back")}}, "InvalidAMIID.NotFound", missing)

	same(t, do(t, i.a.RestoreImageFromRecycleBin, &ec2.RestoreImageFromRecycleBinInput{ImageId: &id}), &ec2.RestoreImageFromRecycleBinOutput{Return: p(true)})
	fails(t, i.a.RestoreImageFromRecycleBin, &ec2.RestoreImageFromRecycleBinInput{ImageId: &id}, "InvalidAMIID.NotFound", missing)
	same(t, i.a.binned(t), []types.ImageRecycleBinInfo{})
	same(t, tags(), map[string]string{})
	if got := i.b.sees(t, id); got != seesAll {
		t.Errorf("bob sees %q, want %q", got, seesAll)
	}
	if got := image(t, i.b.Client, id); *got.Name != "image" || got.State != "available" || len(got.Tags) != 1 {
		t.Errorf("got %+v, want the image with bob's tag", got)
	}
	fails(t, i.a.RestoreImageFromRecycleBin, &ec2.RestoreImageFromRecycleBinInput{ImageId: p("x")}, "InvalidAMIID.Malformed", "…")
}

// TestBinnedNamesAndSnapshots frees the name and the snapshots of an image in
// the Recycle Bin, which it must have again to come back.
//
//origami:proves DeregisterImage RegisterImage DeleteSnapshot RestoreImageFromRecycleBin
func TestBinnedNamesAndSnapshots(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.a.keep(t, 1)
	snap, other := i.a.snapshot(t, home, "root"), i.a.snapshot(t, home, "other")
	id := i.a.register(t, i.a.Client, "name", snap)
	restore := &ec2.RestoreImageFromRecycleBinInput{ImageId: &id}
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	taken := i.a.register(t, i.a.Client, "name", other)
	fails(t, i.a.RestoreImageFromRecycleBin, restore, "InvalidAMIName.Duplicate", "AMI name name is already in use by AMI "+taken)
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &taken})
	do(t, i.a.RestoreImageFromRecycleBin, restore)
	fails(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &snap}, "InvalidSnapshot.InUse", "…")
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id, DeleteAssociatedSnapshots: p(true)})
	fails(t, i.a.RestoreImageFromRecycleBin, restore, "InvalidSnapshot.NotFound", "The image '"+id+"' cannot be restored: restore the snapshot '"+snap+"' first.")
}

// TestBinExpiry lets images fall out of the Recycle Bin, and out of memory.
//
//origami:proves DeregisterImage ListImagesInRecycleBin
func TestBinExpiry(t *testing.T) {
	t.Parallel()
	i := open(t)
	sweep := func() {
		t.Helper()
		if err := i.images.Sweep(t.Context(), i.db); err != nil {
			t.Fatal(err)
		}
	}
	gone := i.a.registered(t, "before the rule")
	used := i.a.registered(t, "with an instance")
	instance := i.a.launched(t, used)
	parent, child := i.a.registered(t, "parent"), i.a.registered(t, "child")
	i.change(t, home, child, func(m *origami.Image) { m.SourceImage = origami.ImageID(parent) })
	for _, id := range []string{gone, used, parent} {
		do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	}
	i.a.keep(t, 1)
	kept := i.a.registered(t, "kept")
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &kept})
	deregister := func(id, code string) {
		t.Helper()
		fails(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id}, code, "…")
	}
	sweep()
	deregister(gone, "InvalidAMIID.Unavailable")
	deregister(kept, "InvalidAMIID.Unavailable")

	i.later(24*time.Hour - time.Second)
	sweep()
	deregister(gone, "InvalidAMIID.Unavailable")
	if got := len(i.a.binned(t)); got != 1 {
		t.Errorf("got %d images in the bin, want 1", got)
	}
	i.later(time.Second)
	// Over is over, swept or not.
	same(t, i.a.binned(t), []types.ImageRecycleBinInfo{})
	fails(t, i.a.RestoreImageFromRecycleBin, &ec2.RestoreImageFromRecycleBinInput{ImageId: &kept}, "InvalidAMIID.NotFound", "…")
	sweep()
	same(t, i.a.binned(t), []types.ImageRecycleBinInfo{})
	deregister(kept, "InvalidAMIID.Unavailable")
	deregister(gone, "InvalidAMIID.NotFound")
	deregister(used, "InvalidAMIID.Unavailable")
	deregister(parent, "InvalidAMIID.Unavailable")
	if got := do(t, i.a.GetImageAncestry, &ec2.GetImageAncestryInput{ImageId: &child}).ImageAncestryEntries; len(got) != 2 {
		t.Errorf("got %d ancestors, want 2", len(got))
	}

	i.later(24 * time.Hour)
	do(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{instance}})
	reaches(t, i.a.Client, instance, "terminated")
	err := i.db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.DeleteInstance(home, origami.InstanceID(instance)) })
	if err != nil {
		t.Fatal(err)
	}
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &child})
	sweep()
	deregister(kept, "InvalidAMIID.NotFound")
	deregister(used, "InvalidAMIID.NotFound")
	deregister(child, "InvalidAMIID.Unavailable")
}

// TestBinPages lists many images, page by page.
//
//origami:proves ListImagesInRecycleBin
func TestBinPages(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.a.keep(t, 1)
	snap := i.a.snapshot(t, home, "root")
	ids := make(map[string]bool)
	for _, name := range []string{"one", "two", "three", "four", "five"} {
		id := i.a.register(t, i.a.Client, name, snap)
		ids[id] = true
		do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	}
	in := &ec2.ListImagesInRecycleBinInput{MaxResults: p(int32(2))}
	var sizes []int
	for {
		out := do(t, i.a.ListImagesInRecycleBin, in)
		sizes = append(sizes, len(out.Images))
		for _, m := range out.Images {
			delete(ids, *m.ImageId)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	same(t, sizes, []int{2, 2, 1})
	if len(ids) > 0 {
		t.Errorf("missing %v", ids)
	}
	fails(t, i.a.ListImagesInRecycleBin, &ec2.ListImagesInRecycleBinInput{MaxResults: p(int32(1001))}, "InvalidParameterValue", "…")
}

// TestCrowdOnOneBin restores one image, and gives its name away, at once.
//
//origami:proves RestoreImageFromRecycleBin RegisterImage
func TestCrowdOnOneBin(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.a.keep(t, 1)
	snap := i.a.snapshot(t, home, "root")
	id := i.a.register(t, i.a.Client, "the name", snap)
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	codes := crowd(t, func(ctx context.Context, n int) (err error) {
		if n%2 == 0 {
			_, err = i.a.RestoreImageFromRecycleBin(ctx, &ec2.RestoreImageFromRecycleBinInput{ImageId: &id})
		} else {
			_, err = i.a.RegisterImage(ctx, registration("the name", snap))
		}
		return err
	})
	if codes[""] != 1 {
		t.Errorf("got %v, want one to have the name", codes)
	}
	if got := len(do(t, i.a.DescribeImages, &ec2.DescribeImagesInput{Filters: filter("name", "the name")}).Images); got != 1 {
		t.Errorf("got %d images of the name, want 1", got)
	}
}
