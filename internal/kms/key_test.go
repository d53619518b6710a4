package kms_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/durable/durabletest"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/metadb"
)

func TestReferences(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	k := r.create(a, kms.NewKey{})
	if err := r.CreateAlias(ctx, a, "alias/mine", string(k.ID)); err != nil {
		t.Fatal(err)
	}
	aliasARN := "arn:aws:kms:us-east-1:111111111111:alias/mine"
	for _, ref := range []string{string(k.ID), k.ARN(), "alias/mine", aliasARN} {
		got, _, err := r.DescribeKey(ctx, a, ref)
		if err != nil || got.ID != k.ID {
			t.Errorf("%s: got %+v, %v", ref, got, err)
		}
	}
	unknown := "00000000-0000-0000-0000-000000000000"
	tests := []struct {
		who     kms.Access
		ref     string
		code    origami.Code
		message string
	}{
		{a, unknown, kms.CodeNotFound, "Key 'arn:aws:kms:us-east-1:111111111111:key/" + unknown + "' does not exist"},
		{a, "alias/none", kms.CodeNotFound, "Alias arn:aws:kms:us-east-1:111111111111:alias/none is not found."},
		{a, "nonsense", kms.CodeNotFound, "Invalid keyId 'nonsense'"},
		{a, "", kms.CodeNotFound, "Invalid keyId ''"},
		{a, strings.Replace(k.ARN(), "us-east-1", "eu-west-1", 1), kms.CodeNotFound, "Invalid arn eu-west-1"},
		{a, "arn:aws:kms:us-east-1:x:key/" + unknown, kms.CodeInvalidARN, "arn:aws:kms:us-east-1:x:key/" + unknown + " is not a valid ARN"},
		{a, "arn:aws:s3:::bucket", kms.CodeInvalidARN, "arn:aws:s3:::bucket is not a valid ARN"},
		{a, "arn:aws:kms:us-east-1:111111111111:thing/x", kms.CodeInvalidARN, "arn:aws:kms:us-east-1:111111111111:thing/x names no key and no alias"},
		{a, "alias/a b", kms.CodeNotFound, "Alias arn:aws:kms:us-east-1:111111111111:alias/a b is not found."},
		{a, strings.Repeat("x", 3000), kms.CodeNotFound, "Invalid keyId"},
		{root(alice, west), string(k.ID), kms.CodeNotFound, "Key 'arn:aws:kms:eu-west-1:111111111111:key/" + string(k.ID) + "' does not exist"},
		{root(bob, east), string(k.ID), kms.CodeNotFound, "Key 'arn:aws:kms:us-east-1:222222222222:key/" + string(k.ID) + "' does not exist"},
		{root(bob, east), "alias/mine", kms.CodeNotFound, "Alias arn:aws:kms:us-east-1:222222222222:alias/mine is not found."},
		{root(bob, east), strings.Replace(k.ARN(), "1111", "3333", 1), kms.CodeNotFound, ""},
		{root(bob, east), k.ARN(), kms.CodeAccessDenied,
			"User: arn:aws:iam::222222222222:root is not authorized to perform: kms:DescribeKey on resource: " + k.ARN() +
				" because no resource-based policy allows the kms:DescribeKey action"},
		{root(bob, east), aliasARN, kms.CodeAccessDenied, ""},
	}
	for _, tt := range tests {
		_, _, err := r.DescribeKey(ctx, tt.who, tt.ref)
		wantCode(t, tt.ref, err, tt.code)
		if err != nil && tt.message != "" && err.Error() != string(tt.code)+": "+tt.message {
			t.Errorf("%s: got error %v, want %s", tt.ref, err, tt.message)
		}
	}
	for ref, code := range map[string]origami.Code{"alias/mine": kms.CodeNotFound, aliasARN: kms.CodeInvalidARN} {
		wantCode(t, "no alias here", r.DisableKey(ctx, a, ref), code)
	}
	wantCode(t, "foreign key", r.DisableKey(ctx, root(bob, east), k.ARN()), kms.CodeAccessDenied)
}

func TestManagedKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	k, _, err := r.DescribeKey(ctx, a, kms.EBSAlias)
	if err != nil || k.Managed != "ebs" || k.Owner != alice || k.Region != east || k.State != origami.KMSKeyEnabled {
		t.Fatalf("got %+v, %v", k, err)
	}
	again, _, err := r.DescribeKey(ctx, a, kms.EBSAlias)
	if diff := cmp.Diff(k, again); diff != "" || err != nil {
		t.Errorf("second look: %v (-first +second):\n%s", err, diff)
	}
	for _, other := range []kms.Access{root(alice, west), root(bob, east)} {
		got, _, err := r.DescribeKey(ctx, other, kms.EBSAlias)
		if err != nil || got.ID == k.ID || got.Owner != other.Caller.Account || got.Region != other.Caller.Region {
			t.Errorf("%s in %s: got %+v, %v", other.Caller.Account, other.Caller.Region, got, err)
		}
	}
	_, err = r.Encrypt(ctx, a, kms.EBSAlias, []byte("x"), nil)
	wantCode(t, "direct use", err, kms.CodeAccessDenied)
	_, err = r.Encrypt(ctx, via(a, "ec2"), kms.EBSAlias, []byte("x"), nil)
	wantCode(t, "use through EC2", err, "")
	_, err = r.Encrypt(ctx, via(user(alice, "ann"), "ec2"), kms.EBSAlias, []byte("x"), nil)
	wantCode(t, "use of a user through EC2", err, "")
	_, err = r.Encrypt(ctx, via(root(bob, east), "ec2"), k.ARN(), []byte("x"), nil)
	wantCode(t, "use of another account through EC2", err, kms.CodeAccessDenied)
	for name, do := range map[string]func() error{
		"disable":  func() error { return r.DisableKey(ctx, a, k.ARN()) },
		"delete":   func() error { _, err := r.ScheduleKeyDeletion(ctx, a, k.ARN(), 7); return err },
		"policy":   func() error { return r.PutKeyPolicy(ctx, a, k.ARN(), "", k.Policy, false) },
		"alias":    func() error { return r.CreateAlias(ctx, a, "alias/x", string(k.ID)) },
		"rotation": func() error { return r.DisableKeyRotation(ctx, a, k.ARN()) },
		"tags":     func() error { return r.TagResource(ctx, a, k.ARN(), origami.Tags{"a": "b"}) },
	} {
		wantCode(t, name, do(), kms.CodeAccessDenied)
	}
	_, _, err = r.DescribeKey(ctx, a, "alias/aws/unknown")
	wantCode(t, "service without a key", err, kms.CodeNotFound)
	_, _, err = r.DescribeKey(ctx, root(bob, west), "arn:aws:kms:eu-west-1:111111111111:alias/aws/ebs")
	wantCode(t, "another account's", err, "AccessDeniedException")
}

