package ec2server_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/metadb"
)

// snapshotOf describes one snapshot.
func snapshotOf(t *testing.T, c *ec2.Client, id string) types.Snapshot {
	t.Helper()
	out := do(t, c.DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
	if len(out.Snapshots) != 1 {
		t.Fatalf("got %d snapshots for %s, want one", len(out.Snapshots), id)
	}
	return out.Snapshots[0]
}

// copied waits until a snapshot is no longer pending.
func copied(t *testing.T, c *ec2.Client, id string) (s types.Snapshot) {
	t.Helper()
	await(t, "the copy "+id, func() bool {
		s = snapshotOf(t, c, id)
		return s.State != types.SnapshotStatePending
	})
	return s
}

// settled waits until an image is no longer pending.
func settled(t *testing.T, c *ec2.Client, id string) (img types.Image) {
	t.Helper()
	await(t, "the image "+id, func() bool {
		img = image(t, c, id)
		return img.State != types.ImageStatePending
	})
	return img
}

// content is the root that the block store knows a snapshot's disk by.
func (i *installation) content(t *testing.T, region origami.Region, id string) (root string) {
	t.Helper()
	err := i.db.View(t.Context(), func(tx *metadb.Tx) error {
		snap, err := tx.Snapshot(region, metadb.System, origami.SnapshotID(id))
		if err == nil {
			root = snap.Root
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestCopySnapshot copies inside a region and to another one, an own, a shared
// and a public snapshot. Nothing is stored anew.
//
//origami:proves CopySnapshot S72 S74 S79
func TestCopySnapshot(t *testing.T) {
	t.Parallel()
	i := open(t)
	own, shared, public := i.a.snapshot(t, home, "own"), i.b.snapshot(t, home, "shared"), i.b.snapshot(t, home, "public")
	do(t, i.b.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &shared, OperationType: "add", UserIds: []string{string(i.a.id)}})
	do(t, i.b.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &public, OperationType: "add", GroupNames: []string{"all"}})
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{own}, Tags: []types.Tag{{Key: p("source"), Value: p("yes")}}})
	stored := i.store.Stats().BytesStored
	for _, source := range []string{own, shared, public} {
		for _, region := range []origami.Region{home, abroad} {
			c := i.a.in(region)
			out := do(t, c.CopySnapshot, &ec2.CopySnapshotInput{
				SourceRegion: p(string(home)), SourceSnapshotId: &source, Description: p("a copy"),
				TagSpecifications: []types.TagSpecification{{ResourceType: "snapshot", Tags: []types.Tag{{Key: p("copy"), Value: p("1")}}}},
			})
			same(t, out.Tags, []types.Tag{{Key: p("copy"), Value: p("1")}})
			got := copied(t, c, *out.SnapshotId)
			from := snapshotOf(t, i.a.Client, source)
			want := types.Snapshot{
				SnapshotId: out.SnapshotId, OwnerId: p(string(i.a.id)), VolumeId: p("vol-ffffffff"), VolumeSize: from.VolumeSize,
				State: "completed", Progress: p("100%"), StartTime: p(clock), CompletionTime: p(clock), Description: p("a copy"),
				Encrypted: p(false), StorageTier: "standard", FullSnapshotSizeInBytes: from.FullSnapshotSizeInBytes,
				TransferType: "standard", Tags: out.Tags,
			}
			same(t, got, want)
			if *out.SnapshotId == source || i.content(t, region, *out.SnapshotId) != i.content(t, home, source) {
				t.Errorf("the copy %s of %s holds something else", *out.SnapshotId, source)
			}
			attribute := do(t, c.DescribeSnapshotAttribute, &ec2.DescribeSnapshotAttributeInput{SnapshotId: out.SnapshotId, Attribute: "createVolumePermission"})
			if len(attribute.CreateVolumePermissions) > 0 {
				t.Errorf("the copy of %s is shared: %v", source, attribute.CreateVolumePermissions)
			}
		}
	}
	if got := i.store.Stats().BytesStored - stored; got != 0 {
		t.Errorf("copies inside one store and key stored %d bytes", got)
	}

	// The source is not needed any more.
	id := *do(t, i.a.CopySnapshot, &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &own}).SnapshotId
	do(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &own})
	if got := copied(t, i.a.Client, id); got.State != "completed" {
		t.Errorf("a copy whose source is gone is %s", got.State)
	}
	timed := *do(t, i.a.CopySnapshot, &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &shared, CompletionDurationMinutes: p(int32(45))}).SnapshotId
	if got := copied(t, i.a.Client, timed); got.TransferType != "time-based" || *got.CompletionDurationMinutes != 45 {
		t.Errorf("the copy in time is %s, %v", got.TransferType, got.CompletionDurationMinutes)
	}
	list := do(t, i.a.DescribeSnapshots, &ec2.DescribeSnapshotsInput{Filters: []types.Filter{{Name: p("transfer-type"), Values: []string{"time-based"}}}})
	if len(list.Snapshots) != 1 || *list.Snapshots[0].SnapshotId != timed {
		t.Errorf("the filter transfer-type finds %v", list.Snapshots)
	}
}

