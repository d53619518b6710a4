package ec2server_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

// TestDisableImage takes an image out of use and back.
//
//origami:proves DisableImage EnableImage DescribeImages RunInstances DeleteSnapshot ModifyImageAttribute
func TestDisableImage(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "root")
	id := i.a.register(t, i.a.Client, "image", snap)
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}, "LaunchPermission.Add.2.Group": {"all"}})
	instance := i.b.launched(t, id)
	in := &ec2.DisableImageInput{ImageId: &id}
	fails(t, i.b.DisableImage, in, "AuthFailure", "Not authorized for image:"+id)
	fails(t, i.a.in(abroad).DisableImage, in, "InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
	fails(t, i.a.DisableImage, &ec2.DisableImageInput{ImageId: p("x")}, "InvalidAMIID.Malformed", "…")
	fails(t, i.a.DisableImage, &ec2.DisableImageInput{ImageId: &id, DryRun: p(true)}, "DryRunOperation", "…")
	fails(t, i.a.EnableImage, &ec2.EnableImageInput{ImageId: &id}, "IncorrectState", "The image '"+id+"' cannot be enabled: it is available.")

	same(t, do(t, i.a.DisableImage, in), &ec2.DisableImageOutput{Return: p(true)})
	fails(t, i.a.DisableImage, in, "IncorrectState", "The image '"+id+"' cannot be disabled: it is disabled.")
	if got, want := i.a.sees(t, id), "no yes no InvalidAMIID.Unavailable"; got != want {
		t.Errorf("the owner sees %q, want %q", got, want)
	}
	if got := i.b.sees(t, id); got != seesNothing {
		t.Errorf("bob sees %q, want %q", got, seesNothing)
	}
	out := do(t, i.a.DescribeImages, &ec2.DescribeImagesInput{IncludeDisabled: p(true), Filters: filter("state", "disabled")}).Images
	fails(t, i.a.DescribeImages, &ec2.DescribeImagesInput{Filters: filter("state", "available", "disabled")}, "InvalidParameter",
		"When filtering by the 'disabled' state, 'IncludeDisabled' must be set to 'true' in the request.")
	if len(out) != 1 || out[0].State != "disabled" || *out[0].Public {
		t.Errorf("got %+v, want one private disabled image", out)
	}
	same(t, launchPermissions(t, i.a.Client, id), []string{})
	fails(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, OperationType: "add", Attribute: p("launchPermission"), UserIds: []string{string(i.b.id)}},
		"InvalidAMIID.Unavailable", "The image id '["+id+"]' is no longer available")
	fails(t, i.a.DeleteSnapshot, &ec2.DeleteSnapshotInput{SnapshotId: &snap}, "InvalidSnapshot.InUse", "…")
	if state := reaches(t, i.b.Client, instance, "running").State.Name; state != "running" {
		t.Errorf("bob's instance is %s", state)
	}

	same(t, do(t, i.a.EnableImage, &ec2.EnableImageInput{ImageId: &id}), &ec2.EnableImageOutput{Return: p(true)})
	if got, want := i.a.sees(t, id), "yes yes no yes"; got != want {
		t.Errorf("the owner sees %q, want %q", got, want)
	}
	if got := i.b.sees(t, id); got != seesNothing {
		t.Errorf("bob sees %q after EnableImage, want %q", got, seesNothing)
	}
	do(t, i.a.DisableImage, in)
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	fails(t, i.a.EnableImage, &ec2.EnableImageInput{ImageId: &id}, "InvalidAMIID.Unavailable", "The image id '["+id+"]' is no longer available")
}

