package ec2server_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"origami"
)

// launchPermissions are the users and groups that may launch an image.
func launchPermissions(t *testing.T, c *ec2.Client, id string) []string {
	t.Helper()
	out := do(t, c.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: types.ImageAttributeNameLaunchPermission})
	names := []string{}
	for _, g := range out.LaunchPermissions {
		names = append(names, string(g.Group)+str(g.UserId))
	}
	return names
}

func str(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// succeed sends a request as it is.
func (a *account) succeed(t *testing.T, action string, form url.Values) {
	t.Helper()
	form.Set("Action", action)
	if status, text := a.send(t, home, form); status != 200 || !strings.Contains(text, "<return>true</return>") {
		t.Errorf("%s: %d %s", form.Encode(), status, text)
	}
}

// TestLaunchPermissions sends every form in which clients share an image, and
// reads it back.
//
//origami:proves ModifyImageAttribute DescribeImageAttribute ResetImageAttribute S8
func TestLaunchPermissions(t *testing.T) {
	t.Parallel()
	i := open(t)
	a, b := i.a, string(i.b.id)
	id := a.register(t, a.Client, "shared", a.snapshot(t, home, "x"))
	const c = "333333333333"
	forms := []struct {
		name string
		form url.Values
		want []string
	}{
		{"structure", url.Values{"LaunchPermission.Add.1.UserId": {b}}, []string{b}},
		{"again", url.Values{"LaunchPermission.Add.1.UserId": {b}, "Attribute": {"launchPermission"}}, []string{b}},
		{"doubled", url.Values{"LaunchPermission.Add.1.UserId": {c}, "UserId.1": {c}}, []string{b, c}},
		{"remove, doubled", url.Values{"LaunchPermission.Remove.1.UserId": {c}, "UserId.1": {c}}, []string{b}},
		{"remove what is not there", url.Values{"LaunchPermission.Remove.1.UserId": {c}}, []string{b}},
		{"old form", url.Values{"Attribute": {"launchPermission"}, "OperationType": {"add"}, "UserId.1": {c}, "UserId.2": {b}}, []string{b, c}},
		{"old form, remove", url.Values{"Attribute": {"launchPermission"}, "OperationType": {"remove"}, "UserId.1": {b}}, []string{c}},
		{"old form, unnamed", url.Values{"OperationType": {"remove"}, "UserId.1": {c}}, []string{}},
		{"empty parameters", url.Values{"LaunchPermission.Add.1.UserId": {b}, "Value": {""}, "OperationType": {""}, "UserId": {""}}, []string{b}},
		{"group, doubled", url.Values{"LaunchPermission.Add.1.Group": {"all"}, "UserGroup.1": {"all"}}, []string{"all", b}},
		{"both at once", url.Values{"LaunchPermission.Add.1.UserId": {c}, "LaunchPermission.Remove.1.Group": {"all"}}, []string{b, c}},
	}
	for _, tt := range forms {
		t.Run(tt.name, func(t *testing.T) {
			tt.form.Set("ImageId", id)
			a.succeed(t, "ModifyImageAttribute", tt.form)
			if diff := cmp.Diff(tt.want, launchPermissions(t, a.Client, id)); diff != "" {
				t.Errorf("permissions (-want +got):\n%s", diff)
			}
		})
	}
	// Who is permitted sees the image and its description, and no more.
	if image(t, i.b.Client, id).Public == nil {
		t.Error("no visibility in the image")
	}
	do(t, i.b.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: types.ImageAttributeNameDescription})
	theirs := "Not authorized for image:" + id
	fails(t, i.b.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: types.ImageAttributeNameLaunchPermission}, "AuthFailure", theirs)
	fails(t, i.b.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, Description: &types.AttributeValue{Value: p("x")}}, "AuthFailure", theirs)
	fails(t, i.b.ResetImageAttribute, &ec2.ResetImageAttributeInput{ImageId: &id, Attribute: "launchPermission"}, "AuthFailure", theirs)

	do(t, a.ResetImageAttribute, &ec2.ResetImageAttributeInput{ImageId: &id, Attribute: "launchPermission"})
	if got := launchPermissions(t, a.Client, id); len(got) != 0 {
		t.Errorf("permissions %q after the reset, want none", got)
	}
	fails(t, i.b.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: types.ImageAttributeNameDescription},
		"InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
}

