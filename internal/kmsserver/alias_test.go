package kmsserver_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

//origami:proves kms:CreateAlias kms:UpdateAlias kms:DeleteAlias kms:ListAliases
func TestAliases(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, c := t.Context(), x.client(alice, east)
	one, _ := x.key(c)
	two, _ := x.key(c)
	create := func(name, key string) error {
		_, err := c.CreateAlias(ctx, &sdk.CreateAliasInput{AliasName: &name, TargetKeyId: &key})
		return err
	}
	update := func(name, key string) error {
		_, err := c.UpdateAlias(ctx, &sdk.UpdateAliasInput{AliasName: &name, TargetKeyId: &key})
		return err
	}
	remove := func(name string) error {
		_, err := c.DeleteAlias(ctx, &sdk.DeleteAliasInput{AliasName: &name})
		return err
	}
	wantCode(t, "create", create("alias/a/b-c_d", one), "")
	wantCode(t, "another of the same key", create("alias/z", one), "")
	wantCode(t, "twice", create("alias/z", two), "AlreadyExistsException")
	for name, code := range map[string]string{
		"x": "InvalidAliasNameException", "alias/": "InvalidAliasNameException", "alias/aws/mine": "InvalidAliasNameException",
		"alias/a:b": "InvalidAliasNameException", "alias/a b": "ValidationException",
	} {
		wantCode(t, "create "+name, create(name, one), code)
	}
	wantCode(t, "of no key", create("alias/y", "00000000-0000-0000-0000-000000000000"), "NotFoundException")
	wantCode(t, "of an alias", create("alias/y", "alias/z"), "NotFoundException")
	target := func(name, want string) {
		t.Helper()
		out := must[*sdk.DescribeKeyOutput](t)(c.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: &name}))
		if *out.KeyMetadata.KeyId != want {
			t.Errorf("%s: got key %s, want %s", name, *out.KeyMetadata.KeyId, want)
		}
	}
	target("alias/z", one)
	x.pass(1)
	wantCode(t, "update", update("alias/z", two), "")
	target("alias/z", two)
	wantCode(t, "update what is not there", update("alias/none", two), "NotFoundException")
	all := must[*sdk.ListAliasesOutput](t)(c.ListAliases(ctx, &sdk.ListAliasesInput{KeyId: &two}))
	if len(all.Aliases) != 1 || *all.Aliases[0].AliasArn != "arn:aws:kms:us-east-1:111111111111:alias/z" || *all.Aliases[0].TargetKeyId != two ||
		!all.Aliases[0].LastUpdatedDate.After(*all.Aliases[0].CreationDate) {
		t.Errorf("list: got %+v", all.Aliases)
	}
	wantCode(t, "delete", remove("alias/z"), "")
	wantCode(t, "delete twice", remove("alias/z"), "NotFoundException")
	wantCode(t, "delete a reserved one", remove("alias/aws/ebs"), "InvalidAliasNameException")
}

//origami:proves kms:TagResource kms:UntagResource kms:ListResourceTags
func TestTags(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, c := t.Context(), x.client(alice, east)
	id, _ := x.key(c)
	put := func(tags ...string) error {
		in := &sdk.TagResourceInput{KeyId: &id}
		for i := 0; i < len(tags); i += 2 {
			in.Tags = append(in.Tags, types.Tag{TagKey: &tags[i], TagValue: &tags[i+1]})
		}
		_, err := c.TagResource(ctx, in)
		return err
	}
	wantCode(t, "put", put("a", "1", "b", "2"), "")
	wantCode(t, "overwrite", put("b", ""), "")
	wantCode(t, "reserved", put("aws:x", ""), "TagException")
	wantCode(t, "twice", put("x", "", "x", ""), "TagException")
	many := []string{}
	for i := range 49 {
		many = append(many, "k"+string(rune('A'+i)), "")
	}
	wantCode(t, "too many", put(many...), "LimitExceededException")
	_, err := c.UntagResource(ctx, &sdk.UntagResourceInput{KeyId: &id, TagKeys: []string{"a", "none"}})
	wantCode(t, "untag", err, "")
	out := must[*sdk.ListResourceTagsOutput](t)(c.ListResourceTags(ctx, &sdk.ListResourceTagsInput{KeyId: &id}))
	if len(out.Tags) != 1 || *out.Tags[0].TagKey != "b" || *out.Tags[0].TagValue != "" || out.Truncated {
		t.Errorf("got %+v", out)
	}
	_, err = x.client(bob, east).ListResourceTags(ctx, &sdk.ListResourceTagsInput{KeyId: &id})
	wantCode(t, "of another account", err, "NotFoundException")
}