// TestDeregistrationProtection protects an image, with a cooldown and without.
//
//origami:proves EnableImageDeregistrationProtection DisableImageDeregistrationProtection DeregisterImage DescribeImageAttribute DescribeImages
func TestDeregistrationProtection(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.registered(t, "image")
	enable := func(cooldown bool) {
		t.Helper()
		want := map[bool]string{false: "enabled-without-cooldown", true: "enabled-with-cooldown"}[cooldown]
		same(t, do(t, i.a.EnableImageDeregistrationProtection, &ec2.EnableImageDeregistrationProtectionInput{ImageId: &id, WithCooldown: &cooldown}),
			&ec2.EnableImageDeregistrationProtectionOutput{Return: &want})
	}
	disable := func(want string) {
		t.Helper()
		same(t, do(t, i.a.DisableImageDeregistrationProtection, &ec2.DisableImageDeregistrationProtectionInput{ImageId: &id}),
			&ec2.DisableImageDeregistrationProtectionOutput{Return: &want})
	}
	is := func(want string) {
		t.Helper()
		out := do(t, i.a.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "deregistrationProtection"})
		same(t, out.DeregistrationProtection, &types.AttributeValue{Value: &want})
		if got := str(image(t, i.a.Client, id).DeregistrationProtection); got != want {
			t.Errorf("DescribeImages: got %q, want %q", got, want)
		}
	}
	refused := func(message string) {
		t.Helper()
		fails(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id}, "OperationNotPermitted", "The image '"+id+"' has deregistration protection"+message)
	}
	is("disabled")
	disable("disabled")
	enable(false)
	is("enabled-without-cooldown")
	refused(". Disable the protection before you deregister it.")
	disable("disabled")
	is("disabled")

	enable(true)
	refused(". Disable…")
	// Nothing leads around the cooldown.
	enable(false)
	const until = "2024-05-02T12:00:00"
	disable("disabled-after-" + until + ".123Z")
	is("disabled-after-" + until + ".123Z")
	refused(" until " + until + "Z, when its cooldown ends.")
	i.later(24*time.Hour - time.Second)
	refused(" until…")
	enable(true)
	i.later(time.Second)
	refused(". Disable…")
	disable("disabled-after-2024-05-03T12:00:00.123Z")
	i.later(24 * time.Hour)
	is("disabled")

	fails(t, i.b.EnableImageDeregistrationProtection, &ec2.EnableImageDeregistrationProtectionInput{ImageId: &id}, "InvalidAMIID.NotFound", "…")
	i.change(t, home, id, func(m *origami.Image) { m.Public = true })
	fails(t, i.b.EnableImageDeregistrationProtection, &ec2.EnableImageDeregistrationProtectionInput{ImageId: &id}, "AuthFailure", "…")
	fails(t, i.b.DisableImageDeregistrationProtection, &ec2.DisableImageDeregistrationProtectionInput{ImageId: &id}, "AuthFailure", "…")
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	fails(t, i.a.EnableImageDeregistrationProtection, &ec2.EnableImageDeregistrationProtectionInput{ImageId: &id}, "InvalidAMIID.Unavailable", "…")
}

// TestImageBlockPublicAccess keeps an account's images from becoming public.
//
//origami:proves EnableImageBlockPublicAccess DisableImageBlockPublicAccess GetImageBlockPublicAccessState ModifyImageAttribute
func TestImageBlockPublicAccess(t *testing.T) {
	t.Parallel()
	i := open(t)
	before, after := i.a.registered(t, "before"), i.a.registered(t, "after")
	public := func(id string) *ec2.ModifyImageAttributeInput {
		return &ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{Group: "all"}}}}
	}
	state := func(c *ec2.Client, want string) {
		t.Helper()
		same(t, do(t, c.GetImageBlockPublicAccessState, &ec2.GetImageBlockPublicAccessStateInput{}),
			&ec2.GetImageBlockPublicAccessStateOutput{ImageBlockPublicAccessState: &want, ManagedBy: "account"})
	}
	state(i.a.Client, "unblocked")
	do(t, i.a.ModifyImageAttribute, public(before))
	same(t, do(t, i.a.EnableImageBlockPublicAccess, &ec2.EnableImageBlockPublicAccessInput{ImageBlockPublicAccessState: "block-new-sharing"}),
		&ec2.EnableImageBlockPublicAccessOutput{ImageBlockPublicAccessState: "block-new-sharing"})
	state(i.a.Client, "block-new-sharing")
	state(i.a.in(abroad), "unblocked")
	state(i.b.Client, "unblocked")
	fails(t, i.a.ModifyImageAttribute, public(after), "OperationNotPermitted",
		"You can't publicly share this image because block public access for AMIs is enabled for this account. To publicly share the image, you must call the DisableImageBlockPublicAccess API.")
	do(t, i.a.ModifyImageAttribute, public(before)) // is, and stays
	if got := i.b.sees(t, before); got != seesPublic {
		t.Errorf("bob sees %q, want %q", got, seesPublic)
	}
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {after}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}})
	status, text := i.a.send(t, home, form("EnableImageBlockPublicAccess", "ImageBlockPublicAccessState", "unblocked"))
	refusedWith(t, status, text, "InvalidParameterValue")
	status, text = i.a.send(t, home, form("EnableImageBlockPublicAccess"))
	refusedWith(t, status, text, "MissingParameter")
	same(t, do(t, i.a.DisableImageBlockPublicAccess, &ec2.DisableImageBlockPublicAccessInput{}),
		&ec2.DisableImageBlockPublicAccessOutput{ImageBlockPublicAccessState: "unblocked"})
	state(i.a.Client, "unblocked")
	do(t, i.a.ModifyImageAttribute, public(after))
}