// TestModifyImageAttributeErrors asks for changes that are refused.
func TestModifyImageAttributeErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.register(t, i.a.Client, "mine", i.a.snapshot(t, home, "x"))
	value := func(s string) *types.AttributeValue { return &types.AttributeValue{Value: &s} }
	add := func(p ...types.LaunchPermission) *types.LaunchPermissionModifications {
		return &types.LaunchPermissionModifications{Add: p}
	}
	tests := []struct {
		name          string
		in            ec2.ModifyImageAttributeInput
		code, message string
	}{
		{"nothing", ec2.ModifyImageAttributeInput{}, "InvalidParameterCombination", "No attributes specified."},
		{"attribute without value", ec2.ModifyImageAttributeInput{Attribute: p("description")}, "InvalidParameterCombination", "No attributes specified."},
		{"operation without whom", ec2.ModifyImageAttributeInput{OperationType: "add"}, "InvalidParameterCombination", "No attributes specified."},
		{"two attributes", ec2.ModifyImageAttributeInput{Description: value("d"), LaunchPermission: add(types.LaunchPermission{Group: "all"})},
			"InvalidParameterCombination", "Fields for multiple attribute types specified: description, launchPermission"},
		{"other attribute", ec2.ModifyImageAttributeInput{Attribute: p("launchPermission"), Description: value("d")},
			"InvalidParameterCombination", "Fields for multiple attribute types specified: launchPermission, description"},
		{"immutable", ec2.ModifyImageAttributeInput{Attribute: p("kernel"), Value: p("aki-1")}, "InvalidParameterValue", "Value (kernel) for parameter attribute is invalid. …"},
		{"value of permissions", ec2.ModifyImageAttributeInput{Attribute: p("launchPermission"), Value: p("all")}, "InvalidParameterCombination", "The parameter value cannot be used…"},
		{"group", ec2.ModifyImageAttributeInput{LaunchPermission: add(types.LaunchPermission{Group: "everyone"})},
			"InvalidAMIAttributeItemValue", `Invalid attribute item value "everyone" for group item type.`},
		{"user", ec2.ModifyImageAttributeInput{LaunchPermission: add(types.LaunchPermission{UserId: p("12345")})},
			"InvalidAMIAttributeItemValue", `Invalid attribute item value "12345" for userId item type.`},
		{"user and group", ec2.ModifyImageAttributeInput{LaunchPermission: add(types.LaunchPermission{UserId: p("111111111111"), Group: "all"})},
			"InvalidParameterCombination", "A permission names a user, a group, an organization or an organizational unit, and only one of them."},
		{"users without operation", ec2.ModifyImageAttributeInput{UserIds: []string{"111111111111"}}, "MissingParameter", "The request must contain the parameter LaunchPermission"},
		{"other users", ec2.ModifyImageAttributeInput{UserIds: []string{"111111111111"}, LaunchPermission: add(types.LaunchPermission{UserId: p("222222222222")})},
			"InvalidParameterCombination", "The users, groups, organizations and units of the request differ from those in launchPermission."},
		{"organization", ec2.ModifyImageAttributeInput{LaunchPermission: add(types.LaunchPermission{OrganizationArn: p("arn:aws:organizations::111111111111:organization/o-1")})},
			"InvalidAMIAttributeItemValue", "Invalid attribute item value \"arn:aws:organizations::111111111111:organization/o-1\" for organizationArn item type."},
		{"product code", ec2.ModifyImageAttributeInput{ProductCodes: []string{"x"}}, "UnsupportedOperation", "The product codes of an image cannot be modified."},
		{"imds", ec2.ModifyImageAttributeInput{ImdsSupport: value("v1.0")}, "InvalidParameterValue", "Value (v1.0) for parameter imdsSupport is invalid. …"},
		{"long description", ec2.ModifyImageAttributeInput{Description: value(strings.Repeat("x", 256))}, "InvalidParameterValue", "Value (xxxx…"},
		{"unknown image", ec2.ModifyImageAttributeInput{ImageId: p("ami-00000000000000000"), Description: value("d")},
			"InvalidAMIID.NotFound", "The image id '[ami-00000000000000000]' does not exist"},
		{"malformed image", ec2.ModifyImageAttributeInput{ImageId: p("x"), Description: value("d")}, "InvalidAMIID.Malformed", `Invalid id: "x" (expecting "ami-...")`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.in.ImageId == nil {
				tt.in.ImageId = &id
			}
			fails(t, i.a.ModifyImageAttribute, &tt.in, tt.code, tt.message)
		})
	}
	share := ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: add(types.LaunchPermission{Group: "all"})}
	t.Run("disabled", func(t *testing.T) {
		i.change(t, home, id, func(m *origami.Image) { m.State = origami.ImageDisabled })
		fails(t, i.a.ModifyImageAttribute, &share, "InvalidAMIID.Unavailable", "The image id '["+id+"]' is no longer available")
		i.change(t, home, id, func(m *origami.Image) { m.State = origami.ImageAvailable })
	})
	t.Run("encrypted", func(t *testing.T) {
		i.change(t, home, id, func(m *origami.Image) { m.BlockDevices[0].EBS.Encrypted = p(true) })
		fails(t, i.a.ModifyImageAttribute, &share, "UnsupportedOperation", "Encrypted snapshots can't be shared publicly. Specify another snapshot.")
		i.change(t, home, id, func(m *origami.Image) { m.BlockDevices[0].EBS.Encrypted = p(false) })
	})
	t.Run("quota of public images", func(t *testing.T) {
		snap := i.a.snapshot(t, home, "y")
		for n := range 5 {
			other := i.a.register(t, i.a.Client, fmt.Sprint("public ", n), snap)
			do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &other, LaunchPermission: share.LaunchPermission})
		}
		fails(t, i.a.ModifyImageAttribute, &share, "ResourceLimitExceeded", "You have reached your quota of 5 public images in this region.")
	})
	t.Run("quota of accounts", func(t *testing.T) {
		var in ec2.ModifyImageAttributeInput
		in.ImageId, in.OperationType = &id, "add"
		for n := range 1001 {
			in.UserIds = append(in.UserIds, fmt.Sprintf("%012d", n))
		}
		fails(t, i.a.ModifyImageAttribute, &in, "ResourceLimitExceeded", "An image can be shared with at most 1000 accounts, organizations and organizational units.")
		in.UserIds = in.UserIds[:1000]
		do(t, i.a.ModifyImageAttribute, &in)
	})
}