//origami:proves kms:EnableKeyRotation kms:DisableKeyRotation kms:GetKeyRotationStatus kms:RotateKeyOnDemand kms:ListKeyRotations
func TestRotation(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, c := t.Context(), x.client(alice, east)
	id, _ := x.key(c)
	sealed := must[*sdk.EncryptOutput](t)(c.Encrypt(ctx, &sdk.EncryptInput{KeyId: &id, Plaintext: []byte("old")}))
	status := func() *sdk.GetKeyRotationStatusOutput {
		t.Helper()
		return must[*sdk.GetKeyRotationStatusOutput](t)(c.GetKeyRotationStatus(ctx, &sdk.GetKeyRotationStatusInput{KeyId: &id}))
	}
	if s := status(); s.KeyRotationEnabled || s.NextRotationDate != nil {
		t.Errorf("new key: got %+v", s)
	}
	_, err := c.EnableKeyRotation(ctx, &sdk.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: aws.Int32(89)})
	wantCode(t, "short period", err, "ValidationException")
	_, err = c.EnableKeyRotation(ctx, &sdk.EnableKeyRotationInput{KeyId: &id})
	wantCode(t, "enable", err, "")
	if s := status(); !s.KeyRotationEnabled || *s.RotationPeriodInDays != 365 || s.NextRotationDate == nil {
		t.Errorf("enabled: got %+v", s)
	}
	x.pass(365)
	_, err = c.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: &id})
	wantCode(t, "rotate", err, "")
	rotations := func(include types.IncludeKeyMaterial) []types.RotationsListEntry {
		t.Helper()
		var all []types.RotationsListEntry
		pages := sdk.NewListKeyRotationsPaginator(c, &sdk.ListKeyRotationsInput{KeyId: &id, Limit: aws.Int32(1), IncludeKeyMaterial: include})
		for pages.HasMorePages() {
			all = append(all, must[*sdk.ListKeyRotationsOutput](t)(pages.NextPage(ctx)).Rotations...)
		}
		return all
	}
	if all := rotations(""); len(all) != 2 || all[0].RotationType != types.RotationTypeAutomatic || all[1].RotationType != types.RotationTypeOnDemand {
		t.Errorf("rotations: got %+v", all)
	}
	if all := rotations(types.IncludeKeyMaterialAllKeyMaterial); len(all) != 3 || all[0].RotationDate != nil || all[2].KeyMaterialState != types.KeyMaterialStateCurrent {
		t.Errorf("materials: got %+v", all)
	}
	opened := must[*sdk.DecryptOutput](t)(c.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}))
	if string(opened.Plaintext) != "old" {
		t.Errorf("old ciphertext: got %q", opened.Plaintext)
	}
	_, err = c.DisableKeyRotation(ctx, &sdk.DisableKeyRotationInput{KeyId: &id})
	wantCode(t, "disable", err, "")
	if s := status(); s.KeyRotationEnabled {
		t.Errorf("disabled: got %+v", s)
	}
}

