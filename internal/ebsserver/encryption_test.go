package ebsserver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
	"origami/internal/kms"
)

// caller is the root of an account.
func (a account) caller(region origami.Region) origami.Caller {
	return origami.Caller{Account: a.id, Region: region, ARN: a.i.principal(a.id)}
}

// newKey makes a customer key of the account, with which others may do actions.
func (a account) newKey(t testing.TB, region origami.Region, actions string, others ...account) *string {
	t.Helper()
	allowed := []string{fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"}`, a.id)}
	for _, o := range others {
		allowed = append(allowed, fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":[%s],"Resource":"*"}`, o.id, actions))
	}
	k, err := a.i.kms.CreateKey(t.Context(), kms.Access{Caller: a.caller(region)},
		kms.NewKey{Policy: `{"Version":"2012-10-17","Statement":[` + strings.Join(allowed, ",") + `]}`})
	if err != nil {
		t.Fatal(err)
	}
	return p(k.ARN())
}

// enable switches a key of the account on or off.
func (a account) enable(t testing.TB, key *string, on bool) {
	t.Helper()
	f := a.i.kms.DisableKey
	if on {
		f = a.i.kms.EnableKey
	}
	if err := f(t.Context(), kms.Access{Caller: a.caller(home)}, *key); err != nil {
		t.Fatal(err)
	}
}

// managedKey is the ARN of the key that EBS has in the account.
func (a account) managedKey(t testing.TB) *string {
	t.Helper()
	return do(t, a.ec2(home).ResetEbsDefaultKmsKeyId, &ec2.ResetEbsDefaultKmsKeyIdInput{}).KmsKeyId
}

const useKey = `"kms:Decrypt","kms:DescribeKey","kms:CreateGrant","kms:ReEncrypt*","kms:GenerateDataKey*"`

// TestEncryptedStart starts snapshots by all rows of the table in the guide.
//
//origami:proves ebs:StartSnapshot S83
func TestEncryptedStart(t *testing.T) {
	t.Parallel()
	i := start(t)
	c := i.a.blocks(home)
	given, own, chosen := i.a.newKey(t, home, ""), i.a.newKey(t, home, ""), i.a.newKey(t, home, "")
	managed := i.a.managedKey(t)
	plain := i.a.make(t, nil, nil)
	encrypted := i.a.complete(t, i.a.started(t, &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), KmsKeyArn: own}).SnapshotId, nil)
	byDefault := func(on bool) {
		if on {
			do(t, i.a.ec2(home).EnableEbsEncryptionByDefault, &ec2.EnableEbsEncryptionByDefaultInput{})
		} else {
			do(t, i.a.ec2(home).DisableEbsEncryptionByDefault, &ec2.DisableEbsEncryptionByDefaultInput{})
		}
	}
	const bad, badKey = "ValidationException/INVALID_PARAMETER_VALUE", "ValidationException/INVALID_CUSTOMER_KEY"
	yes, no := p(true), p(false)
	type row struct {
		parent    *string
		encrypted *bool
		key       *string
		// The key or the error with encryption by default off and on; "" for
		// an unencrypted snapshot.
		off, on string
	}
	check := func(def *string) {
		for _, tt := range []row{
			{plain, nil, nil, "", badKey},
			{plain, nil, given, bad, bad},
			{plain, yes, nil, bad, bad},
			{plain, no, nil, bad, bad},
			{encrypted, nil, nil, *own, *own},
			{encrypted, nil, given, bad, bad},
			{encrypted, nil, own, bad, bad},
			{encrypted, yes, nil, bad, bad},
			{encrypted, no, nil, bad, bad},
			{nil, yes, nil, *def, *def},
			{nil, yes, given, *given, *given},
			{nil, nil, nil, "", *def},
			{nil, nil, given, *given, *given},
			{nil, no, nil, "", bad},
			{nil, no, given, bad, bad},
		} {
			for _, on := range []bool{false, true} {
				byDefault(on)
				want := tt.off
				if on {
					want = tt.on
				}
				what := fmt.Sprintf("parent %s, encrypted %v, key %s, by default %v", aws.ToString(tt.parent), tt.encrypted, aws.ToString(tt.key), on)
				out, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{
					VolumeSize: p(int64(1)), ParentSnapshotId: tt.parent, Encrypted: tt.encrypted, KmsKeyArn: tt.key,
				})
				if strings.HasPrefix(want, "ValidationException") {
					wants(t, what, err, want)
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", what, err)
					continue
				}
				sse := types.SSETypeNone
				if want != "" {
					sse = types.SSETypeSseKms
				}
				if aws.ToString(out.KmsKeyArn) != want || out.SseType != sse {
					t.Errorf("%s: key %q, %s, want key %q", what, aws.ToString(out.KmsKeyArn), out.SseType, want)
				}
				snap := do(t, i.a.ec2(home).DescribeSnapshots, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*out.SnapshotId}}).Snapshots[0]
				if *snap.Encrypted != (want != "") || aws.ToString(snap.KmsKeyId) != want {
					t.Errorf("%s: EC2 describes encrypted %v with key %q", what, *snap.Encrypted, aws.ToString(snap.KmsKeyId))
				}
			}
		}
	}
	check(managed)
	do(t, i.a.ec2(home).ModifyEbsDefaultKmsKeyId, &ec2.ModifyEbsDefaultKmsKeyIdInput{KmsKeyId: chosen})
	check(chosen)
}