// TestImageAttributes reads every attribute of an image, and changes those that
// can be changed.
//
//origami:proves DescribeImageAttribute ModifyImageAttribute
func TestImageAttributes(t *testing.T) {
	t.Parallel()
	i := open(t)
	in := bootable("attributes", i.a.snapshot(t, home, "x"))
	in.Description, in.SriovNetSupport, in.BootMode, in.TpmSupport = p("first"), p("simple"), "uefi", "v2.0"
	in.UefiData = p("AAAA")
	id := *do(t, i.a.RegisterImage, in).ImageId
	i.change(t, home, id, func(m *origami.Image) { m.LastLaunched = time.Date(2022, 2, 10, 2, 3, 18, 0, time.UTC) })
	get := func(name types.ImageAttributeName) *ec2.DescribeImageAttributeOutput {
		t.Helper()
		return do(t, i.a.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: name})
	}
	value := func(s string) *types.AttributeValue { return &types.AttributeValue{Value: &s} }
	for name, want := range map[types.ImageAttributeName]ec2.DescribeImageAttributeOutput{
		"description":              {Description: value("first")},
		"kernel":                   {KernelId: &types.AttributeValue{}},
		"ramdisk":                  {RamdiskId: &types.AttributeValue{}},
		"launchPermission":         {LaunchPermissions: []types.LaunchPermission{}},
		"productCodes":             {ProductCodes: []types.ProductCode{}},
		"sriovNetSupport":          {SriovNetSupport: value("simple")},
		"bootMode":                 {BootMode: value("uefi")},
		"tpmSupport":               {TpmSupport: value("v2.0")},
		"uefiData":                 {UefiData: value("AAAA")},
		"imdsSupport":              {ImdsSupport: &types.AttributeValue{}},
		"lastLaunchedTime":         {LastLaunchedTime: value("2022-02-10T02:03:18Z")},
		"deregistrationProtection": {DeregistrationProtection: value("disabled")},
	} {
		want.ImageId = &id
		same(t, get(name), &want)
	}
	fails(t, i.a.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "TpmSupport"}, "InvalidRequest", "The request received was invalid.")
	fails(t, i.a.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "blockDeviceMapping"},
		"AuthFailure", "Unauthorized attempt to access restricted resource")
	i.change(t, home, id, func(m *origami.Image) { m.LastLaunched = time.Now().Add(-23 * time.Hour) })
	same(t, get("lastLaunchedTime").LastLaunchedTime, &types.AttributeValue{})

	for _, description := range []string{"second", ""} {
		i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "Description.Value": {description}})
		if got := str(image(t, i.a.Client, id).Description); got != description {
			t.Errorf("description %q, want %q", got, description)
		}
	}
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "Attribute": {"description"}, "Value": {"third"}})
	same(t, get("description").Description, value("third"))
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "ImdsSupport.Value": {"v2.0"}})
	if got := image(t, i.a.Client, id).ImdsSupport; got != "v2.0" {
		t.Errorf("IMDS support %q, want v2.0", got)
	}
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &id})
	fails(t, i.a.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "description"},
		"InvalidAMIID.Unavailable", "The image id '["+id+"]' is no longer available")
}