// TestCopySnapshotRefusals has AWS's codes.
//
//origami:proves CopySnapshot
func TestCopySnapshotRefusals(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.expected = "The presigned URL"
	own, foreign := i.a.snapshot(t, home, "own"), i.b.snapshot(t, home, "foreign")
	pending := i.a.pending(t, home)
	request := func(source string, f func(*ec2.CopySnapshotInput)) *ec2.CopySnapshotInput {
		in := &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &source}
		if f != nil {
			f(in)
		}
		return in
	}
	for _, tt := range []struct {
		in            *ec2.CopySnapshotInput
		code, message string
	}{
		{request("snap-x", nil), "InvalidSnapshotID.Malformed", "…"},
		{request("snap-0123456789abcdef0", nil), "InvalidSnapshot.NotFound", "The snapshot 'snap-0123456789abcdef0' does not exist."},
		{request(foreign, nil), "InvalidSnapshot.NotFound", "…"},
		{request(pending, nil), "IncorrectState", "…"},
		{request(own, func(in *ec2.CopySnapshotInput) { in.SourceRegion = p("mars-1") }), "InvalidParameterValue", "Value (mars-1) for parameter sourceRegion…"},
		{request(own, func(in *ec2.CopySnapshotInput) { in.SourceRegion = p(string(abroad)) }), "InvalidSnapshot.NotFound", "…"},
		{request(own, func(in *ec2.CopySnapshotInput) { in.Encrypted = p(false) }), "InvalidParameterValue", "…"},
		{request(own, func(in *ec2.CopySnapshotInput) { in.KmsKeyId = p("alias/aws/ebs") }), "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set."},
		{request(own, func(in *ec2.CopySnapshotInput) { in.CompletionDurationMinutes = p(int32(20)) }), "InvalidParameterValue", "…"},
		{request(own, func(in *ec2.CopySnapshotInput) { in.CompletionDurationMinutes = p(int32(0)) }), "InvalidParameterValue", "Value (0) for the completion duration in minutes is invalid. …"},
		{request(own, func(in *ec2.CopySnapshotInput) { in.Description = p(strings.Repeat("d", 256)) }), "InvalidParameterValue", "Value (" + strings.Repeat("d", 128) + "...) for parameter description is invalid. Length exceeds maximum of 255."},
		{request(own, func(in *ec2.CopySnapshotInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "image", Tags: []types.Tag{{Key: p("k"), Value: p("v")}}}}
		}), "InvalidParameterValue", "'image' is not a valid taggable resource type for this operation."},
		{request(own, func(in *ec2.CopySnapshotInput) { in.DryRun = p(true) }), "DryRunOperation", "…"},
		{request(own, func(in *ec2.CopySnapshotInput) { in.DestinationOutpostArn = p("arn:x") }), "UnsupportedOperation", "…"},
	} {
		fails(t, i.a.CopySnapshot, tt.in, tt.code, tt.message)
	}
	form := url.Values{"Action": {"CopySnapshot"}, "SourceRegion": {string(home)}, "SourceSnapshotId": {own}, "DestinationRegion": {string(abroad)}}
	if status, text := i.a.send(t, home, form); status != 400 || !strings.Contains(text, "InvalidParameterValue") {
		t.Errorf("another DestinationRegion: %d, %s", status, text)
	}
	// A presigned URL of something else makes the copy fail later.
	form.Set("DestinationRegion", string(home))
	form.Set("PresignedUrl", "https://ec2/?Action=CopySnapshot&SourceSnapshotId="+foreign)
	if status, text := i.a.send(t, home, form); status != 200 {
		t.Errorf("another PresignedUrl: %d, %s", status, text)
	} else {
		_, rest, _ := strings.Cut(text, "<snapshotId>")
		id, _, _ := strings.Cut(rest, "<")
		if got := copied(t, i.a.Client, id); got.State != "error" || got.StateMessage == nil {
			t.Errorf("the copy is %s, %v", got.State, got.StateMessage)
		}
	}
}

