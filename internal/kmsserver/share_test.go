package kmsserver_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// policyOf is a key policy that leaves all to alice's account, and has more
// statements.
func policyOf(statements ...string) *string {
	all := append([]string{`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"kms:*","Resource":"*"}`}, statements...)
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(all, ",") + `]}`)
}

func allow(principal, actions, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":[%s],"Resource":"*"%s}`, principal, actions, condition)
}

// What a key policy allows another account.
//
//origami:proves kms:PutKeyPolicy kms:GetKeyPolicy kms:ListKeyPolicies
func TestKeyPolicy(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, mine, theirs := t.Context(), x.client(alice, east), x.client(bob, east)
	id, arn := x.key(mine)
	sealed := must[*sdk.EncryptOutput](t)(mine.Encrypt(ctx, &sdk.EncryptInput{KeyId: &id, Plaintext: []byte("x"), EncryptionContext: map[string]string{"team": "red"}}))
	put := func(text *string) error {
		_, err := mine.PutKeyPolicy(ctx, &sdk.PutKeyPolicyInput{KeyId: &id, Policy: text, PolicyName: aws.String("default")})
		return err
	}
	open := func(c *sdk.Client) error {
		_, err := c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: map[string]string{"team": "red"}})
		return err
	}
	seal := func(c *sdk.Client) error {
		_, err := c.Encrypt(ctx, &sdk.EncryptInput{KeyId: &arn, Plaintext: []byte("x")})
		return err
	}
	const account, user = "arn:aws:iam::222222222222:root", "arn:aws:iam::222222222222:user/ann"
	denied := "AccessDeniedException"
	tests := []struct {
		name         string
		policy       *string
		opens, seals string // codes for the root of bob
		mine         string // code for alice to decrypt
	}{
		{"none", policyOf(), denied, denied, ""},
		{"account", policyOf(allow(account, `"kms:Decrypt"`, "")), "", denied, ""},
		{"account number", policyOf(allow("222222222222", `"kms:De*","kms:Encrypt"`, "")), "", "", ""},
		{"everybody", policyOf(allow("*", `"kms:*"`, "")), "", "", ""},
		{"a user", policyOf(allow(user, `"kms:*"`, "")), denied, denied, ""},
		{"condition that holds", policyOf(allow(account, `"kms:*"`, `{"StringEquals":{"kms:EncryptionContext:team":"red","kms:CallerAccount":"222222222222"}}`)), "", denied, ""},
		{"condition that does not", policyOf(allow(account, `"kms:*"`, `{"StringEquals":{"kms:CallerAccount":"333333333333"}}`)), denied, denied, ""},
		{"through EC2 only", policyOf(allow(account, `"kms:*"`, `{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}}`)), denied, denied, ""},
		{"denied", policyOf(allow(account, `"kms:*"`, ""), `{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`), denied, "", denied},
	}
	for _, tt := range tests {
		wantCode(t, tt.name+": put", put(tt.policy), "")
		wantCode(t, tt.name+": decrypt", open(theirs), tt.opens)
		wantCode(t, tt.name+": encrypt", seal(theirs), tt.seals)
		wantCode(t, tt.name+": decrypt by the owner", open(mine), tt.mine)
		got := must[*sdk.GetKeyPolicyOutput](t)(mine.GetKeyPolicy(ctx, &sdk.GetKeyPolicyInput{KeyId: &id}))
		if *got.Policy != *tt.policy || *got.PolicyName != "default" {
			t.Errorf("%s: got policy %s %s", tt.name, *got.PolicyName, *got.Policy)
		}
	}
	wantCode(t, "put for all", put(policyOf()), "")
	_, err := mine.GetKeyPolicy(ctx, &sdk.GetKeyPolicyInput{KeyId: &id, PolicyName: aws.String("other")})
	wantCode(t, "policy of another name", err, "NotFoundException")
	names := must[*sdk.ListKeyPoliciesOutput](t)(mine.ListKeyPolicies(ctx, &sdk.ListKeyPoliciesInput{KeyId: &id}))
	if len(names.PolicyNames) != 1 || names.PolicyNames[0] != "default" || names.Truncated {
		t.Errorf("names of policies: got %+v", names)
	}
	shut := aws.String(`{"Version":"2012-10-17","Statement":[` + allow(account, `"kms:*"`, "") + `]}`)
	err = put(shut)
	wantCode(t, "lock-out", err, "MalformedPolicyDocumentException")
	if err != nil && !strings.Contains(err.Error(), "The new key policy will not allow you to update the key policy in the future.") {
		t.Errorf("lock-out: got error %v", err)
	}
	_, err = mine.PutKeyPolicy(ctx, &sdk.PutKeyPolicyInput{KeyId: &id, Policy: shut, BypassPolicyLockoutSafetyCheck: true})
	wantCode(t, "lock-out on purpose", err, "")
	wantCode(t, "locked out", open(mine), denied)
	wantCode(t, "put while locked out", put(policyOf()), denied)
	_, err = theirs.PutKeyPolicy(ctx, &sdk.PutKeyPolicyInput{KeyId: &arn, Policy: policyOf()})
	wantCode(t, "put by another account", err, denied)
}

