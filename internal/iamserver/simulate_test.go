package iamserver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
)

// simulated writes results, one a line.
func simulated(results []types.EvaluationResult) string {
	var lines []string
	for _, r := range results {
		line := fmt.Sprintf("%s %s %s", *r.EvalActionName, *r.EvalResourceName, r.EvalDecision)
		for _, m := range r.MatchedStatements {
			line += fmt.Sprintf(" %s(%s)%d:%d-%d:%d", *m.SourcePolicyId, m.SourcePolicyType, m.StartPosition.Line, m.StartPosition.Column, m.EndPosition.Line, m.EndPosition.Column)
		}
		if len(r.MissingContextValues) > 0 {
			line += " missing " + strings.Join(r.MissingContextValues, ",")
		}
		if r.PermissionsBoundaryDecisionDetail != nil {
			line += fmt.Sprintf(" boundary %t", r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary)
		}
		if r.EvalDecisionDetails != nil {
			line += fmt.Sprintf(" %v", r.EvalDecisionDetails)
		}
		for _, s := range r.ResourceSpecificResults {
			line += fmt.Sprintf(" of %s %s", *s.EvalResourceName, s.EvalResourceDecision)
			if len(s.MatchedStatements) != len(r.MatchedStatements) {
				line += " otherwise"
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func entry(name string, kind types.ContextKeyTypeEnum, values ...string) types.ContextEntry {
	return types.ContextEntry{ContextKeyName: &name, ContextKeyType: kind, ContextKeyValues: values}
}

// TestSimulateCustomPolicy asks policies that nobody has.
//
//origami:proves iam:SimulateCustomPolicy iam:GetContextKeysForCustomPolicy
func TestSimulateCustomPolicy(t *testing.T) {
	t.Parallel()
	i := open(t)
	c := i.a
	const first = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*","Condition":{"StringEquals":{"ec2:Region":"eu-west-1"}}}}`
	const second = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},
{"Effect":"Deny","Action":"ec2:Delete*","Resource":"arn:aws:ec2:*:*:volume/${aws:username}"}]}`
	volume := "arn:aws:ec2:eu-west-1:" + string(c.account) + ":volume/"
	user, other := "arn:aws:iam::"+string(c.account)+":user/u", "arn:aws:iam::"+string(i.b.account)+":user/u"
	const resource = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"kms:Decrypt","Resource":"*"}}`
	for _, tt := range []struct {
		name string
		in   sdk.SimulateCustomPolicyInput
		want string
	}{
		{"no keys", sdk.SimulateCustomPolicyInput{PolicyInputList: []string{first}, ActionNames: []string{"ec2:RunInstances", "iam:GetUser"}},
			"ec2:RunInstances * implicitDeny missing ec2:Region\niam:GetUser * implicitDeny"},
		{"allowed and denied", sdk.SimulateCustomPolicyInput{PolicyInputList: []string{first, second}, ActionNames: []string{"ec2:DeleteVolume"}, ResourceArns: []string{volume + "a", volume + "b"},
			ContextEntries: []types.ContextEntry{entry("ec2:region", "string", "eu-west-1"), entry("aws:username", "string", "a")}},
			"ec2:DeleteVolume " + volume + "a explicitDeny PolicyInputList.2(IAM Policy)2:1-2:93 map[] of " + volume + "a explicitDeny\n" +
				"ec2:DeleteVolume " + volume + "b allowed PolicyInputList.1(IAM Policy)1:37-1:143 map[] of " + volume + "b allowed"},
		{"boundary", sdk.SimulateCustomPolicyInput{PolicyInputList: []string{second}, PermissionsBoundaryPolicyInputList: []string{first}, ActionNames: []string{"s3:GetObject"}},
			"s3:GetObject * implicitDeny PolicyInputList.1(IAM Policy)1:38-1:87 boundary false"},
		{"resource policy", sdk.SimulateCustomPolicyInput{PolicyInputList: []string{first}, ActionNames: []string{"kms:Decrypt"}, ResourcePolicy: aws.String(fmt.Sprintf(resource, user)), CallerArn: &user},
			"kms:Decrypt * allowed ResourcePolicy(Resource Policy)1:37-1:" + fmt.Sprint(len(fmt.Sprintf(resource, user)))},
		{"resource of another account", sdk.SimulateCustomPolicyInput{PolicyInputList: []string{first}, ActionNames: []string{"kms:Decrypt"}, ResourcePolicy: aws.String(fmt.Sprintf(resource, user)), CallerArn: &user,
			ResourceOwner: aws.String("arn:aws:iam::" + string(i.b.account) + ":root"), ResourceArns: []string{"arn:aws:kms:::key/k"}},
			"kms:Decrypt arn:aws:kms:::key/k implicitDeny ResourcePolicy(Resource Policy)1:37-1:" + fmt.Sprint(len(fmt.Sprintf(resource, user))) +
				" map[IAM Policy:implicitDeny Resource Policy:allowed] of arn:aws:kms:::key/k implicitDeny"},
		{"resource policy about another", sdk.SimulateCustomPolicyInput{PolicyInputList: []string{first}, ActionNames: []string{"kms:Decrypt"}, ResourcePolicy: aws.String(fmt.Sprintf(resource, user)), CallerArn: &other},
			"kms:Decrypt * implicitDeny"},
	} {
		out, err := c.SimulateCustomPolicy(t.Context(), &tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, simulated(out.EvaluationResults)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for want, in := range map[string]sdk.SimulateCustomPolicyInput{
		"MalformedPolicyDocument": {PolicyInputList: []string{`{}`}, ActionNames: []string{"ec2:RunInstances"}},
		"InvalidInput":            {PolicyInputList: []string{first}, ActionNames: []string{"ec2:Run*"}},
		"InvalidInput ":           {PolicyInputList: []string{first}, ActionNames: []string{"kms:Decrypt"}, ResourcePolicy: aws.String(fmt.Sprintf(resource, user))},
		"InvalidInput  ":          {PolicyInputList: []string{first}, ActionNames: []string{"kms:Decrypt"}, ContextEntries: []types.ContextEntry{entry("ec2:Region", "string", "a", "b")}},
		"ValidationError":         {PolicyInputList: []string{first}, ActionNames: []string{"kms:Decrypt"}, ContextEntries: []types.ContextEntry{entry("ec2:Region", "text", "a")}},
	} {
		if _, err := c.SimulateCustomPolicy(t.Context(), &in); code(err) != strings.TrimSpace(want) {
			t.Errorf("got error %v, want %s", err, want)
		}
	}
	launch := sdk.SimulateCustomPolicyInput{PolicyInputList: []string{second}, ActionNames: []string{"ec2:RunInstances"}, ResourceHandlingOption: aws.String("EC2-VPC-EBS")}
	for _, kind := range []string{"instance", "image", "security-group", "network-interface", "volume"} {
		if _, err := c.SimulateCustomPolicy(t.Context(), &launch); code(err) != "InvalidInput" || !strings.HasSuffix(err.Error(), "of the type "+kind+".") {
			t.Errorf("without %s: got error %v", kind, err)
		}
		launch.ResourceArns = append(launch.ResourceArns, "arn:aws:ec2:eu-west-1:"+string(c.account)+":"+kind+"/*")
	}
	if out, err := c.SimulateCustomPolicy(t.Context(), &launch); err != nil || len(out.EvaluationResults) != 5 {
		t.Errorf("with all resources: got %+v, %v", out, err)
	}
	launch.ResourceHandlingOption = aws.String("EC2")
	if _, err := c.SimulateCustomPolicy(t.Context(), &launch); code(err) != "ValidationError" {
		t.Errorf("with an unknown scenario: got error %v", err)
	}
	one := sdk.SimulateCustomPolicyInput{PolicyInputList: []string{second}, ActionNames: []string{"s3:A", "s3:B", "s3:C"}, MaxItems: aws.Int32(2)}
	page, err := c.SimulateCustomPolicy(t.Context(), &one)
	if err != nil || len(page.EvaluationResults) != 2 || !page.IsTruncated {
		t.Fatalf("got %+v, %v, want two of three", page, err)
	}
	one.Marker = page.Marker
	if page, err = c.SimulateCustomPolicy(t.Context(), &one); err != nil || len(page.EvaluationResults) != 1 || *page.EvaluationResults[0].EvalActionName != "s3:C" {
		t.Errorf("got %+v, %v, want the third", page, err)
	}
	keys, err := c.GetContextKeysForCustomPolicy(t.Context(), &sdk.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{first, second}})
	if want := []string{"aws:username", "ec2:Region"}; err != nil || !cmp.Equal(keys.ContextKeyNames, want) {
		t.Errorf("got keys %+v, %v, want %v", keys, err, want)
	}
}

// TestSimulatePrincipalPolicy asks the policies of a user, with those of its
// group and its boundary, and agrees with what enforces them.
//
//origami:proves iam:SimulatePrincipalPolicy iam:GetContextKeysForPrincipalPolicy
func TestSimulatePrincipalPolicy(t *testing.T) {
	t.Parallel()
	i := open(t)
	c, ctx := i.a, t.Context()
	step := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	policy := func(effect, action string) *string {
		return aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"` + effect + `","Action":"` + action + `","Resource":"*","Condition":{"StringNotEquals":{"aws:SourceVpc":"x"}}}}`)
	}
	step(c.CreateUser(ctx, &sdk.CreateUserInput{UserName: aws.String("u")}))
	step(c.CreateGroup(ctx, &sdk.CreateGroupInput{GroupName: aws.String("g")}))
	step(c.AddUserToGroup(ctx, &sdk.AddUserToGroupInput{UserName: aws.String("u"), GroupName: aws.String("g")}))
	step(c.PutGroupPolicy(ctx, &sdk.PutGroupPolicyInput{GroupName: aws.String("g"), PolicyName: aws.String("p"), PolicyDocument: policy("Deny", "ec2:Delete*")}))
	step(c.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: aws.String("u"), PolicyArn: aws.String("arn:aws:iam::aws:policy/AmazonEC2FullAccess")}))
	step(c.PutUserPermissionsBoundary(ctx, &sdk.PutUserPermissionsBoundaryInput{UserName: aws.String("u"), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/AmazonEC2FullAccess")}))
	step(c.PutUserPolicy(ctx, &sdk.PutUserPolicyInput{UserName: aws.String("u"), PolicyName: aws.String("q"), PolicyDocument: policy("Allow", "s3:*")}))
	source := "arn:aws:iam::" + string(c.account) + ":user/u"
	in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: []string{"ec2:RunInstances", "ec2:DeleteVolume", "s3:GetObject"}}
	out, err := c.SimulatePrincipalPolicy(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	want := `ec2:RunInstances * allowed AmazonEC2FullAccess(IAM Policy)1:38-1:88 AmazonEC2FullAccess(IAM Policy)1:38-1:88 boundary true
ec2:DeleteVolume * explicitDeny group_g_p(IAM Policy)1:37-1:146 missing aws:SourceVpc boundary true
s3:GetObject * implicitDeny user_u_q(IAM Policy)1:37-1:140 missing aws:SourceVpc boundary false`
	if diff := cmp.Diff(want, simulated(out.EvaluationResults)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	in.PolicyInputList = []string{*policy("Deny", "ec2:*")}
	if out, err = c.SimulatePrincipalPolicy(ctx, in); err != nil || out.EvaluationResults[0].EvalDecision != "explicitDeny" {
		t.Errorf("with another policy: got %+v, %v", out, err)
	}
	keys, err := c.GetContextKeysForPrincipalPolicy(ctx, &sdk.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: &source})
	if want := []string{"aws:SourceVpc"}; err != nil || !cmp.Equal(keys.ContextKeyNames, want) {
		t.Errorf("got keys %+v, %v, want %v", keys, err, want)
	}
	for arn, want := range map[string]string{
		source + "x": "NoSuchEntity", "arn:aws:iam::" + string(i.b.account) + ":user/u": "NoSuchEntity",
		"arn:aws:iam::" + string(c.account) + ":policy/u": "InvalidInput", "xxxxxxxxxxxxxxxxxxxxxxxxx": "InvalidInput",
	} {
		in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &arn, ActionNames: []string{"ec2:RunInstances"}}
		if _, err := c.SimulatePrincipalPolicy(ctx, in); code(err) != want {
			t.Errorf("%s: got error %v, want %s", arn, err, want)
		}
	}
}