// TestImageDeprecation moves the time of deprecation of private and public
// images.
//
//origami:proves EnableImageDeprecation DisableImageDeprecation
func TestImageDeprecation(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.register(t, i.a.Client, "old", i.a.snapshot(t, home, "x"))
	enable := func(at time.Time) *ec2.EnableImageDeprecationInput {
		return &ec2.EnableImageDeprecationInput{ImageId: &id, DeprecateAt: &at}
	}
	want := func(s string) {
		t.Helper()
		if got := str(image(t, i.a.Client, id).DeprecationTime); got != s {
			t.Errorf("deprecation time %q, want %q", got, s)
		}
	}
	do(t, i.a.EnableImageDeprecation, enable(clock.Add(time.Hour+29*time.Second)))
	want("2024-05-01T13:00:00.000Z")
	do(t, i.a.EnableImageDeprecation, enable(clock.Add(time.Hour+30*time.Second)))
	want("2024-05-01T13:01:00.000Z")
	fails(t, i.a.EnableImageDeprecation, enable(clock.Add(-time.Minute)), "InvalidParameterValue", "Value (2024-05-01T11:59:00Z) for parameter deprecateAt is invalid. The time must not be in the past.")
	fails(t, i.a.EnableImageDeprecation, enable(clock.AddDate(10, 0, 1)), "InvalidParameterValue", "Value (2034-05-02T12:00:00Z) for parameter deprecateAt is invalid. The time must be within 10 years.")
	do(t, i.a.DisableImageDeprecation, &ec2.DisableImageDeprecationInput{ImageId: &id})
	want("")

	all := []types.LaunchPermission{{Group: "all"}}
	do(t, i.a.EnableImageDeprecation, enable(clock.AddDate(9, 0, 0)))
	do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{Add: all}})
	want("2026-05-01T12:00:00.000Z")
	fails(t, i.a.EnableImageDeprecation, enable(clock.AddDate(2, 0, 1)), "InvalidParameterValue", "Value (2026-05-02T12:00:00Z) for parameter deprecateAt is invalid. The deprecation of a public image cannot be moved to a later time.")
	do(t, i.a.EnableImageDeprecation, enable(clock.AddDate(1, 0, 0)))
	want("2025-05-01T12:00:00.000Z")
	fails(t, i.a.EnableImageDeprecation, enable(clock.AddDate(1, 1, 0)), "InvalidParameterValue", "Value (2025-06-01T12:00:00Z) for parameter deprecateAt…")
	fails(t, i.a.DisableImageDeprecation, &ec2.DisableImageDeprecationInput{ImageId: &id}, "OperationNotPermitted", "The deprecation of the public image "+id+" cannot be cancelled. Make the image private first.")
	fails(t, i.b.EnableImageDeprecation, enable(clock.Add(time.Hour)), "AuthFailure", "Not authorized for image:"+id)
	fails(t, i.b.DisableImageDeprecation, &ec2.DisableImageDeprecationInput{ImageId: &id}, "AuthFailure", "Not authorized for image:"+id)
	do(t, i.a.ModifyImageAttribute, &ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{Remove: all}})
	want("2025-05-01T12:00:00.000Z")
	do(t, i.a.DisableImageDeprecation, &ec2.DisableImageDeprecationInput{ImageId: &id})
	want("")
}

