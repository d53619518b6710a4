package ec2server_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// organization puts bob into a unit in a unit of an organization that a third
// account manages, and returns its ARNs: of the organization, the outer and the
// inner unit.
func (i *installation) organization(t *testing.T) (boss *account, organization, outer, inner string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	boss = i.account(i.iam, "boss")
	o, err := i.iam.CreateOrganization(t.Context(), boss.id)
	must(err)
	a, err := i.iam.CreateUnit(t.Context(), o.ID, "", "outer")
	must(err)
	b, err := i.iam.CreateUnit(t.Context(), o.ID, a.ID, "inner")
	must(err)
	must(i.iam.PutAccount(t.Context(), i.b.id, o.ID, b.ID))
	return boss, string(o.ARN()), string(o.UnitARN(a.ID)), string(o.UnitARN(b.ID))
}

// sees reports how an account finds an image: in a list, by ID, as executable by
// itself, and by launching it.
func (a *account) sees(t *testing.T, id string) string {
	t.Helper()
	found := func(in *ec2.DescribeImagesInput) string {
		out, err := a.DescribeImages(t.Context(), in)
		if code := codeOf(t, err); code != "" {
			return code
		}
		if slices.ContainsFunc(out.Images, func(i types.Image) bool { return *i.ImageId == id }) {
			return "yes"
		}
		return "no"
	}
	_, err := a.RunInstances(t.Context(), &ec2.RunInstancesInput{ImageId: &id, InstanceType: "t3.nano", MinCount: p(int32(1)), MaxCount: p(int32(1)), DryRun: p(false)})
	launch := codeOf(t, err)
	if launch == "" {
		launch = "yes"
	}
	return found(&ec2.DescribeImagesInput{}) + " " + found(&ec2.DescribeImagesInput{ImageIds: []string{id}}) + " " +
		found(&ec2.DescribeImagesInput{ExecutableUsers: []string{"self"}}) + " " + launch
}

const (
	seesAll     = "yes yes yes yes"
	seesPublic  = "yes yes no yes"
	seesNothing = "no InvalidAMIID.NotFound no AuthFailure"
)

// TestOrganizationPermissions shares an image with organizations and units, in
// both forms, and takes the permissions away.
//
//origami:proves ModifyImageAttribute DescribeImageAttribute DescribeImages RunInstances S8 S14 S63 S64 S65
func TestOrganizationPermissions(t *testing.T) {
	t.Parallel()
	i := open(t)
	boss, organization, outer, inner := i.organization(t)
	id := i.a.registered(t, "shared")
	const foreign = "arn:aws:organizations::999999999999:organization/o-abcdefghij"
	for _, tt := range []struct {
		name    string
		form    url.Values
		want    []types.LaunchPermission
		b, boss string
	}{
		{"nobody", nil, nil, seesNothing, seesNothing},
		{"organization", url.Values{"LaunchPermission.Add.1.OrganizationArn": {organization}},
			[]types.LaunchPermission{{OrganizationArn: &organization}}, seesAll, seesAll},
		{"outer unit", url.Values{"Attribute": {"launchPermission"}, "OperationType": {"add"}, "OrganizationalUnitArn.1": {outer}},
			[]types.LaunchPermission{{OrganizationalUnitArn: &outer}}, seesAll, seesNothing},
		{"inner unit", url.Values{"LaunchPermission.Add.1.OrganizationalUnitArn": {inner}, "OrganizationalUnitArn.1": {inner}},
			[]types.LaunchPermission{{OrganizationalUnitArn: &inner}}, seesAll, seesNothing},
		{"other organization", url.Values{"Attribute": {"launchPermission"}, "OperationType": {"add"}, "OrganizationArn.1": {foreign}},
			[]types.LaunchPermission{{OrganizationArn: p(foreign)}}, seesNothing, seesNothing},
		{"public", url.Values{"LaunchPermission.Add.1.Group": {"all"}}, []types.LaunchPermission{{Group: "all"}}, seesPublic, seesPublic},
		{"account and organization, one removed", url.Values{"LaunchPermission.Add.1.UserId": {string(boss.id)}, "LaunchPermission.Add.2.OrganizationArn": {organization},
			"LaunchPermission.Remove.1.UserId": {string(boss.id)}}, []types.LaunchPermission{{OrganizationArn: &organization}}, seesAll, seesAll},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.form != nil {
				tt.form.Set("ImageId", id)
				i.a.succeed(t, "ModifyImageAttribute", tt.form)
			}
			out := do(t, i.a.DescribeImageAttribute, &ec2.DescribeImageAttributeInput{ImageId: &id, Attribute: "launchPermission"})
			same(t, out.LaunchPermissions, tt.want)
			if got := i.b.sees(t, id); got != tt.b {
				t.Errorf("bob sees %q, want %q", got, tt.b)
			}
			if got := boss.sees(t, id); got != tt.boss {
				t.Errorf("boss sees %q, want %q", got, tt.boss)
			}
			do(t, i.a.ResetImageAttribute, &ec2.ResetImageAttributeInput{ImageId: &id, Attribute: "launchPermission"})
			if got := i.b.sees(t, id); got != seesNothing {
				t.Errorf("after the reset bob sees %q, want %q", got, seesNothing)
			}
		})
	}

	// Who leaves the organization loses what it had through it.
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.OrganizationArn": {organization}})
	// A search for images shared with an account finds no organization's.
	if out := do(t, i.a.DescribeImages, &ec2.DescribeImagesInput{ExecutableUsers: []string{string(i.b.id)}}); len(out.Images) != 0 {
		t.Errorf("executable by bob: got %d images, want none", len(out.Images))
	}
	if err := i.iam.RemoveAccount(t.Context(), i.b.id); err != nil {
		t.Fatal(err)
	}
	if got := i.b.sees(t, id); got != seesNothing {
		t.Errorf("outside of the organization bob sees %q, want %q", got, seesNothing)
	}
}