// refusedWith checks an answer as it was sent.
func refusedWith(t *testing.T, status int, text, code string) {
	t.Helper()
	if status != 400 || !strings.Contains(text, "<Code>"+code+"</Code>") {
		t.Errorf("got %d %s, want 400 %s", status, text, code)
	}
}

// TestNotPublic lists what cannot be shown to everybody.
//
//origami:proves ModifyImageAttribute DescribeImageAttribute DescribeImages
func TestNotPublic(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.registered(t, "image")
	public := &ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{Group: "all"}}}}
	codes := []origami.ProductCode{{Code: "abc123", Type: "marketplace"}}
	i.change(t, home, id, func(m *origami.Image) { m.ProductCodes = codes })
	fails(t, i.a.ModifyImageAttribute, public, "UnsupportedOperation", "Images with product codes can't be shared publicly.")
	want := []types.ProductCode{{ProductCodeId: p("abc123"), ProductCodeType: "marketplace"}}
	same(t, do(t, i.a.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "productCodes"}).ProductCodes, want)
	for _, f := range [][]types.Filter{filter("product-code", "abc*"), filter("product-code.type", "marketplace")} {
		out := do(t, i.a.DescribeImages, &ec2.DescribeImagesInput{Filters: f}).Images
		if len(out) != 1 {
			t.Fatalf("%s: got %d images, want 1", *f[0].Name, len(out))
		}
		same(t, out[0].ProductCodes, want)
	}
	i.change(t, home, id, func(m *origami.Image) { m.ProductCodes, m.BlockDevices[0].EBS.Encrypted = nil, p(true) })
	fails(t, i.a.ModifyImageAttribute, public, "UnsupportedOperation", "Encrypted snapshots can't be shared publicly. Specify another snapshot.")
	i.change(t, home, id, func(m *origami.Image) { m.BlockDevices[0].EBS.Encrypted = p(false) })
	do(t, i.a.ModifyImageAttribute, public)
}