// started starts a snapshot.
func (a account) started(t testing.TB, in *sdk.StartSnapshotInput) *sdk.StartSnapshotOutput {
	t.Helper()
	out, err := a.blocks(home).StartSnapshot(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// complete writes blocks into a pending snapshot and completes it.
func (a account) complete(t testing.TB, id *string, blocks map[int32][]byte) *string {
	t.Helper()
	c := a.blocks(home)
	for n, b := range blocks {
		if _, err := c.PutSnapshotBlock(t.Context(), putInput(id, n, b)); err != nil {
			t.Fatal(err)
		}
	}
	a.declare(t, id, len(blocks))
	if state, message := a.ended(t, id); state != origami.SnapshotCompleted {
		t.Fatalf("%s is %s: %s", *id, state, message)
	}
	return id
}

func (a account) declare(t testing.TB, id *string, blocks int) {
	t.Helper()
	_, err := a.blocks(home).CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{SnapshotId: id, ChangedBlocksCount: p(int32(blocks))})
	if err != nil {
		t.Fatal(err)
	}
}

// holds reads every block of a snapshot through the direct APIs.
func (a account) holds(t testing.TB, id *string, want map[int32][]byte) {
	t.Helper()
	c := a.blocks(home)
	list, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: id})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Blocks) != len(want) {
		t.Errorf("%s has %d blocks, want %d", *id, len(list.Blocks), len(want))
	}
	for _, b := range list.Blocks {
		out, err := c.GetSnapshotBlock(t.Context(), &sdk.GetSnapshotBlockInput{SnapshotId: id, BlockIndex: b.BlockIndex, BlockToken: b.BlockToken})
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, out.BlockData); !bytes.Equal(got, want[*b.BlockIndex]) || *out.Checksum != *checksum(got) {
			t.Errorf("block %d of %s reads as another", *b.BlockIndex, *id)
		}
	}
}

// TestEncryptedUpload writes encrypted snapshots, with restarts in between, and
// finds nothing of them in any file.
//
//origami:proves ebs:StartSnapshot ebs:PutSnapshotBlock ebs:CompleteSnapshot ebs:GetSnapshotBlock ebs:ListSnapshotBlocks ebs:ListChangedBlocks
func TestEncryptedUpload(t *testing.T) {
	t.Parallel()
	i := start(t)
	key := i.a.newKey(t, home, "")
	secret := func(n byte) []byte {
		b := content(n)
		copy(b, bytes.Repeat([]byte{'s', 'e', 'c', 'r', 'e', 't', n}, 100))
		return b
	}
	want := map[int32][]byte{0: secret(1), 5: secret(2), 900: secret(3)}
	id := i.a.started(t, &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), KmsKeyArn: key}).SnapshotId
	for _, n := range []int32{0, 5, 900} {
		if _, err := i.a.blocks(home).PutSnapshotBlock(t.Context(), putInput(id, n, want[n])); err != nil {
			t.Fatal(err)
		}
		i.unreadable(t, want)
		i.restart()
	}
	h := sha256.New()
	for _, n := range []int32{0, 5, 900} {
		sum := sha256.Sum256(want[n])
		h.Write(sum[:])
	}
	_, err := i.a.blocks(home).CompleteSnapshot(t.Context(), &sdk.CompleteSnapshotInput{
		SnapshotId: id, ChangedBlocksCount: p(int32(3)), Checksum: p(base64.StdEncoding.EncodeToString(h.Sum(nil))),
		ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256, ChecksumAggregationMethod: types.ChecksumAggregationMethodChecksumAggregationLinear,
	})
	if err != nil {
		t.Fatal(err)
	}
	if state, message := i.a.ended(t, id); state != origami.SnapshotCompleted {
		t.Fatalf("%s: %s", state, message)
	}
	i.a.holds(t, id, want)

	child := i.a.started(t, &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), ParentSnapshotId: id})
	if *child.KmsKeyArn != *key || *child.ParentSnapshotId != *id {
		t.Errorf("the child has key %s and parent %s", *child.KmsKeyArn, *child.ParentSnapshotId)
	}
	changed := map[int32][]byte{5: make([]byte, size), 6: secret(4)}
	i.a.complete(t, child.SnapshotId, changed)
	i.a.holds(t, child.SnapshotId, map[int32][]byte{0: want[0], 6: changed[6], 900: want[900]})
	changes, err := i.a.blocks(home).ListChangedBlocks(t.Context(), &sdk.ListChangedBlocksInput{FirstSnapshotId: id, SecondSnapshotId: child.SnapshotId})
	if err != nil || len(changes.ChangedBlocks) != 2 {
		t.Errorf("changes: %+v, %v", changes, err)
	}
	want[6] = changed[6]
	i.unreadable(t, want)
	await(t, "the logs are gone", func() bool { return len(i.logs()) == 0 })
}