// TestGranteeErrors refuses what is no account, organization or unit.
//
//origami:proves ModifyImageAttribute
func TestGranteeErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := i.a.registered(t, "shared")
	item := func(value, kind string) string {
		return fmt.Sprintf("InvalidAMIAttributeItemValue: Invalid attribute item value %q for %s item type.", value, kind)
	}
	for _, tt := range []struct {
		name string
		in   types.LaunchPermission
		want string
	}{
		{"bare organization", types.LaunchPermission{OrganizationArn: p("o-abcdefghij")}, item("o-abcdefghij", "organizationArn")},
		{"bare unit", types.LaunchPermission{OrganizationalUnitArn: p("ou-abcd-abcdefgh")}, item("ou-abcd-abcdefgh", "organizationalUnitArn")},
		{"unit as organization", types.LaunchPermission{OrganizationArn: p("arn:aws:organizations::111111111111:ou/o-abcdefghij/ou-abcd-abcdefgh")},
			item("arn:aws:organizations::111111111111:ou/o-abcdefghij/ou-abcd-abcdefgh", "organizationArn")},
		{"organization as unit", types.LaunchPermission{OrganizationalUnitArn: p("arn:aws:organizations::111111111111:organization/o-abcdefghij")},
			item("arn:aws:organizations::111111111111:organization/o-abcdefghij", "organizationalUnitArn")},
		{"root", types.LaunchPermission{OrganizationalUnitArn: p("arn:aws:organizations::111111111111:root/o-abcdefghij/r-abcd")},
			item("arn:aws:organizations::111111111111:root/o-abcdefghij/r-abcd", "organizationalUnitArn")},
		{"account of letters", types.LaunchPermission{OrganizationArn: p("arn:aws:organizations::abcdefghijkl:organization/o-abcdefghij")},
			item("arn:aws:organizations::abcdefghijkl:organization/o-abcdefghij", "organizationArn")},
		{"capitals", types.LaunchPermission{OrganizationArn: p("arn:aws:organizations::111111111111:organization/o-ABCDEFGHIJ")},
			item("arn:aws:organizations::111111111111:organization/o-ABCDEFGHIJ", "organizationArn")},
		{"two at once", types.LaunchPermission{UserId: p("111111111111"), OrganizationArn: p("x")},
			"InvalidParameterCombination: A permission names a user, a group, an organization or an organizational unit, and only one of them."},
		{"nothing", types.LaunchPermission{}, "InvalidParameterCombination: No attributes specified."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := i.a.ModifyImageAttribute(t.Context(), &ec2.ModifyImageAttributeInput{
				ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{tt.in}},
			})
			if got := describe(err); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestCancelImageLaunchPermission lets an account give up what it was given
// directly, and nothing else.
//
//origami:proves CancelImageLaunchPermission
func TestCancelImageLaunchPermission(t *testing.T) {
	t.Parallel()
	i := open(t)
	_, organization, _, _ := i.organization(t)
	id := i.a.registered(t, "shared")
	cancel := &ec2.CancelImageLaunchPermissionInput{ImageId: &id}
	fails(t, i.b.CancelImageLaunchPermission, cancel, "InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
	fails(t, i.a.CancelImageLaunchPermission, cancel, "UnsupportedOperation", "The owner of the image '"+id+"' cannot cancel its launch permission.")
	fails(t, i.b.CancelImageLaunchPermission, &ec2.CancelImageLaunchPermissionInput{ImageId: p("ami-1")}, "InvalidAMIID.Malformed", "…")

	for _, grant := range []string{"Group", "OrganizationArn"} {
		value := map[string]string{"Group": "all", "OrganizationArn": organization}[grant]
		i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1." + grant: {value}})
		fails(t, i.b.CancelImageLaunchPermission, cancel, "InvalidRequest", "The image '"+id+"' is not shared with your account directly.…")
		i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Remove.1." + grant: {value}})
	}

	const third = "333333333333"
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.UserId": {string(i.b.id)}, "LaunchPermission.Add.2.UserId": {third}})
	fails(t, i.b.CancelImageLaunchPermission, &ec2.CancelImageLaunchPermissionInput{ImageId: &id, DryRun: p(true)}, "DryRunOperation", "…")
	if got := i.b.sees(t, id); got != seesAll {
		t.Errorf("before, bob sees %q, want %q", got, seesAll)
	}
	same(t, do(t, i.b.CancelImageLaunchPermission, cancel), &ec2.CancelImageLaunchPermissionOutput{Return: p(true)})
	if got := i.b.sees(t, id); got != seesNothing {
		t.Errorf("after, bob sees %q, want %q", got, seesNothing)
	}
	same(t, launchPermissions(t, i.a.Client, id), []string{third})
	fails(t, i.b.CancelImageLaunchPermission, cancel, "InvalidAMIID.NotFound", "The image id '["+id+"]' does not exist")
}

// TestOwnerAlias shows images of an account that publishes under an alias.
//
//origami:proves DescribeImages S14 S15
func TestOwnerAlias(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.alias(t, i.a, "amazon")
	id := i.a.registered(t, "published")
	i.a.succeed(t, "ModifyImageAttribute", url.Values{"ImageId": {id}, "LaunchPermission.Add.1.Group": {"all"}})
	i.b.registered(t, "mine")
	for _, tt := range []struct {
		in   ec2.DescribeImagesInput
		want string
	}{
		{ec2.DescribeImagesInput{Owners: []string{"amazon"}}, "published"},
		{ec2.DescribeImagesInput{Owners: []string{"amazon", "self"}}, "mine published"},
		{ec2.DescribeImagesInput{Owners: []string{"aws-marketplace"}}, ""},
		{ec2.DescribeImagesInput{Filters: filter("owner-alias", "ama*")}, "published"},
		{ec2.DescribeImagesInput{Filters: filter("owner-alias", "aws-marketplace")}, ""},
		{ec2.DescribeImagesInput{Filters: filter("manifest-location", "amazon/published")}, "published"},
	} {
		var names []string
		for _, m := range do(t, i.b.DescribeImages, &tt.in).Images {
			names = append(names, *m.Name)
		}
		if got := sorted(names); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.in, got, tt.want)
		}
	}
	if got := image(t, i.b.Client, id); str(got.ImageOwnerAlias) != "amazon" || *got.OwnerId != string(i.a.id) {
		t.Errorf("got alias %s of %s", str(got.ImageOwnerAlias), *got.OwnerId)
	}
}