// A user of the key's account needs a policy of its own, or to be named.
func TestUsers(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, mine, ann := t.Context(), x.client(alice, east), x.user(alice, "ann")
	id, _ := x.key(mine)
	seal := func() error {
		_, err := ann.Encrypt(ctx, &sdk.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
		return err
	}
	err := seal()
	wantCode(t, "not named", err, "AccessDeniedException")
	if err != nil && !strings.Contains(err.Error(), "because no identity-based policy allows the kms:Encrypt action") {
		t.Errorf("not named: got error %v", err)
	}
	_, err = mine.PutKeyPolicy(ctx, &sdk.PutKeyPolicyInput{KeyId: &id, Policy: policyOf(allow("arn:aws:iam::111111111111:user/ann", `"kms:Encrypt"`, ""))})
	wantCode(t, "put", err, "")
	wantCode(t, "named", seal(), "")
	_, err = ann.CreateKey(ctx, nil)
	wantCode(t, "create", err, "AccessDeniedException")
}

//origami:proves kms:CreateGrant kms:ListGrants kms:ListRetirableGrants kms:RevokeGrant kms:RetireGrant
func TestGrants(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, mine, theirs, ann := t.Context(), x.client(alice, east), x.client(bob, east), x.user(bob, "ann")
	id, arn := x.key(mine)
	red := map[string]string{"team": "red", "more": "x"}
	sealed := must[*sdk.EncryptOutput](t)(mine.Encrypt(ctx, &sdk.EncryptInput{KeyId: &id, Plaintext: []byte("x"), EncryptionContext: red}))
	open := func(c *sdk.Client) error {
		_, err := c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: red})
		return err
	}
	const annARN, bobARN = "arn:aws:iam::222222222222:user/ann", "arn:aws:iam::222222222222:root"
	in := &sdk.CreateGrantInput{
		KeyId: &id, GranteePrincipal: aws.String(annARN), RetiringPrincipal: aws.String(bobARN), Name: aws.String("g"),
		Operations: []types.GrantOperation{"Decrypt", "CreateGrant"}, Constraints: &types.GrantConstraints{EncryptionContextSubset: map[string]string{"team": "red"}},
	}
	wantCode(t, "before", open(ann), "AccessDeniedException")
	first := must[*sdk.CreateGrantOutput](t)(mine.CreateGrant(ctx, in))
	again := must[*sdk.CreateGrantOutput](t)(mine.CreateGrant(ctx, in))
	if *first.GrantId != *again.GrantId || len(*first.GrantId) != 64 {
		t.Errorf("same name and parameters: got grants %s and %s", *first.GrantId, *again.GrantId)
	}
	wantCode(t, "granted", open(ann), "")
	wantCode(t, "to another of the account", open(theirs), "AccessDeniedException")
	_, err := ann.Encrypt(ctx, &sdk.EncryptInput{KeyId: &arn, Plaintext: []byte("x"), EncryptionContext: red})
	wantCode(t, "operation that was not granted", err, "AccessDeniedException")
	blue := must[*sdk.EncryptOutput](t)(mine.Encrypt(ctx, &sdk.EncryptInput{KeyId: &id, Plaintext: []byte("x"), EncryptionContext: map[string]string{"team": "blue"}}))
	_, err = ann.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: blue.CiphertextBlob, EncryptionContext: map[string]string{"team": "blue"}})
	wantCode(t, "context outside of the constraint", err, "AccessDeniedException")
	_, err = ann.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: red, GrantTokens: []string{*first.GrantToken}})
	wantCode(t, "with its token", err, "")
	_, err = x.client(alice, west).RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: first.GrantToken})
	wantCode(t, "token of another region", err, "InvalidGrantTokenException")

	grantOn := func(ops []types.GrantOperation, c *types.GrantConstraints) (*sdk.CreateGrantOutput, error) {
		return ann.CreateGrant(ctx, &sdk.CreateGrantInput{KeyId: &arn, GranteePrincipal: aws.String(bobARN), Operations: ops, Constraints: c})
	}
	_, err = grantOn([]types.GrantOperation{"Decrypt"}, nil)
	wantCode(t, "grant on without the constraint", err, "AccessDeniedException")
	_, err = grantOn([]types.GrantOperation{"Encrypt"}, in.Constraints)
	wantCode(t, "grant on what was not granted", err, "AccessDeniedException")
	_, err = grantOn([]types.GrantOperation{"Decrypt"}, &types.GrantConstraints{EncryptionContextEquals: red})
	wantCode(t, "grant on with a stricter constraint", err, "")
	wantCode(t, "granted on", open(theirs), "")

	list := must[*sdk.ListGrantsOutput](t)(mine.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: &id, GranteePrincipal: aws.String(annARN)}))
	if len(list.Grants) != 1 || *list.Grants[0].GrantId != *first.GrantId || *list.Grants[0].KeyId != arn || *list.Grants[0].Name != "g" ||
		list.Grants[0].Constraints.EncryptionContextSubset["team"] != "red" || len(list.Grants[0].Operations) != 2 ||
		*list.Grants[0].IssuingAccount != "arn:aws:iam::111111111111:root" || *list.Grants[0].RetiringPrincipal != bobARN {
		t.Errorf("list: got %+v", list.Grants)
	}
	retirable := must[*sdk.ListRetirableGrantsOutput](t)(theirs.ListRetirableGrants(ctx, &sdk.ListRetirableGrantsInput{RetiringPrincipal: aws.String(bobARN)}))
	if len(retirable.Grants) != 1 || *retirable.Grants[0].GrantId != *first.GrantId {
		t.Errorf("retirable: got %+v", retirable.Grants)
	}
	_, err = mine.ListRetirableGrants(ctx, &sdk.ListRetirableGrantsInput{RetiringPrincipal: aws.String(bobARN)})
	wantCode(t, "retirable by another account", err, "AccessDeniedException")
	_, err = ann.RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: first.GrantToken})
	wantCode(t, "retire by the grantee, not granted", err, "AccessDeniedException")
	_, err = theirs.RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: first.GrantToken, DryRun: aws.Bool(true)})
	wantCode(t, "retire, dry run", err, "DryRunOperationException")
	wantCode(t, "after the dry run", open(ann), "")
	_, err = theirs.RetireGrant(ctx, &sdk.RetireGrantInput{KeyId: &arn, GrantId: first.GrantId})
	wantCode(t, "retire", err, "")
	wantCode(t, "retired", open(ann), "AccessDeniedException")
	_, err = theirs.RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: first.GrantToken})
	wantCode(t, "retire twice", err, "NotFoundException")
	for _, g := range must[*sdk.ListGrantsOutput](t)(mine.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: &id})).Grants {
		_, err := theirs.RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: &arn, GrantId: g.GrantId})
		wantCode(t, "revoke by another account", err, "AccessDeniedException")
		_, err = mine.RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: &id, GrantId: g.GrantId})
		wantCode(t, "revoke", err, "")
		_, err = mine.RevokeGrant(ctx, &sdk.RevokeGrantInput{KeyId: &id, GrantId: g.GrantId})
		wantCode(t, "revoke twice", err, "InvalidGrantIdException")
	}
	wantCode(t, "revoked", open(theirs), "AccessDeniedException")
}