// pending is a snapshot of the account that never completes.
func (a *account) pending(t *testing.T, region origami.Region) (id string) {
	t.Helper()
	err := a.i.db.Update(t.Context(), func(tx *metadb.Tx) error {
		snap, err := a.i.ebs.NewSnapshot(tx, a.caller(region), 1, "", nil)
		if err == nil {
			id = string(snap.ID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestCopySnapshotLimit has at most twenty under way into a region.
//
//origami:proves CopySnapshot
func TestCopySnapshotLimit(t *testing.T) {
	t.Parallel()
	i := open(t)
	source := i.a.snapshot(t, home, "own")
	for range 20 {
		id := i.a.pending(t, home)
		err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
			_, err := tx.UpdateSnapshot(home, origami.SnapshotID(id), func(s *origami.Snapshot) error { s.Copy = &origami.SnapshotCopy{}; return nil })
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// The SDK puts a presigned URL into the input, so each call has its own.
	in := func() *ec2.CopySnapshotInput {
		return &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &source}
	}
	fails(t, i.a.CopySnapshot, in(), "ResourceLimitExceeded", "…")
	far := i.a.in(abroad)
	if got := copied(t, far, *do(t, far.CopySnapshot, in()).SnapshotId); got.State != "completed" {
		t.Errorf("the copy abroad is %s", got.State)
	}
}

// TestCopyLimitsApart counts copies of images and copies of snapshots by themselves:
// the snapshots of an image that is copied are not asked for one by one.
//
//origami:proves CopyImage CopySnapshot
func TestCopyLimitsApart(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.images.Quotas.Copies = 2
	source := i.a.snapshot(t, home, "own")
	img := i.a.register(t, i.a.Client, "image", source)
	for n := range 25 {
		id := i.a.pending(t, home)
		err := i.db.Update(t.Context(), func(tx *metadb.Tx) error {
			_, err := tx.UpdateSnapshot(home, origami.SnapshotID(id), func(s *origami.Snapshot) error {
				s.Copy = &origami.SnapshotCopy{ForImage: n < 20}
				return nil
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	copySnapshot := &ec2.CopySnapshotInput{SourceRegion: p(string(home)), SourceSnapshotId: &source}
	if got := copied(t, i.a.Client, *do(t, i.a.CopySnapshot, copySnapshot).SnapshotId); got.State != "completed" {
		t.Errorf("beside the snapshots of images, the copy of a snapshot is %s", got.State)
	}
	under := func(name string) string {
		id := i.a.register(t, i.a.Client, name, source)
		i.change(t, home, id, func(m *origami.Image) { m.State, m.SourceImage = origami.ImagePending, origami.ImageID(img) })
		return id
	}
	copyImage := func(name string) *ec2.CopyImageInput {
		return &ec2.CopyImageInput{SourceRegion: p(string(home)), SourceImageId: &img, Name: &name}
	}
	under("one")
	id := *do(t, i.a.CopyImage, copyImage("among")).ImageId
	made := settled(t, i.a.Client, id)
	err := i.db.View(t.Context(), func(tx *metadb.Tx) error {
		s, err := tx.Snapshot(home, i.a.id, origami.SnapshotID(*made.BlockDeviceMappings[0].Ebs.SnapshotId))
		if err == nil && (s.Copy == nil || !s.Copy.ForImage) {
			t.Errorf("the snapshot of a copied image says %+v", s.Copy)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	under("two")
	fails(t, i.a.CopyImage, copyImage("three"), "ResourceLimitExceeded", "Too many image copies in progress. The limit is 2 for this destination region.")
	far := i.a.in(abroad)
	settled(t, far, *do(t, far.CopyImage, copyImage("far")).ImageId)
}

// TestCopyImage copies an image to another region and into another account.
//
//origami:proves CopyImage S66 S72 S73 S74 S75 S77 S78 S79
func TestCopyImage(t *testing.T) {
	t.Parallel()
	i := open(t)
	root, data := i.a.snapshot(t, home, "root"), i.a.snapshot(t, home, "data")
	source := *do(t, i.a.RegisterImage, &ec2.RegisterImageInput{
		Name: p("source"), Description: p("the source"), Architecture: "x86_64", VirtualizationType: p("hvm"), EnaSupport: p(true),
		SriovNetSupport: p("simple"), BootMode: "uefi", TpmSupport: "v2.0", UefiData: p("AAAA"), ImdsSupport: "v2.0",
		RootDeviceName: p("/dev/xvda"), BlockDeviceMappings: []types.BlockDeviceMapping{
			{DeviceName: p("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: &root, VolumeType: "gp3", VolumeSize: p(int32(10))}},
			{DeviceName: p("/dev/sdf"), Ebs: &types.EbsBlockDevice{SnapshotId: &data, DeleteOnTermination: p(false)}},
			{DeviceName: p("/dev/sdg"), Ebs: &types.EbsBlockDevice{VolumeSize: p(int32(5))}},
			{DeviceName: p("/dev/sdh"), VirtualName: p("ephemeral0")},
		},
	}).ImageId
	do(t, i.a.CreateTags, &ec2.CreateTagsInput{Resources: []string{source}, Tags: []types.Tag{{Key: p("a"), Value: p("alice")}, {Key: p("both"), Value: p("source")}}})
	do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &source, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{UserId: p(string(i.b.id))}}}})
	far := i.a.in(abroad)
	fails(t, far.DescribeImages, &ec2.DescribeImagesInput{ImageIds: []string{source}}, "InvalidAMIID.NotFound", "…")

	request := &ec2.CopyImageInput{
		SourceImageId: &source, SourceRegion: p(string(home)), Name: p("copy"), Description: p("the copy"), CopyImageTags: p(true), ClientToken: p("once"),
		TagSpecifications: []types.TagSpecification{
			{ResourceType: "image", Tags: []types.Tag{{Key: p("both"), Value: p("copy")}}},
			{ResourceType: "snapshot", Tags: []types.Tag{{Key: p("on"), Value: p("snapshots")}}},
		},
	}
	id := *do(t, far.CopyImage, request).ImageId
	if again := *do(t, far.CopyImage, request).ImageId; again != id {
		t.Errorf("the same request made %s and %s", id, again)
	}
	other := *request
	other.Name = p("other name")
	fails(t, far.CopyImage, &other, "IdempotentParameterMismatch", "…")

	got, from := settled(t, far, id), image(t, i.a.Client, source)
	want := from
	want.ImageId, want.Name, want.Description, want.ImageLocation = &id, p("copy"), p("the copy"), p(string(i.a.id)+"/copy")
	want.SourceImageId, want.SourceImageRegion = &source, p(string(home))
	want.Tags = []types.Tag{{Key: p("a"), Value: p("alice")}, {Key: p("both"), Value: p("copy")}}
	want.BlockDeviceMappings = nil
	mapping := got.BlockDeviceMappings
	got.BlockDeviceMappings = nil
	same(t, got, want)
	if len(mapping) != 4 {
		t.Fatalf("the copy maps %d devices", len(mapping))
	}
	seen := map[string]bool{root: true, data: true}
	for n, d := range mapping {
		was := from.BlockDeviceMappings[n]
		if d.Ebs != nil && d.Ebs.SnapshotId != nil {
			snap := snapshotOf(t, far, *d.Ebs.SnapshotId)
			if seen[*snap.SnapshotId] || *snap.OwnerId != string(i.a.id) || i.content(t, abroad, *snap.SnapshotId) != i.content(t, home, *was.Ebs.SnapshotId) {
				t.Errorf("the snapshot %s of %s is not a copy of its own", *snap.SnapshotId, *d.DeviceName)
			}
			seen[*snap.SnapshotId] = true
			// The time is in milliseconds.
			want := "Copied for DestinationAmi " + id + " from SourceAmi " + source + " for SourceSnapshot " + *was.Ebs.SnapshotId + ". Task created on " + "1,714,564,800,123."
			if *snap.Description != want {
				t.Errorf("description %q, want %q", *snap.Description, want)
			}
			same(t, snap.Tags, []types.Tag{{Key: p("on"), Value: p("snapshots")}})
			d.Ebs.SnapshotId = was.Ebs.SnapshotId
		}
		same(t, d, was)
	}
	permission := do(t, far.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "launchPermission"})
	if len(permission.LaunchPermissions) > 0 {
		t.Errorf("launch permissions were copied: %v", permission.LaunchPermissions)
	}
	uefi := do(t, far.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "uefiData"})
	if *uefi.UefiData.Value != "AAAA" {
		t.Errorf("UEFI data %q", *uefi.UefiData.Value)
	}

	// Launch permission alone does not let bob copy.
	theirs := &ec2.CopyImageInput{SourceImageId: &source, SourceRegion: p(string(home)), Name: p("bob's"), CopyImageTags: p(true)}
	fails(t, i.b.CopyImage, theirs, "InvalidRequest", "You do not have permission to access the storage of this ami")
	for _, snap := range []string{root, data} {
		do(t, i.a.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &snap, OperationType: "add", UserIds: []string{string(i.b.id)}})
	}
	bobs := settled(t, i.b.Client, *do(t, i.b.CopyImage, theirs).ImageId)
	if bobs.State != "available" || *bobs.OwnerId != string(i.b.id) || len(bobs.Tags) > 0 {
		t.Errorf("bob's copy is %s of %s with tags %v", bobs.State, *bobs.OwnerId, bobs.Tags)
	}

	// The copies do not need the source.
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &source, DeleteAssociatedSnapshots: p(true)})
	i.change(t, abroad, id, bios)
	i.change(t, home, *bobs.ImageId, bios)
	for _, c := range []struct {
		*ec2.Client
		id string
	}{{far, id}, {i.b.Client, *bobs.ImageId}} {
		run := do(t, c.RunInstances, &ec2.RunInstancesInput{ImageId: &c.id, InstanceType: "t3.micro", MinCount: p(int32(1)), MaxCount: p(int32(1)),
			BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: p("/dev/sdh"), NoDevice: p("")}}})
		if len(run.Instances) != 1 {
			t.Errorf("launch of the copy %s: %v", c.id, run.Instances)
		}
	}
}

// bios makes an image one that the hosts of tests can start.
func bios(img *origami.Image) { img.BootMode, img.TPMSupport = "", "" }

// TestCopyImageRefusals has AWS's codes.
//
//origami:proves CopyImage S79
func TestCopyImageRefusals(t *testing.T) {
	t.Parallel()
	i := open(t)
	source := i.a.register(t, i.a.Client, "source", i.a.snapshot(t, home, "own"))
	foreign := i.b.register(t, i.b.Client, "foreign", i.b.snapshot(t, home, "foreign"))
	pending := i.a.register(t, i.a.Client, "pending", i.a.snapshot(t, home, "pending"))
	i.change(t, home, pending, func(img *origami.Image) { img.State = origami.ImagePending })
	gone := i.a.register(t, i.a.Client, "gone", i.a.snapshot(t, home, "gone"))
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &gone})
	request := func(source string, f func(*ec2.CopyImageInput)) *ec2.CopyImageInput {
		in := &ec2.CopyImageInput{SourceRegion: p(string(home)), SourceImageId: &source, Name: p("copy")}
		if f != nil {
			f(in)
		}
		return in
	}
	for _, tt := range []struct {
		in            *ec2.CopyImageInput
		code, message string
	}{
		{request("ami-x", nil), "InvalidAMIID.Malformed", "…"},
		{request("ami-0123456789abcdef0", nil), "InvalidAMIID.NotFound", "The image id '[ami-0123456789abcdef0]' does not exist"},
		{request(foreign, nil), "AuthFailure", "Not authorized for images: [" + foreign + "]"},
		{request(pending, nil), "InvalidRequest", "The storage for the ami is not available in the source region."},
		{request(gone, nil), "InvalidAMIID.Unavailable", "…"},
		{request(source, func(in *ec2.CopyImageInput) { in.SourceRegion = p(string(abroad)) }), "InvalidAMIID.NotFound", "…"},
		{request(source, func(in *ec2.CopyImageInput) { in.SourceRegion = p("mars-1") }), "InvalidParameterValue", "…"},
		{request(source, func(in *ec2.CopyImageInput) { in.Name = p("x") }), "InvalidAMIName.Malformed", "…"},
		{request(source, func(in *ec2.CopyImageInput) { in.Name = p("source") }), "InvalidAMIName.Duplicate", "AMI name source is already in use by AMI " + source},
		{request(source, func(in *ec2.CopyImageInput) { in.KmsKeyId = p("alias/aws/ebs") }), "InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set."},
		{request(source, func(in *ec2.CopyImageInput) { in.SnapshotCopyCompletionDurationMinutes = p(int64(20)) }), "InvalidParameterValue", "…"},
		{request(source, func(in *ec2.CopyImageInput) { in.SnapshotCopyCompletionDurationMinutes = p(int64(1 << 40)) }), "InvalidParameterValue", "Value (1099511627776) for the completion duration in minutes is invalid. …"},
		{request(source, func(in *ec2.CopyImageInput) { in.DestinationOutpostArn = p("arn:x") }), "UnsupportedOperation", "…"},
		{request(source, func(in *ec2.CopyImageInput) { in.DryRun = p(true) }), "DryRunOperation", "…"},
		{request(source, func(in *ec2.CopyImageInput) {
			in.TagSpecifications = []types.TagSpecification{{ResourceType: "volume", Tags: []types.Tag{{Key: p("k"), Value: p("v")}}}}
		}), "InvalidParameterValue", "…"},
	} {
		fails(t, i.a.CopyImage, tt.in, tt.code, tt.message)
	}
}