// TestImageQuotas fills up what an account may have.
//
//origami:proves RegisterImage ModifyImageAttribute
func TestImageQuotas(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.images.Quotas.Images, i.images.Quotas.PublicImages, i.images.Quotas.Shares = 3, 1, 2
	snap := i.a.snapshot(t, home, "root")
	one, two := i.a.register(t, i.a.Client, "one", snap), i.a.register(t, i.a.Client, "two", snap)
	three := i.a.register(t, i.a.Client, "three", snap)
	fails(t, i.a.RegisterImage, bootable("four", snap), "ResourceLimitExceeded", "You have reached your quota of 3 images in this region.")
	do(t, i.a.DisableImage, &ec2.DisableImageInput{ImageId: &three})
	fails(t, i.a.RegisterImage, bootable("four", snap), "ResourceLimitExceeded", "You have reached your quota of 3 images in this region.")
	do(t, i.a.DeregisterImage, &ec2.DeregisterImageInput{ImageId: &three})
	i.a.register(t, i.a.Client, "four", snap)
	i.b.registered(t, "of another account")

	public := func(id string) *ec2.ModifyImageAttributeInput {
		return &ec2.ModifyImageAttributeInput{ImageId: &id, LaunchPermission: &types.LaunchPermissionModifications{Add: []types.LaunchPermission{{Group: "all"}}}}
	}
	do(t, i.a.ModifyImageAttribute, public(one))
	do(t, i.a.ModifyImageAttribute, public(one)) // it is already
	fails(t, i.a.ModifyImageAttribute, public(two), "ResourceLimitExceeded", "You have reached your quota of 1 public images in this region.")

	share := &ec2.ModifyImageAttributeInput{ImageId: &two, OperationType: "add", Attribute: p("launchPermission"),
		UserIds: []string{"111111111111"}, OrganizationArns: []string{"arn:aws:organizations::999999999999:organization/o-abcdefghij"}}
	do(t, i.a.ModifyImageAttribute, share)
	do(t, i.a.ModifyImageAttribute, share)
	share.UserIds = []string{"222222222222"}
	fails(t, i.a.ModifyImageAttribute, share, "ResourceLimitExceeded", "An image can be shared with at most 2 accounts, organizations and organizational units.")
}

// alias makes an account publish under an alias.
func (i *installation) alias(t *testing.T, a *account, alias string) {
	t.Helper()
	if err := i.iam.SetOwnerAlias(t.Context(), a.id, alias); err != nil {
		t.Fatal(err)
	}
}
