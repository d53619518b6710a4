package kmsserver_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"origami"
)

// key makes a key and returns its ID and ARN.
func (x *installation) key(c *sdk.Client) (id, arn string) {
	x.t.Helper()
	out := must[*sdk.CreateKeyOutput](x.t)(c.CreateKey(x.t.Context(), nil))
	return *out.KeyMetadata.KeyId, *out.KeyMetadata.Arn
}

// The life of a key, as Terraform and people lead it.
//
//origami:proves kms:CreateKey kms:DescribeKey kms:EnableKey kms:DisableKey kms:UpdateKeyDescription
//origami:proves kms:ScheduleKeyDeletion kms:CancelKeyDeletion kms:ListKeys
func TestKeyLife(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, c := t.Context(), x.client(alice, east)
	made := must[*sdk.CreateKeyOutput](t)(c.CreateKey(ctx, &sdk.CreateKeyInput{
		Description: aws.String("first"),
		//lint:ignore SA1019 Terraform sends it
		CustomerMasterKeySpec: types.CustomerMasterKeySpecSymmetricDefault,
		KeyUsage:              types.KeyUsageTypeEncryptDecrypt, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}},
	})).KeyMetadata
	if *made.AWSAccountId != string(alice) || !made.Enabled || made.KeyState != types.KeyStateEnabled || *made.Description != "first" ||
		made.KeySpec != types.KeySpecSymmetricDefault || made.KeyManager != types.KeyManagerTypeCustomer || *made.MultiRegion ||
		made.Origin != types.OriginTypeAwsKms || made.MultiRegionConfiguration != nil || made.DeletionDate != nil ||
		*made.Arn != "arn:aws:kms:us-east-1:111111111111:key/"+*made.KeyId || len(*made.CurrentKeyMaterialId) != 64 {
		t.Errorf("got %+v", made)
	}
	describe := func(state types.KeyState) *types.KeyMetadata {
		t.Helper()
		out := must[*sdk.DescribeKeyOutput](t)(c.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: made.Arn})).KeyMetadata
		if out.KeyState != state || out.Enabled != (state == types.KeyStateEnabled) {
			t.Errorf("state: got %s, enabled %t, want %s", out.KeyState, out.Enabled, state)
		}
		return out
	}
	describe(types.KeyStateEnabled)
	must[*sdk.DisableKeyOutput](t)(c.DisableKey(ctx, &sdk.DisableKeyInput{KeyId: made.KeyId}))
	describe(types.KeyStateDisabled)
	_, err := c.Encrypt(ctx, &sdk.EncryptInput{KeyId: made.KeyId, Plaintext: []byte("x")})
	wantCode(t, "disabled", err, "DisabledException")
	if err != nil && !strings.Contains(err.Error(), *made.Arn+" is disabled.") {
		t.Errorf("disabled: got error %v", err)
	}
	must[*sdk.EnableKeyOutput](t)(c.EnableKey(ctx, &sdk.EnableKeyInput{KeyId: made.KeyId}))
	must[*sdk.UpdateKeyDescriptionOutput](t)(c.UpdateKeyDescription(ctx, &sdk.UpdateKeyDescriptionInput{KeyId: made.KeyId, Description: aws.String("")}))
	if got := describe(types.KeyStateEnabled); *got.Description != "" {
		t.Errorf("description: got %q, want none", *got.Description)
	}
	gone := must[*sdk.ScheduleKeyDeletionOutput](t)(c.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: made.KeyId, PendingWindowInDays: aws.Int32(7)}))
	if *gone.KeyId != *made.Arn || gone.KeyState != types.KeyStatePendingDeletion || *gone.PendingWindowInDays != 7 {
		t.Errorf("schedule: got %+v", gone)
	}
	if got := describe(types.KeyStatePendingDeletion); got.DeletionDate == nil || !got.DeletionDate.Equal(*gone.DeletionDate) {
		t.Errorf("deletion: got %v, want %v", got.DeletionDate, gone.DeletionDate)
	}
	_, err = c.EnableKey(ctx, &sdk.EnableKeyInput{KeyId: made.KeyId})
	wantCode(t, "enable while pending", err, "KMSInvalidStateException")
	kept := must[*sdk.CancelKeyDeletionOutput](t)(c.CancelKeyDeletion(ctx, &sdk.CancelKeyDeletionInput{KeyId: made.KeyId}))
	if *kept.KeyId != *made.Arn {
		t.Errorf("cancel: got %s", *kept.KeyId)
	}
	describe(types.KeyStateDisabled)
	must[*sdk.ScheduleKeyDeletionOutput](t)(c.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: made.KeyId}))
	x.pass(30)
	_, err = c.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: made.KeyId})
	wantCode(t, "destroyed", err, "NotFoundException")
	if all := must[*sdk.ListKeysOutput](t)(c.ListKeys(ctx, nil)); len(all.Keys) != 0 || all.Truncated {
		t.Errorf("keys: got %+v, want none", all)
	}
}