// TestFastLaunch answers about images that are not of Windows.
//
//origami:proves EnableFastLaunch DisableFastLaunch DescribeFastLaunchImages
func TestFastLaunch(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.registered(t, "linux")
	refusal := "Fast launch is only supported for Windows images: " + id + " is not one."
	enable := func(edit func(*ec2.EnableFastLaunchInput)) *ec2.EnableFastLaunchInput {
		in := &ec2.EnableFastLaunchInput{ImageId: &id}
		edit(in)
		return in
	}
	for _, tt := range []struct {
		name       string
		edit       func(*ec2.EnableFastLaunchInput)
		code, text string
	}{
		{"plain", func(*ec2.EnableFastLaunchInput) {}, "InvalidRequest", refusal},
		{"all", func(in *ec2.EnableFastLaunchInput) {
			in.ResourceType, in.MaxParallelLaunches = p("snapshot"), p(int32(6))
			in.SnapshotConfiguration = &types.FastLaunchSnapshotConfigurationRequest{TargetResourceCount: p(int32(5))}
			in.LaunchTemplate = &types.FastLaunchLaunchTemplateSpecificationRequest{LaunchTemplateName: p("x"), Version: p("1")}
		}, "InvalidRequest", refusal},
		{"resource type", func(in *ec2.EnableFastLaunchInput) { in.ResourceType = p("volume") }, "InvalidParameterValue", "Value (volume) for parameter resourceType…"},
		{"launches", func(in *ec2.EnableFastLaunchInput) { in.MaxParallelLaunches = p(int32(5)) }, "InvalidParameterValue", "Value (5) for parameter maxParallelLaunches…"},
		{"resources", func(in *ec2.EnableFastLaunchInput) {
			in.SnapshotConfiguration = &types.FastLaunchSnapshotConfigurationRequest{TargetResourceCount: p(int32(0))}
		}, "InvalidParameterValue", "Value (0) for parameter targetResourceCount…"},
		{"template", func(in *ec2.EnableFastLaunchInput) {
			in.LaunchTemplate = &types.FastLaunchLaunchTemplateSpecificationRequest{LaunchTemplateName: p("x"), LaunchTemplateId: p("y"), Version: p("1")}
		}, "InvalidParameterCombination", "A launch template is given by its ID or its name, with a version."},
		{"unknown image", func(in *ec2.EnableFastLaunchInput) { in.ImageId = p("ami-01234567") }, "InvalidAMIID.NotFound", "…"},
	} {
		t.Run(tt.name, func(t *testing.T) { fails(t, i.a.EnableFastLaunch, enable(tt.edit), tt.code, tt.text) })
	}
	fails(t, i.a.DisableFastLaunch, &ec2.DisableFastLaunchInput{ImageId: &id, Force: p(true)}, "InvalidRequest", refusal)
	fails(t, i.b.DisableFastLaunch, &ec2.DisableFastLaunchInput{ImageId: &id}, "InvalidAMIID.NotFound", "…")
	i.change(t, home, id, func(m *origami.Image) { m.Platform = "windows" })
	fails(t, i.a.EnableFastLaunch, enable(func(*ec2.EnableFastLaunchInput) {}), "UnsupportedOperation", "…")
	same(t, do(t, i.a.DescribeFastLaunchImages, &ec2.DescribeFastLaunchImagesInput{ImageIds: []string{id}, Filters: filter("state", "enabled")}), &ec2.DescribeFastLaunchImagesOutput{})
	fails(t, i.a.DescribeFastLaunchImages, &ec2.DescribeFastLaunchImagesInput{ImageIds: []string{"ami-01234567"}}, "InvalidAMIID.NotFound", "…")
	fails(t, i.a.DescribeFastLaunchImages, &ec2.DescribeFastLaunchImagesInput{Filters: filter("x", "y")}, "InvalidParameterValue", "The filter 'x' is invalid")
}

// TestCrowdOnOneState has many clients disable one image, and many protect and
// deregister another.
//
//origami:proves DisableImage EnableImageDeregistrationProtection DeregisterImage
func TestCrowdOnOneState(t *testing.T) {
	t.Parallel()
	a := open(t).a
	id := a.registered(t, "disabled")
	wantCodes(t, "DisableImage", crowd(t, func(ctx context.Context, _ int) error {
		_, err := a.DisableImage(ctx, &ec2.DisableImageInput{ImageId: &id})
		return err
	}), map[string]int{"": 1, "IncorrectState": crowdSize - 1})

	// Whoever comes first wins: no image is both protected and gone.
	other := a.registered(t, "protected")
	codes := crowd(t, func(ctx context.Context, n int) (err error) {
		if n%2 == 0 {
			_, err = a.DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: &other})
		} else {
			_, err = a.EnableImageDeregistrationProtection(ctx, &ec2.EnableImageDeregistrationProtectionInput{ImageId: &other})
		}
		return err
	})
	left := do(t, a.DescribeImages, &ec2.DescribeImagesInput{ImageIds: []string{other}}).Images
	switch gone := len(left) == 0; {
	case gone && codes["InvalidAMIID.Unavailable"] == 0, !gone && codes["OperationNotPermitted"] != crowdSize/2:
		t.Errorf("the image is gone: %v, and the answers are %v", gone, codes)
	}
}