// unreadable looks for blocks and their hashes in every file of the
// installation.
func (i *installation) unreadable(t testing.TB, blocks map[int32][]byte) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(i.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files++
		for n, b := range blocks {
			sum := sha256.Sum256(b)
			for what, secret := range map[string][]byte{
				"text": b[:21], "content": b[size/4 : size/4+32], "hash": sum[:], "hash in base64": []byte(*checksum(b)),
			} {
				if bytes.Contains(all, secret) {
					t.Errorf("%s has the %s of block %d in it", name, what, n)
				}
			}
		}
		return nil
	})
	if err != nil || files < 3 {
		t.Errorf("%d files searched: %v", files, err)
	}
}

// TestEncryptedKeys takes keys away: nothing is written, read or completed
// without one.
//
//origami:proves ebs:StartSnapshot ebs:PutSnapshotBlock ebs:CompleteSnapshot ebs:GetSnapshotBlock ebs:ListSnapshotBlocks ebs:ListChangedBlocks S69
func TestEncryptedKeys(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.expected = "incorrect state"
	c := i.a.blocks(home)
	one := p(int64(1))
	key, foreign, elsewhere := i.a.newKey(t, home, ""), i.b.newKey(t, home, ""), i.a.newKey(t, abroad, "")
	missing := p(strings.TrimSuffix(*key, (*key)[len(*key)-12:]) + "000000000000")
	const state, access, unknown = "ValidationException/INVALID_CUSTOMER_KEY", "AccessDeniedException/DEPENDENCY_ACCESS_DENIED", "ResourceNotFoundException/DEPENDENCY_RESOURCE_NOT_FOUND"
	for what, tt := range map[string]struct {
		key  *string
		want string
	}{
		"unknown key":            {missing, unknown},
		"key of another account": {foreign, access},
		"key of another region":  {elsewhere, unknown},
	} {
		_, err := c.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: one, KmsKeyArn: tt.key})
		wants(t, what, err, tt.want)
	}
	done := i.a.complete(t, i.a.started(t, &sdk.StartSnapshotInput{VolumeSize: one, KmsKeyArn: key}).SnapshotId, map[int32][]byte{3: content(3)})
	list, err := c.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: done})
	if err != nil {
		t.Fatal(err)
	}
	pending := i.a.started(t, &sdk.StartSnapshotInput{VolumeSize: one, KmsKeyArn: key}).SnapshotId
	if _, err := c.PutSnapshotBlock(t.Context(), putInput(pending, 0, content(1))); err != nil {
		t.Fatal(err)
	}
	without := func(what, want string) {
		t.Helper()
		for name, f := range map[string]func(context.Context) error{
			"start": func(ctx context.Context) error {
				_, err := c.StartSnapshot(ctx, &sdk.StartSnapshotInput{VolumeSize: one, KmsKeyArn: key})
				return err
			},
			"start over a parent": func(ctx context.Context) error {
				_, err := c.StartSnapshot(ctx, &sdk.StartSnapshotInput{VolumeSize: one, ParentSnapshotId: done})
				return err
			},
			"put": func(ctx context.Context) error {
				_, err := c.PutSnapshotBlock(ctx, putInput(pending, 1, content(2)))
				return err
			},
			"complete": func(ctx context.Context) error {
				_, err := c.CompleteSnapshot(ctx, &sdk.CompleteSnapshotInput{SnapshotId: pending, ChangedBlocksCount: p(int32(1))})
				return err
			},
			"list": func(ctx context.Context) error {
				_, err := c.ListSnapshotBlocks(ctx, &sdk.ListSnapshotBlocksInput{SnapshotId: done})
				return err
			},
			"changes": func(ctx context.Context) error {
				_, err := c.ListChangedBlocks(ctx, &sdk.ListChangedBlocksInput{FirstSnapshotId: done, SecondSnapshotId: done})
				return err
			},
			"get": func(ctx context.Context) error {
				_, err := c.GetSnapshotBlock(ctx, &sdk.GetSnapshotBlockInput{SnapshotId: done, BlockIndex: p(int32(3)), BlockToken: list.Blocks[0].BlockToken})
				return err
			},
		} {
			wants(t, what+": "+name, f(t.Context()), want)
		}
	}
	i.a.enable(t, key, false)
	without("disabled", state)
	i.restart() // the log is opened without its key
	c = i.a.blocks(home)
	without("disabled, after a restart", state)
	i.a.enable(t, key, true)
	if _, err := c.PutSnapshotBlock(t.Context(), putInput(pending, 1, content(2))); err != nil {
		t.Errorf("enabled again: %v", err)
	}
	i.a.declare(t, pending, 2)
	if got, message := i.a.ended(t, pending); got != origami.SnapshotCompleted {
		t.Fatalf("%s: %s", got, message)
	}
	i.a.holds(t, pending, map[int32][]byte{0: content(1), 1: content(2)})

	lost := i.a.started(t, &sdk.StartSnapshotInput{VolumeSize: one, KmsKeyArn: key}).SnapshotId
	i.idle = true
	i.restart()
	i.a.declare(t, lost, 0)
	i.a.enable(t, key, false)
	i.idle = false
	i.restart()
	if got, message := i.a.ended(t, lost); got != origami.SnapshotError || message != "The KMS key provided is in an incorrect state" {
		t.Errorf("completed without its key: %s: %s", got, message)
	}
	if _, err := i.kms.ScheduleKeyDeletion(t.Context(), kms.Access{Caller: i.a.caller(home)}, *key, 7); err != nil {
		t.Fatal(err)
	}
	_, err = i.a.blocks(home).ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: done})
	wants(t, "list while the key is pending deletion", err, state)
}