// TestPaging walks every list in pages of two.
//
//origami:proves kms:ListAliases kms:ListResourceTags kms:ListGrants
func TestPaging(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, c := t.Context(), x.client(alice, east)
	id, _ := x.key(c)
	for i := range 4 {
		x.key(c)
		n := string(rune('a' + i))
		must[*sdk.CreateAliasOutput](t)(c.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String("alias/" + n + "x"), TargetKeyId: &id}))
		must[*sdk.TagResourceOutput](t)(c.TagResource(ctx, &sdk.TagResourceInput{KeyId: &id, Tags: []types.Tag{{TagKey: &n, TagValue: &n}}}))
		must[*sdk.CreateGrantOutput](t)(c.CreateGrant(ctx, &sdk.CreateGrantInput{
			KeyId: &id, GranteePrincipal: aws.String("arn:aws:iam::222222222222:user/" + n), Operations: []types.GrantOperation{"Decrypt"},
		}))
	}
	two := aws.Int32(2)
	lists := map[string]struct {
		want int
		page func(marker *string) (int, *string, bool, error)
	}{
		"keys": {5, func(m *string) (int, *string, bool, error) {
			out, err := c.ListKeys(ctx, &sdk.ListKeysInput{Limit: two, Marker: m})
			if err != nil {
				return 0, nil, false, err
			}
			return len(out.Keys), out.NextMarker, out.Truncated, nil
		}},
		"aliases": {5, func(m *string) (int, *string, bool, error) { // with alias/aws/ebs
			out, err := c.ListAliases(ctx, &sdk.ListAliasesInput{Limit: two, Marker: m})
			if err != nil {
				return 0, nil, false, err
			}
			return len(out.Aliases), out.NextMarker, out.Truncated, nil
		}},
		"aliases of a key": {4, func(m *string) (int, *string, bool, error) {
			out, err := c.ListAliases(ctx, &sdk.ListAliasesInput{Limit: two, Marker: m, KeyId: &id})
			if err != nil {
				return 0, nil, false, err
			}
			return len(out.Aliases), out.NextMarker, out.Truncated, nil
		}},
		"tags": {4, func(m *string) (int, *string, bool, error) {
			out, err := c.ListResourceTags(ctx, &sdk.ListResourceTagsInput{Limit: two, Marker: m, KeyId: &id})
			if err != nil {
				return 0, nil, false, err
			}
			return len(out.Tags), out.NextMarker, out.Truncated, nil
		}},
		"grants": {4, func(m *string) (int, *string, bool, error) {
			out, err := c.ListGrants(ctx, &sdk.ListGrantsInput{Limit: two, Marker: m, KeyId: &id})
			if err != nil {
				return 0, nil, false, err
			}
			return len(out.Grants), out.NextMarker, out.Truncated, nil
		}},
	}
	for name, list := range lists {
		total, marker := 0, (*string)(nil)
		for pages := 0; ; pages++ {
			n, next, truncated, err := list.page(marker)
			if err != nil || n > 2 || truncated != (next != nil) || pages > 5 {
				t.Fatalf("%s, page %d: got %d, marker %v, truncated %t, %v", name, pages, n, next, truncated, err)
			}
			total += n
			if !truncated {
				break
			}
			marker = next
		}
		if total != list.want {
			t.Errorf("%s: got %d in all, want %d", name, total, list.want)
		}
		for _, bad := range []string{"x", "!", "MSBmaXNoIGE"} {
			_, _, _, err := list.page(&bad)
			wantCode(t, name+": marker "+bad, err, "InvalidMarkerException")
		}
	}
}