//origami:proves kms:ReplicateKey kms:UpdatePrimaryRegion
func TestMultiRegion(t *testing.T) {
	t.Parallel()
	x := newInstallation(t)
	ctx, here, there := t.Context(), x.client(alice, east), x.client(alice, west)
	plain, _ := x.key(here)
	made := must[*sdk.CreateKeyOutput](t)(here.CreateKey(ctx, &sdk.CreateKeyInput{MultiRegion: aws.Bool(true)})).KeyMetadata
	if !*made.MultiRegion || made.MultiRegionConfiguration.MultiRegionKeyType != types.MultiRegionKeyTypePrimary ||
		*made.MultiRegionConfiguration.PrimaryKey.Arn != *made.Arn || len(made.MultiRegionConfiguration.ReplicaKeys) != 0 {
		t.Fatalf("primary: got %+v", made)
	}
	id := made.KeyId
	replicate := func(key, region string) error {
		_, err := here.ReplicateKey(ctx, &sdk.ReplicateKeyInput{KeyId: &key, ReplicaRegion: &region})
		return err
	}
	must[*sdk.RotateKeyOnDemandOutput](t)(here.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: id}))
	wantCode(t, "of a single-Region key", replicate(plain, string(west)), "UnsupportedOperationException")
	wantCode(t, "to a region that is not served", replicate(*id, "mars-north-1"), "ValidationException")
	wantCode(t, "to its own region", replicate(*id, string(east)), "AlreadyExistsException")
	out := must[*sdk.ReplicateKeyOutput](t)(here.ReplicateKey(ctx, &sdk.ReplicateKeyInput{
		KeyId: id, ReplicaRegion: aws.String(string(west)), Description: aws.String("copy"), Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}},
	}))
	m := out.ReplicaKeyMetadata
	if *m.KeyId != *id || *m.Arn != "arn:aws:kms:eu-west-1:111111111111:key/"+*id || m.MultiRegionConfiguration.MultiRegionKeyType != types.MultiRegionKeyTypeReplica ||
		*m.MultiRegionConfiguration.PrimaryKey.Region != string(east) || len(out.ReplicaTags) != 1 || out.ReplicaPolicy == nil || *m.Description != "copy" {
		t.Errorf("replica: got %+v", m)
	}
	wantCode(t, "twice", replicate(*id, string(west)), "AlreadyExistsException")
	must[*sdk.RotateKeyOnDemandOutput](t)(here.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: id}))
	_, err := there.RotateKeyOnDemand(ctx, &sdk.RotateKeyOnDemandInput{KeyId: id})
	wantCode(t, "rotate a replica", err, "UnsupportedOperationException")
	for from, to := range map[*sdk.Client]*sdk.Client{here: there, there: here} {
		sealed := must[*sdk.EncryptOutput](t)(from.Encrypt(ctx, &sdk.EncryptInput{KeyId: id, Plaintext: []byte("x")}))
		opened := must[*sdk.DecryptOutput](t)(to.Decrypt(ctx, &sdk.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}))
		if string(opened.Plaintext) != "x" {
			t.Errorf("across regions: got %q", opened.Plaintext)
		}
	}
	_, err = here.UpdatePrimaryRegion(ctx, &sdk.UpdatePrimaryRegionInput{KeyId: id, PrimaryRegion: aws.String(string(west))})
	wantCode(t, "move the primary", err, "")
	_, err = here.UpdatePrimaryRegion(ctx, &sdk.UpdatePrimaryRegionInput{KeyId: id, PrimaryRegion: aws.String(string(west))})
	wantCode(t, "move it from a replica", err, "UnsupportedOperationException")

	// The primary waits for its replica.
	gone := must[*sdk.ScheduleKeyDeletionOutput](t)(there.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)}))
	if gone.KeyState != types.KeyStatePendingReplicaDeletion || gone.DeletionDate != nil {
		t.Errorf("primary: got %+v", gone)
	}
	must[*sdk.ScheduleKeyDeletionOutput](t)(here.ScheduleKeyDeletion(ctx, &sdk.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(10)}))
	x.pass(10)
	_, err = here.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: id})
	wantCode(t, "replica", err, "NotFoundException")
	last := must[*sdk.DescribeKeyOutput](t)(there.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: id})).KeyMetadata
	if last.KeyState != types.KeyStatePendingDeletion || last.DeletionDate == nil {
		t.Errorf("primary after its replica: got %+v", last)
	}
	x.pass(7)
	_, err = there.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: id})
	wantCode(t, "primary", err, "NotFoundException")
}