func TestGrantRefusals(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, c := t.Context(), x.client(alice, east)
	id, arn := x.key(c)
	good := "arn:aws:iam::222222222222:user/ann"
	both := &types.GrantConstraints{EncryptionContextEquals: map[string]string{"a": "b"}, EncryptionContextSubset: map[string]string{"a": "b"}}
	tests := []struct {
		name string
		in   sdk.CreateGrantInput
		code string
	}{
		{"no principal", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: aws.String("ann"), Operations: []types.GrantOperation{"Decrypt"}}, "InvalidArnException"},
		{"no account", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: aws.String("arn:aws:iam::999999999999:root"), Operations: []types.GrantOperation{"Decrypt"}}, "InvalidArnException"},
		{"no user", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: aws.String("arn:aws:iam::222222222222:user/nobody"), Operations: []types.GrantOperation{"Decrypt"}}, "InvalidArnException"},
		{"group", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: aws.String("arn:aws:iam::222222222222:group/x"), Operations: []types.GrantOperation{"Decrypt"}}, "InvalidArnException"},
		{"no operation", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: &good, Operations: []types.GrantOperation{}}, "ValidationException"},
		{"operation of other keys", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: &good, Operations: []types.GrantOperation{"Sign"}}, "ValidationException"},
		{"unknown operation", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: &good, Operations: []types.GrantOperation{"Dance"}}, "ValidationException"},
		{"two constraints", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: &good, Operations: []types.GrantOperation{"Decrypt"}, Constraints: both}, "ValidationException"},
		{"constraint on nothing", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: &good, Operations: []types.GrantOperation{"DescribeKey"},
			Constraints: &types.GrantConstraints{EncryptionContextEquals: map[string]string{"a": "b"}}}, "ValidationException"},
		{"alias", sdk.CreateGrantInput{KeyId: aws.String("alias/x"), GranteePrincipal: &good, Operations: []types.GrantOperation{"Decrypt"}}, "NotFoundException"},
		{"dry run", sdk.CreateGrantInput{KeyId: &id, GranteePrincipal: &good, Operations: []types.GrantOperation{"Decrypt"}, DryRun: aws.Bool(true)}, "DryRunOperationException"},
	}
	for _, tt := range tests {
		_, err := c.CreateGrant(ctx, &tt.in)
		wantCode(t, tt.name, err, tt.code)
	}
	for name, in := range map[string]sdk.RetireGrantInput{
		"nothing": {}, "key without grant": {KeyId: &arn}, "grant without key": {GrantId: aws.String("x")},
		"token and grant": {GrantToken: aws.String("x"), KeyId: &arn, GrantId: aws.String("x")},
	} {
		_, err := c.RetireGrant(ctx, &in)
		wantCode(t, "retire "+name, err, "ValidationException")
	}
	_, err := c.RetireGrant(ctx, &sdk.RetireGrantInput{GrantToken: aws.String("x")})
	wantCode(t, "retire by a bad token", err, "InvalidGrantTokenException")
	_, err = c.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: &id, GrantId: aws.String("x")})
	wantCode(t, "list a grant that is not there", err, "InvalidGrantIdException")
	if all := must[*sdk.ListGrantsOutput](t)(c.ListGrants(ctx, &sdk.ListGrantsInput{KeyId: &id})); len(all.Grants) != 0 {
		t.Errorf("got %d grants, want none", len(all.Grants))
	}
}
