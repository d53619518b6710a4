package ec2server_test

import (
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

// TestCopyAllowed copies what the caller may discover, and nothing else.
//
//origami:proves CopyImage ReplaceImageCriteriaInAllowedImagesSettings DisableImage S79
func TestCopyAllowed(t *testing.T) {
	t.Parallel()
	i := open(t)
	snap := i.a.snapshot(t, home, "root")
	id := i.a.register(t, i.a.Client, "image", snap)
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}})
	do(t, i.a.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &snap, Attribute: "createVolumePermission", OperationType: "add", UserIds: []string{string(i.b.id)}})
	copied := func(name string) *ec2.CopyImageInput {
		return &ec2.CopyImageInput{Name: &name, SourceImageId: &id, SourceRegion: p(string(home))}
	}
	do(t, i.b.CopyImage, copied("before"))
	do(t, i.b.EnableAllowedImagesSettings, &ec2.EnableAllowedImagesSettingsInput{AllowedImagesSettingsState: "enabled"})
	for _, c := range []*ec2.Client{i.b.Client, i.b.in(abroad)} {
		fails(t, c.CopyImage, copied("not allowed"), "AuthFailure", "Not authorized for images: ["+id+"]")
	}
	i.b.allowImages(t, types.ImageCriterionRequest{ImageProviders: []string{string(i.a.id)}})
	do(t, i.b.in(abroad).CopyImage, copied("allowed"))
	i.change(t, home, id, func(m *origami.Image) { m.ProductCodes = []origami.ProductCode{{Code: "x", Type: "marketplace"}} })
	fails(t, i.b.CopyImage, copied("product"), "InvalidRequest", "Images from AWS Marketplace cannot be copied to another AWS account")
	out := *do(t, i.a.CopyImage, copied("own product")).ImageId
	if got := image(t, i.a.Client, out).ProductCodes; len(got) != 1 || *got[0].ProductCodeId != "x" {
		t.Errorf("the copy has product codes %v, want those of its source", got)
	}
	do(t, i.a.DisableImage, &ec2.DisableImageInput{ImageId: &id})
	do(t, i.a.CopyImage, copied("of a disabled one"))
	fails(t, i.b.CopyImage, copied("of a disabled one"), "AuthFailure", "…")
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	fails(t, i.a.CopyImage, copied("of none"), "InvalidAMIID.Unavailable", "…")
}

// TestShareManagedKey refuses to share what only the owner's managed key opens.
//
//origami:proves ModifyImageAttribute S67 S68
func TestShareManagedKey(t *testing.T) {
	t.Parallel()
	i := open(t)
	source := i.a.registered(t, "plain")
	id := *do(t, i.a.CopyImage, &ec2.CopyImageInput{Name: p("encrypted"), SourceImageId: &source, SourceRegion: p(string(home)), Encrypted: p(true)}).ImageId
	available(t, i.a.Client, id)
	for member, value := range map[string]string{"UserId": string(i.b.id), "OrganizationArn": "arn:aws:organizations::999999999999:organization/o-abcdefghij", "Group": "all"} {
		status, text := i.a.send(t, home, form("ModifyImageAttribute", "ImageId", id, "LaunchPermission.Add.1."+member, value))
		refusedWith(t, status, text, "InvalidParameter")
	}
	do(t, i.a.ResetImageAttribute, &ec2.ResetImageAttributeInput{ImageId: &id, Attribute: "launchPermission"})
}