// TestSnapshotPermissions shares a snapshot in every form, and sees who can
// make an image of it.
//
//origami:proves ModifySnapshotAttribute DescribeSnapshotAttribute ResetSnapshotAttribute
func TestSnapshotPermissions(t *testing.T) {
	t.Parallel()
	i := open(t)
	b := string(i.b.id)
	id := i.a.snapshot(t, home, "x")
	const c = "333333333333"
	permissions := func() []string {
		t.Helper()
		out := do(t, i.a.DescribeSnapshotAttribute, &ec2.DescribeSnapshotAttributeInput{SnapshotId: &id, Attribute: "createVolumePermission"})
		names := []string{}
		for _, g := range out.CreateVolumePermissions {
			names = append(names, string(g.Group)+str(g.UserId))
		}
		return names
	}
	unseen := "The snapshot '" + id + "' does not exist."
	fails(t, i.b.RegisterImage, bootable("theirs", id), "InvalidSnapshot.NotFound", unseen)
	fails(t, i.b.DescribeSnapshotAttribute, &ec2.DescribeSnapshotAttributeInput{SnapshotId: &id, Attribute: "productCodes"}, "InvalidSnapshot.NotFound", unseen)
	for _, tt := range []struct {
		form url.Values
		want []string
	}{
		{url.Values{"CreateVolumePermission.Add.1.UserId": {b}, "UserId.1": {b}}, []string{b}},
		{url.Values{"Attribute": {"createVolumePermission"}, "OperationType": {"add"}, "UserId.1": {c}}, []string{b, c}},
		{url.Values{"CreateVolumePermission.Remove.1.UserId": {b}}, []string{c}},
		{url.Values{"CreateVolumePermission.Add.1.Group": {"all"}, "UserGroup.1": {"all"}}, []string{"all", c}},
	} {
		tt.form.Set("SnapshotId", id)
		i.a.succeed(t, "ModifySnapshotAttribute", tt.form)
		if diff := cmp.Diff(tt.want, permissions()); diff != "" {
			t.Errorf("%s: permissions (-want +got):\n%s", tt.form.Encode(), diff)
		}
	}
	do(t, i.b.RegisterImage, bootable("theirs", id))
	theirs := "Not authorized for snapshot:" + id
	fails(t, i.b.DescribeSnapshotAttribute, &ec2.DescribeSnapshotAttributeInput{SnapshotId: &id, Attribute: "createVolumePermission"}, "AuthFailure", theirs)
	fails(t, i.b.ResetSnapshotAttribute, &ec2.ResetSnapshotAttributeInput{SnapshotId: &id, Attribute: "createVolumePermission"}, "AuthFailure", theirs)
	modify := func(add, remove []types.CreateVolumePermission) *ec2.ModifySnapshotAttributeInput {
		return &ec2.ModifySnapshotAttributeInput{SnapshotId: &id, CreateVolumePermission: &types.CreateVolumePermissionModifications{Add: add, Remove: remove}}
	}
	user, all := []types.CreateVolumePermission{{UserId: p(b)}}, []types.CreateVolumePermission{{Group: "all"}}
	fails(t, i.b.ModifySnapshotAttribute, modify(user, nil), "AuthFailure", theirs)
	fails(t, i.a.ModifySnapshotAttribute, modify(user, all), "InvalidParameterCombination", "Permissions of a snapshot cannot be added and removed in the same request.")
	fails(t, i.a.ModifySnapshotAttribute, modify([]types.CreateVolumePermission{{UserId: p("me")}}, nil), "InvalidAMIAttributeItemValue", `Invalid attribute item value "me" for userId item type.`)
	fails(t, i.a.ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: &id}, "InvalidParameterCombination", "No attributes specified.")
	many := &ec2.ModifySnapshotAttributeInput{SnapshotId: &id, OperationType: "add"}
	for n := range 501 {
		many.UserIds = append(many.UserIds, fmt.Sprintf("%012d", n))
	}
	fails(t, i.a.ModifySnapshotAttribute, many, "InvalidParameterValue", "The request changes 501 permissions. At most 500 can be changed at once.")

	do(t, i.a.ResetSnapshotAttribute, &ec2.ResetSnapshotAttributeInput{SnapshotId: &id, Attribute: "createVolumePermission"})
	if got := permissions(); len(got) != 0 {
		t.Errorf("permissions %q after the reset, want none", got)
	}
	fails(t, i.b.RegisterImage, bootable("theirs again", id), "InvalidSnapshot.NotFound", unseen)
	same(t, do(t, i.a.DescribeSnapshotAttribute, &ec2.DescribeSnapshotAttributeInput{SnapshotId: &id, Attribute: "productCodes"}),
		&ec2.DescribeSnapshotAttributeOutput{SnapshotId: &id, ProductCodes: []types.ProductCode{}})
}

// TestEncryptionByDefault: new volumes are not encrypted unasked.
//
//origami:proves GetEbsEncryptionByDefault
func TestEncryptionByDefault(t *testing.T) {
	t.Parallel()
	i := open(t)
	same(t, do(t, i.a.GetEbsEncryptionByDefault, &ec2.GetEbsEncryptionByDefaultInput{}),
		&ec2.GetEbsEncryptionByDefaultOutput{EbsEncryptionByDefault: p(false), SseType: "none"})
}
