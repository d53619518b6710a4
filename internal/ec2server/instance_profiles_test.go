package ec2server_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/iam"
)

// TestInstanceProfile launches with an instance profile, which needs the right
// to pass its role on.
//
//origami:proves RunInstances DescribeInstances
func TestInstanceProfile(t *testing.T) {
	t.Parallel()
	i := open(t)
	ctx := t.Context()
	const trust = `{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	if _, err := i.iam.CreateIdentity(ctx, i.a.id, iam.IdentitySpec{Kind: origami.KindRole, Name: "builder", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	profile, err := i.iam.CreateInstanceProfile(ctx, i.a.id, "/x/", "web", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.iam.SetProfileRole(ctx, i.a.id, "web", "builder", true); err != nil {
		t.Fatal(err)
	}
	empty, err := i.iam.CreateInstanceProfile(ctx, i.a.id, "/", "empty", nil)
	if err != nil {
		t.Fatal(err)
	}
	image := i.a.register(t, i.a.Client, "mine", i.a.snapshot(t, home, "a"))
	launch := func(spec *types.IamInstanceProfileSpecification) *ec2.RunInstancesInput {
		return &ec2.RunInstancesInput{ImageId: &image, InstanceType: "t3.nano", MinCount: aws.Int32(1), MaxCount: aws.Int32(1), IamInstanceProfile: spec}
	}
	arn := profile.ARN()
	byName, byARN := &types.IamInstanceProfileSpecification{Name: aws.String("web")}, &types.IamInstanceProfileSpecification{Arn: &arn}
	for _, spec := range []*types.IamInstanceProfileSpecification{byName, byARN} {
		out := do(t, i.a.RunInstances, launch(spec))
		described := do(t, i.a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{*out.Instances[0].InstanceId}}).Reservations[0].Instances[0]
		if p := described.IamInstanceProfile; p == nil || *p.Arn != arn || *p.Id != profile.ID {
			t.Errorf("got profile %+v, want %s", p, arn)
		}
	}
	for name, spec := range map[string]*types.IamInstanceProfileSpecification{
		"Value (none) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name": {Name: aws.String("none")},
		"Value (arn:aws:iam::1:instance-profile/web) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN": {
			Arn: aws.String("arn:aws:iam::1:instance-profile/web")},
		"Value (empty) for parameter iamInstanceProfile.name is invalid. IAM Instance Profile \"" + empty.ARN() + "\" has no associated IAM Roles": {Name: aws.String("empty")},
	} {
		fails(t, i.a.RunInstances, launch(spec), "InvalidParameterValue", name)
	}
	both := &types.IamInstanceProfileSpecification{Name: byName.Name, Arn: byARN.Arn}
	fails(t, i.a.RunInstances, launch(both), "InvalidParameterCombination", "The parameter 'iamInstanceProfile.name' may not be used…")

	u := i.a.user(t, "alice", `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`)
	fails(t, u.RunInstances, launch(byName), "UnauthorizedOperation", "You are not authorized to perform this operation. User: arn:aws:iam::"+
		string(i.a.id)+":user/alice is not authorized to perform: iam:PassRole on resource: arn:aws:iam::"+string(i.a.id)+":role/builder…")
	do(t, u.RunInstances, launch(nil))
	i.a.allow(t, "alice", `{"Effect":"Allow","Action":"ec2:*","Resource":"*"},{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/b*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}`)
	do(t, u.RunInstances, launch(byName))
	i.a.allow(t, "alice", `{"Effect":"Allow","Action":["ec2:*","iam:PassRole"],"Resource":"*"},{"Effect":"Deny","Action":"ec2:RunInstances","Resource":"arn:aws:ec2:*:*:instance/*","Condition":{"ArnLike":{"ec2:InstanceProfile":"arn:aws:iam::*:instance-profile/x/*"}}}`)
	fails(t, u.RunInstances, launch(byName), "UnauthorizedOperation", "You are not authorized…")
}

// profile makes an instance profile of the account with a role of the same
// name that trusts EC2.
func (a *account) profile(t *testing.T, name string) *origami.InstanceProfile {
	t.Helper()
	_, err := a.i.iam.CreateIdentity(t.Context(), a.id, iam.IdentitySpec{Kind: origami.KindRole, Name: name,
		Trust: `{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`})
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.i.iam.CreateInstanceProfile(t.Context(), a.id, "/", name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.i.iam.SetProfileRole(t.Context(), a.id, name, name, true); err != nil {
		t.Fatal(err)
	}
	return p
}

// byName names an instance profile.
func byName(name string) *types.IamInstanceProfileSpecification {
	return &types.IamInstanceProfileSpecification{Name: &name}
}

// associations lists those of the account, as far as the request asks, and
// writes them as "instance profile".
func associations(t *testing.T, a *account, in *ec2.DescribeIamInstanceProfileAssociationsInput) []string {
	t.Helper()
	var out []string
	for _, as := range do(t, a.DescribeIamInstanceProfileAssociations, in).IamInstanceProfileAssociations {
		if as.State != "associated" || as.Timestamp == nil {
			t.Errorf("got %+v, want it associated", as)
		}
		arn := *as.IamInstanceProfile.Arn
		out = append(out, *as.InstanceId+" "+arn[strings.LastIndexByte(arn, '/')+1:])
	}
	return out
}

// TestProfileAssociations gives instances instance profiles while they run.
//
//origami:proves AssociateIamInstanceProfile ReplaceIamInstanceProfileAssociation DisassociateIamInstanceProfile
//origami:proves DescribeIamInstanceProfileAssociations DescribeInstances GetLaunchTemplateData
func TestProfileAssociations(t *testing.T) {
	t.Parallel()
	i := open(t)
	web, db := i.a.profile(t, "web"), i.a.profile(t, "db")
	first := i.a.started(t, nil)
	machine := *first.InstanceId
	shown := func() *types.IamInstanceProfile {
		t.Helper()
		return do(t, i.a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{machine}}).Reservations[0].Instances[0].IamInstanceProfile
	}
	all := &ec2.DescribeIamInstanceProfileAssociationsInput{}
	if got := associations(t, i.a, all); len(got) != 0 {
		t.Errorf("before the first: got %v", got)
	}
	made := do(t, i.a.AssociateIamInstanceProfile, &ec2.AssociateIamInstanceProfileInput{InstanceId: &machine, IamInstanceProfile: byName("web")}).IamInstanceProfileAssociation
	if made.State != "associating" || *made.InstanceId != machine || *made.IamInstanceProfile.Arn != web.ARN() || *made.IamInstanceProfile.Id != web.ID ||
		!strings.HasPrefix(*made.AssociationId, "iip-assoc-") {
		t.Errorf("got %+v", made)
	}
	if p := shown(); p == nil || *p.Arn != web.ARN() || *p.Id != web.ID {
		t.Errorf("the instance shows %+v", p)
	}
	fails(t, i.a.AssociateIamInstanceProfile, &ec2.AssociateIamInstanceProfileInput{InstanceId: &machine, IamInstanceProfile: byName("db")},
		"IncorrectState", "There is an existing association for instance "+machine)
	for name, want := range map[string]bool{web.ARN(): true, db.ARN(): false} {
		out := do(t, i.a.DescribeInstances, &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: aws.String("iam-instance-profile.arn"), Values: []string{name}}}})
		if got := len(out.Reservations) == 1; got != want {
			t.Errorf("filtered by %s: found %t, want %t", name, got, want)
		}
	}
	for filter, value := range map[string]string{"iam-instance-profile.id": web.ID, "iam-instance-profile.name": "web"} {
		out := do(t, i.a.DescribeInstances, &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: &filter, Values: []string{value}}}})
		if len(out.Reservations) != 1 {
			t.Errorf("filtered by %s %s: found %d", filter, value, len(out.Reservations))
		}
	}
	data := do(t, i.a.GetLaunchTemplateData, &ec2.GetLaunchTemplateDataInput{InstanceId: &machine})
	if p := data.LaunchTemplateData.IamInstanceProfile; p == nil || *p.Arn != web.ARN() {
		t.Errorf("launch data has %+v", p)
	}

	replaced := do(t, i.a.ReplaceIamInstanceProfileAssociation, &ec2.ReplaceIamInstanceProfileAssociationInput{
		AssociationId: made.AssociationId, IamInstanceProfile: &types.IamInstanceProfileSpecification{Arn: aws.String(db.ARN())},
	}).IamInstanceProfileAssociation
	if *replaced.AssociationId == *made.AssociationId || *replaced.IamInstanceProfile.Id != db.ID || replaced.State != "associating" {
		t.Errorf("got %+v", replaced)
	}
	again := launch(*first.ImageId)
	again.IamInstanceProfile = byName("web")
	second := *do(t, i.a.RunInstances, again).Instances[0].InstanceId
	id := func(name string, values ...string) *ec2.DescribeIamInstanceProfileAssociationsInput {
		return &ec2.DescribeIamInstanceProfileAssociationsInput{Filters: []types.Filter{{Name: &name, Values: values}}}
	}
	for _, tt := range []struct {
		name string
		in   *ec2.DescribeIamInstanceProfileAssociationsInput
		want []string
	}{
		{"all", all, []string{machine + " db", second + " web"}},
		{"by ID", &ec2.DescribeIamInstanceProfileAssociationsInput{AssociationIds: []string{*replaced.AssociationId}}, []string{machine + " db"}},
		{"by instance", id("instance-id", second), []string{second + " web"}},
		{"by state", id("state", "associat?d"), []string{machine + " db", second + " web"}},
		{"by another state", id("state", "disassociating"), nil},
	} {
		if got := associations(t, i.a, tt.in); sorted(got) != sorted(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := associations(t, i.b, all); len(got) != 0 {
		t.Errorf("another account sees %v", got)
	}
	fails(t, i.a.DescribeIamInstanceProfileAssociations, id("tag:x", "y"), "InvalidParameterValue", "The filter 'tag:x' is invalid")

	was := do(t, i.a.DisassociateIamInstanceProfile, &ec2.DisassociateIamInstanceProfileInput{AssociationId: replaced.AssociationId}).IamInstanceProfileAssociation
	if was.State != "disassociating" || *was.IamInstanceProfile.Id != db.ID || *was.AssociationId != *replaced.AssociationId {
		t.Errorf("got %+v", was)
	}
	if p := shown(); p != nil {
		t.Errorf("the instance shows %+v", p)
	}
	if got := associations(t, i.a, all); sorted(got) != second+" web" {
		t.Errorf("afterwards: got %v", got)
	}
	do(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{second}})
	if got := associations(t, i.a, all); len(got) != 0 {
		t.Errorf("of a terminated instance: got %v", got)
	}
	fails(t, i.a.AssociateIamInstanceProfile, &ec2.AssociateIamInstanceProfileInput{InstanceId: &second, IamInstanceProfile: byName("db")},
		"IncorrectInstanceState", "The instance '"+second+"' is not in a state from which it can be associated with an instance profile.")
}

// TestProfileAssociationErrors asks for what is not there, or not the caller's.
//
//origami:proves AssociateIamInstanceProfile ReplaceIamInstanceProfileAssociation DisassociateIamInstanceProfile
func TestProfileAssociationErrors(t *testing.T) {
	t.Parallel()
	i := open(t)
	i.a.profile(t, "web")
	i.b.profile(t, "web")
	machine := *i.a.started(t, func(in *ec2.RunInstancesInput) { in.IamInstanceProfile = byName("web") }).InstanceId
	have := *do(t, i.a.DescribeIamInstanceProfileAssociations, &ec2.DescribeIamInstanceProfileAssociationsInput{}).IamInstanceProfileAssociations[0].AssociationId
	none, bad := "iip-assoc-0123456789abcdef0", "eipassoc-0123456789abcdef0"
	missing := func(id string) string { return "An invalid association-id of '" + id + "' was given" }
	associate := func(id string, p *types.IamInstanceProfileSpecification) *ec2.AssociateIamInstanceProfileInput {
		return &ec2.AssociateIamInstanceProfileInput{InstanceId: &id, IamInstanceProfile: p}
	}
	fails(t, i.a.AssociateIamInstanceProfile, associate("i-0123456789abcdef0", byName("web")), "InvalidInstanceID.NotFound", "The instance ID 'i-0123456789abcdef0' does not exist")
	fails(t, i.a.AssociateIamInstanceProfile, associate("x", byName("web")), "InvalidInstanceID.Malformed", `Invalid id: "x"`)
	fails(t, i.a.AssociateIamInstanceProfile, associate(machine, byName("none")), "InvalidParameterValue", "Value (none) for parameter iamInstanceProfile.name is invalid…")
	fails(t, i.a.AssociateIamInstanceProfile, associate(machine, &types.IamInstanceProfileSpecification{}), "MissingParameter", "The request must contain the parameter…")
	fails(t, i.b.AssociateIamInstanceProfile, associate(machine, byName("web")), "InvalidInstanceID.NotFound", "The instance ID '"+machine+"' does not exist")
	replace := func(id string) *ec2.ReplaceIamInstanceProfileAssociationInput {
		return &ec2.ReplaceIamInstanceProfileAssociationInput{AssociationId: &id, IamInstanceProfile: byName("web")}
	}
	remove := func(id string) *ec2.DisassociateIamInstanceProfileInput {
		return &ec2.DisassociateIamInstanceProfileInput{AssociationId: &id}
	}
	fails(t, i.a.ReplaceIamInstanceProfileAssociation, replace(none), "InvalidAssociationID.NotFound", missing(none))
	fails(t, i.a.ReplaceIamInstanceProfileAssociation, replace(bad), "InvalidAssociationID.Malformed", `Invalid id: "`+bad+`" (expecting "iip-assoc-...")`)
	fails(t, i.a.DisassociateIamInstanceProfile, remove(none), "InvalidAssociationID.NotFound", missing(none))
	fails(t, i.b.DisassociateIamInstanceProfile, remove(have), "InvalidAssociationID.NotFound", missing(have))
	fails(t, i.a.in(abroad).DisassociateIamInstanceProfile, remove(have), "InvalidAssociationID.NotFound", missing(have))
	fails(t, i.a.DescribeIamInstanceProfileAssociations, &ec2.DescribeIamInstanceProfileAssociationsInput{AssociationIds: []string{have, none}},
		"InvalidAssociationID.NotFound", missing(none))

	// Who gives an instance a role must have the right to hand it out.
	u := i.a.user(t, "alice", `{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`)
	pass := "You are not authorized to perform this operation. User: arn:aws:iam::" + string(i.a.id) +
		":user/alice is not authorized to perform: iam:PassRole on resource: arn:aws:iam::" + string(i.a.id) + ":role/web…"
	fails(t, u.ReplaceIamInstanceProfileAssociation, replace(have), "UnauthorizedOperation", pass)
	do(t, u.DisassociateIamInstanceProfile, remove(have))
	fails(t, u.AssociateIamInstanceProfile, associate(machine, byName("web")), "UnauthorizedOperation", pass)
	i.a.allow(t, "alice", `{"Effect":"Allow","Action":"ec2:AssociateIamInstanceProfile","Resource":"arn:aws:ec2:*:*:instance/*",
		"Condition":{"ArnLike":{"ec2:NewInstanceProfile":"arn:aws:iam::*:instance-profile/w*"}}},
		{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"ArnLike":{"iam:AssociatedResourceArn":"arn:aws:ec2:*:*:instance/`+machine+`"}}}`)
	do(t, u.AssociateIamInstanceProfile, associate(machine, byName("web")))
}