// TestEncryptedParentOfOthers makes children of a shared snapshot, which has its
// owner's key.
//
//origami:proves ebs:StartSnapshot ebs:GetSnapshotBlock S84
func TestEncryptedParentOfOthers(t *testing.T) {
	t.Parallel()
	i := start(t)
	bob := i.b.blocks(home)
	for _, tt := range []struct{ name, actions, start, list string }{
		{"all rights", useKey, "", ""},
		{"no rights", `"kms:ListKeys"`, "AccessDeniedException/DEPENDENCY_ACCESS_DENIED", "AccessDeniedException/DEPENDENCY_ACCESS_DENIED"},
		{"only to read", `"kms:Decrypt"`, "AccessDeniedException/DEPENDENCY_ACCESS_DENIED", ""},
	} {
		key := i.a.newKey(t, home, tt.actions, i.b)
		parent := i.a.complete(t, i.a.started(t, &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), KmsKeyArn: key}).SnapshotId, map[int32][]byte{0: content(1)})
		do(t, i.a.ec2(home).ModifySnapshotAttribute, &ec2.ModifySnapshotAttributeInput{SnapshotId: parent, Attribute: ec2types.SnapshotAttributeNameCreateVolumePermission,
			OperationType: ec2types.OperationTypeAdd, UserIds: []string{string(i.b.id)}})
		if _, err := bob.ListSnapshotBlocks(t.Context(), &sdk.ListSnapshotBlocksInput{SnapshotId: parent}); tt.list != "" {
			wants(t, tt.name+": list", err, tt.list)
		} else if err != nil {
			t.Errorf("%s: list: %v", tt.name, err)
		}
		out, err := bob.StartSnapshot(t.Context(), &sdk.StartSnapshotInput{VolumeSize: p(int64(1)), ParentSnapshotId: parent})
		if tt.start != "" {
			wants(t, tt.name+": start", err, tt.start)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if *out.KmsKeyArn != *key || *out.OwnerId != string(i.b.id) {
			t.Errorf("%s: the child has key %s and owner %s", tt.name, *out.KmsKeyArn, *out.OwnerId)
		}
		i.b.complete(t, out.SnapshotId, map[int32][]byte{1: content(2)})
		i.b.holds(t, out.SnapshotId, map[int32][]byte{0: content(1), 1: content(2)})
	}
}