// Keys that are not symmetric are refused by name.
func TestCreateKeyRefusals(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	c := x.client(alice, east)
	tests := []struct {
		name string
		in   sdk.CreateKeyInput
		code string
	}{
		{"asymmetric", sdk.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify}, "UnsupportedOperationException"},
		{"asymmetric without usage", sdk.CreateKeyInput{KeySpec: types.KeySpecRsa2048}, "ValidationException"},
		{"MAC", sdk.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac}, "UnsupportedOperationException"},
		{"symmetric for signing", sdk.CreateKeyInput{KeyUsage: types.KeyUsageTypeSignVerify}, "ValidationException"},
		//lint:ignore SA1019 the two must not be there together
		{"both specs", sdk.CreateKeyInput{KeySpec: types.KeySpecSymmetricDefault, CustomerMasterKeySpec: types.CustomerMasterKeySpecSymmetricDefault}, "ValidationException"},
		{"imported", sdk.CreateKeyInput{Origin: types.OriginTypeExternal}, "UnsupportedOperationException"},
		{"custom store", sdk.CreateKeyInput{CustomKeyStoreId: aws.String("x")}, "UnsupportedOperationException"},
		{"policy that is no JSON", sdk.CreateKeyInput{Policy: aws.String("x")}, "MalformedPolicyDocumentException"},
		{"policy that shuts out", sdk.CreateKeyInput{Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"kms:*","Resource":"*"}]}`)}, "MalformedPolicyDocumentException"},
		{"policy for nobody", sdk.CreateKeyInput{Policy: policyOf(allow("arn:aws:iam::222222222222:user/nobody", `"kms:*"`, ""))}, "MalformedPolicyDocumentException"},
		{"long policy", sdk.CreateKeyInput{Policy: aws.String(strings.Repeat(" ", 40000))}, "LimitExceededException"},
		{"reserved tag", sdk.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("aws:x"), TagValue: aws.String("")}}}, "TagException"},
		{"tag twice", sdk.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("x"), TagValue: aws.String("")}, {TagKey: aws.String("x"), TagValue: aws.String("")}}}, "TagException"},
		{"long description", sdk.CreateKeyInput{Description: aws.String(strings.Repeat("x", 8193))}, "ValidationException"},
	}
	for _, tt := range tests {
		_, err := c.CreateKey(t.Context(), &tt.in)
		wantCode(t, tt.name, err, tt.code)
	}
	if all := must[*sdk.ListKeysOutput](t)(c.ListKeys(t.Context(), nil)); len(all.Keys) != 0 {
		t.Errorf("got %d keys, want none", len(all.Keys))
	}
}

// Two accounts and two regions do not see each other's keys and aliases.
func TestIsolation(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, mine := t.Context(), x.client(alice, east)
	id, arn := x.key(mine)
	must[*sdk.CreateAliasOutput](t)(mine.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: aws.String("alias/x"), TargetKeyId: &id}))
	for name, c := range map[string]*sdk.Client{"region": x.client(alice, west), "account": x.client(bob, east), "both": x.client(bob, west)} {
		if all := must[*sdk.ListKeysOutput](t)(c.ListKeys(ctx, nil)); len(all.Keys) != 0 {
			t.Errorf("other %s: got %d keys", name, len(all.Keys))
		}
		all := must[*sdk.ListAliasesOutput](t)(c.ListAliases(ctx, nil))
		if len(all.Aliases) != 1 || *all.Aliases[0].AliasName != "alias/aws/ebs" || all.Aliases[0].TargetKeyId != nil {
			t.Errorf("other %s: got aliases %+v", name, all.Aliases)
		}
		for _, ref := range []string{id, "alias/x"} {
			_, err := c.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: &ref})
			wantCode(t, "other "+name+": "+ref, err, "NotFoundException")
		}
	}
	_, err := x.client(bob, east).DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: &arn})
	wantCode(t, "ARN of another account", err, "AccessDeniedException")
	_, err = x.client(alice, west).DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: &arn})
	wantCode(t, "ARN of another region", err, "NotFoundException")
	if err != nil && !strings.Contains(err.Error(), "Invalid arn us-east-1") {
		t.Errorf("ARN of another region: got error %v", err)
	}
	for _, who := range []struct {
		account origami.AccountID
		region  origami.Region
	}{{alice, east}, {alice, west}, {bob, east}} {
		out := must[*sdk.DescribeKeyOutput](t)(x.client(who.account, who.region).DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: aws.String("alias/aws/ebs")}))
		if m := out.KeyMetadata; m.KeyManager != types.KeyManagerTypeAws || *m.AWSAccountId != string(who.account) || !strings.Contains(*m.Arn, string(who.region)) {
			t.Errorf("%v: got %+v", who, m)
		}
	}
}

// What the AWS CLI sends and gets, byte by byte.
func TestWire(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	status, kind, body := x.post("CreateKey", `{}`)
	var made struct {
		KeyMetadata struct {
			KeyID   string      `json:"KeyId"`
			Created json.Number `json:"CreationDate"`
		}
	}
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != 200 || kind != "" || made.KeyMetadata.Created == "" {
		t.Fatalf("got %d %s %s, %v", status, kind, body, err)
	}
	id := made.KeyMetadata.KeyID
	arn := "arn:aws:kms:us-east-1:111111111111:key/" + id
	tests := []struct {
		operation, body string
		status          int
		kind, want      string
	}{
		{"DescribeKey", `{"KeyId":"nope"}`, 400, "NotFoundException", `{"__type":"NotFoundException","message":"Invalid keyId 'nope'"}`},
		{"DescribeKey", ``, 400, "ValidationException",
			`{"__type":"ValidationException","message":"1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"}`},
		{"DescribeKey", `{"KeyId":"` + id + `","Foo":1}`, 400, "ValidationException", `{"__type":"ValidationException","message":"The parameter Foo is not recognized"}`},
		{"DescribeKey", `{"KeyId":5}`, 400, "SerializationException", `{"__type":"SerializationException","message":"NUMBER_VALUE can not be converted to a String"}`},
		{"DescribeKey", `KeyId=x`, 400, "SerializationException", `{"__type":"SerializationException","message":"The request body is not well-formed JSON."}`},
		{"Dance", `{}`, 400, "UnknownOperationException", `{"__type":"UnknownOperationException","message":"The operation \"Dance\" does not exist."}`},
		{"Sign", `{}`, 400, "UnsupportedOperationException",
			`{"__type":"UnsupportedOperationException","message":"The operation Sign is not supported by this service."}`},
		{"ListKeys", `{"Limit":1001}`, 400, "ValidationException",
			`{"__type":"ValidationException","message":"1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000"}`},
		{"ListKeys", `{}`, 200, "", `{"Keys":[{"KeyId":"` + id + `","KeyArn":"` + arn + `"}],"Truncated":false}`},
		{"DisableKey", `{"KeyId":"` + id + `"}`, 200, "", `{}`},
		{"Encrypt", `{"KeyId":"` + id + `","Plaintext":"eA=="}`, 400, "DisabledException", `{"__type":"DisabledException","message":"` + arn + ` is disabled."}`},
		{"GetKeyRotationStatus", `{"KeyId":"` + id + `"}`, 200, "", `{"KeyRotationEnabled":false,"KeyId":"` + id + `"}`},
		{"ListKeyPolicies", `{"KeyId":"` + id + `"}`, 200, "", `{"PolicyNames":["default"],"Truncated":false}`},
	}
	for _, tt := range tests {
		status, kind, body := x.post(tt.operation, tt.body)
		if status != tt.status || kind != tt.kind || body != tt.want {
			t.Errorf("%s %s:\ngot  %d %s %s\nwant %d %s %s", tt.operation, tt.body, status, kind, body, tt.status, tt.kind, tt.want)
		}
	}
}