func TestDeletion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	k := r.create(a, kms.NewKey{})
	if err := r.CreateAlias(ctx, a, "alias/x", string(k.ID)); err != nil {
		t.Fatal(err)
	}
	blob, err := r.Encrypt(ctx, a, string(k.ID), []byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, days := range []int{1, 6, 31, 365} {
		_, err := r.ScheduleKeyDeletion(ctx, a, string(k.ID), days)
		wantCode(t, "window", err, kms.CodeValidation)
	}
	_, err = r.CancelKeyDeletion(ctx, a, string(k.ID))
	wantCode(t, "cancel what is not scheduled", err, kms.CodeInvalidState)
	got, err := r.ScheduleKeyDeletion(ctx, a, string(k.ID), 10)
	if err != nil || !got.Deletion.Equal(r.now.AddDate(0, 0, 10)) || got.DeletionDays != 10 {
		t.Fatalf("got %+v, %v", got, err)
	}
	_, err = r.ScheduleKeyDeletion(ctx, a, string(k.ID), 10)
	wantCode(t, "twice", err, kms.CodeInvalidState)
	r.pass(9)
	if err := r.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.DescribeKey(ctx, a, string(k.ID)); err != nil {
		t.Errorf("before its time: %v", err)
	}
	r.pass(1)
	check := func(when string) {
		t.Helper()
		_, _, err := r.DescribeKey(ctx, a, string(k.ID))
		wantCode(t, when, err, kms.CodeNotFound)
		_, _, err = r.DescribeKey(ctx, a, "alias/x")
		wantCode(t, when+": alias", err, kms.CodeNotFound)
		_, err = r.CancelKeyDeletion(ctx, a, string(k.ID))
		wantCode(t, when+": cancel", err, kms.CodeNotFound)
		_, err = r.Decrypt(ctx, a, "", blob.Blob, nil)
		wantCode(t, when+": decrypt", err, kms.CodeAccessDenied)
		keys, more, err := r.ListKeys(ctx, a, "", 10)
		if len(keys) != 0 || more || err != nil {
			t.Errorf("%s: list: got %v, %v, %v", when, keys, more, err)
		}
		aliases, _, err := r.ListAliases(ctx, a, "", "", 10)
		if len(aliases) != 1 || aliases[0].Name != kms.EBSAlias || err != nil {
			t.Errorf("%s: aliases: got %v, %v, want those of AWS", when, aliases, err)
		}
	}
	check("due")
	if err := r.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	check("swept")
	r.update(func(tx *metadb.Tx) error {
		if m, err := tx.KMSMaterials(east, k.ID); err != nil || len(m) != 0 {
			t.Errorf("materials of a key that is gone: %v, %v", m, err)
		}
		return nil
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	k := r.create(a, kms.NewKey{})
	id := string(k.ID)
	var blobs []*kms.Ciphertext
	encrypt := func() {
		t.Helper()
		c, err := r.Encrypt(ctx, a, id, []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, old := range blobs {
			if bytes.Equal(old.Blob[:22], c.Blob[:22]) || old.MaterialID == c.MaterialID {
				t.Error("the material has not changed")
			}
		}
		blobs = append(blobs, c)
	}
	encrypt()
	if _, err := r.RotateKeyOnDemand(ctx, a, id); err != nil {
		t.Fatal(err)
	}
	encrypt()
	for _, days := range []int{1, 89, 2561} {
		wantCode(t, "period", r.EnableKeyRotation(ctx, a, id, days), kms.CodeValidation)
	}
	if err := r.EnableKeyRotation(ctx, a, id, 90); err != nil {
		t.Fatal(err)
	}
	r.pass(90)
	if err := r.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	encrypt()
	status, err := r.RotationStatus(ctx, a, id)
	if err != nil || status.RotationDays != 90 || !status.NextRotation.Equal(r.now.AddDate(0, 0, 90)) {
		t.Errorf("status: got %+v, %v", status, err)
	}
	if err := r.DisableKeyRotation(ctx, a, id); err != nil {
		t.Fatal(err)
	}
	r.pass(400)
	if err := r.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	_, rows, err := r.ListKeyRotations(ctx, a, id)
	if err != nil || len(rows) != 3 || rows[1].Reason != "ON_DEMAND" || rows[2].Reason != "AUTOMATIC" {
		t.Errorf("rotations: got %+v, %v", rows, err)
	}
	s := r.restart()
	for i, c := range blobs {
		got, err := s.Decrypt(ctx, a, "", c.Blob, nil)
		if err != nil || string(got.Bytes) != "x" || got.MaterialID != c.MaterialID || rows[i].ID != c.MaterialID {
			t.Errorf("blob of material %d: got %+v, %v", i+1, got, err)
		}
	}
	for range 24 {
		if _, err := r.RotateKeyOnDemand(ctx, a, id); err != nil {
			t.Fatal(err)
		}
	}
	_, err = r.RotateKeyOnDemand(ctx, a, id)
	wantCode(t, "one too many", err, kms.CodeLimitExceeded)
}

// A start with another root, or none, is refused and changes nothing.
func TestRoots(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	k := r.create(root(alice, east), kms.NewKey{})
	fsys := durabletest.New()
	for name, want := range map[string]string{"none": "does not exist", "other": "not by the root key given"} {
		f := keyfile.New(fsys, name)
		if name == "other" {
			if _, err := f.Wrap(t.Context(), []byte("x"), ""); err != nil {
				t.Fatal(err)
			}
		}
		_, err := kms.New(t.Context(), kms.Config{DB: r.db, Root: f})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "file:") {
			t.Errorf("%s: got error %v, want one with %q", name, err, want)
		}
	}
	if _, err := r.restart().Encrypt(t.Context(), root(alice, east), k.ARN(), []byte("x"), nil); err != nil {
		t.Errorf("with the right root: %v", err)
	}
	r.update(func(tx *metadb.Tx) error {
		record, err := tx.Setting("kms.master")
		if err != nil {
			return err
		}
		record[len(record)/2] ^= 1
		return tx.PutSetting("kms.master", record)
	})
	if _, err := kms.New(t.Context(), kms.Config{DB: r.db, Root: r.root}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged record: got error %v", err)
	}
}
