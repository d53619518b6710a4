package kms_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"origami"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// Who may encrypt, for each way in which a policy can speak of somebody.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	const act = "kms:Encrypt"
	statement := func(effect, principal, action string) string {
		return fmt.Sprintf(`{"Effect":%q,"Principal":{"AWS":%q},"Action":%q,"Resource":"*"}`, effect, principal, action)
	}
	ann, bea := user(alice, "ann"), user(bob, "bea")
	account := func(a origami.AccountID) string { return root(a, east).Caller.ARN }
	tests := []struct {
		name       string
		statements string // beside the one that lets alice's root change the policy
		who        kms.Access
		allowed    bool // the caller's own policies allow it
		denied     bool // and these deny it
		want       origami.Code
	}{
		{"own user, account named, allowed", statement("Allow", account(alice), act), ann, true, false, ""},
		{"own user, account named", statement("Allow", account(alice), act), ann, false, false, kms.CodeAccessDenied},
		{"own user, named", statement("Allow", ann.Caller.ARN, act), ann, false, false, ""},
		{"own user, named, denied at home", statement("Allow", ann.Caller.ARN, act), ann, true, true, kms.CodeAccessDenied},
		{"own user, not named, allowed", statement("Allow", account(alice), "kms:Decrypt"), ann, true, false, kms.CodeAccessDenied},
		{"own user, everybody", statement("Allow", "*", act), ann, false, false, ""},
		{"own user, named and denied", statement("Allow", ann.Caller.ARN, act) + "," + statement("Deny", ann.Caller.ARN, act), ann, true, false, kms.CodeAccessDenied},
		{"own root, not named", statement("Allow", ann.Caller.ARN, act), root(alice, east), true, false, kms.CodeAccessDenied},
		{"own root, named", statement("Allow", account(alice), act), root(alice, east), false, false, ""},
		{"other user, account named, allowed", statement("Allow", account(bob), act), bea, true, false, ""},
		{"other user, account named", statement("Allow", account(bob), act), bea, false, false, kms.CodeAccessDenied},
		{"other user, named, allowed", statement("Allow", bea.Caller.ARN, act), bea, true, false, ""},
		{"other user, named, not allowed at home", statement("Allow", bea.Caller.ARN, act), bea, false, false, kms.CodeAccessDenied},
		{"other user, everybody, not allowed at home", statement("Allow", "*", act), bea, false, false, kms.CodeAccessDenied},
		{"other user, not named, allowed", statement("Allow", account(alice), act), bea, true, false, kms.CodeAccessDenied},
		{"other user, denied at home", statement("Allow", bea.Caller.ARN, act), bea, true, true, kms.CodeAccessDenied},
		{"other root, account named", statement("Allow", account(bob), act), root(bob, east), false, false, ""},
	}
	for _, tt := range tests {
		text := `{"Version":"2012-10-17","Statement":[` + statement("Allow", account(alice), "kms:PutKeyPolicy") + "," + tt.statements + `]}`
		k := r.create(root(alice, east), kms.NewKey{Policy: text})
		r.allowed, r.denied = map[string][]string{}, map[string][]string{}
		if tt.allowed {
			r.allowed[tt.who.Caller.ARN] = []string{act}
		}
		if tt.denied {
			r.denied[tt.who.Caller.ARN] = []string{act}
		}
		_, err := r.Encrypt(ctx, tt.who, k.ARN(), []byte("x"), nil)
		wantCode(t, tt.name, err, tt.want)
	}
}

// A grant counts beside a policy that says nothing, and not against a denial.
func TestGrantAndDenial(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a, bea := t.Context(), root(alice, east), user(bob, "bea")
	k := r.create(a, kms.NewKey{})
	encrypt := func() error {
		_, err := r.Encrypt(ctx, bea, k.ARN(), []byte("x"), nil)
		return err
	}
	if _, _, err := r.CreateGrant(ctx, a, kms.NewGrant{Key: k.ARN(), Grantee: bea.Caller.ARN, Operations: []string{"Encrypt"}}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "granted", encrypt(), "")
	r.denied[bea.Caller.ARN] = []string{"kms:Encrypt"}
	wantCode(t, "denied at home", encrypt(), kms.CodeAccessDenied)

	other := r.create(a, kms.NewKey{})
	if _, _, err := r.CreateGrant(ctx, a, kms.NewGrant{Key: other.ARN(), Grantee: root(bob, east).Caller.ARN, Operations: []string{"Encrypt"}}); err != nil {
		t.Fatal(err)
	}
	clara := user(bob, "clara")
	_, err := r.Encrypt(ctx, clara, other.ARN(), []byte("x"), nil)
	wantCode(t, "granted to the account", err, kms.CodeAccessDenied)
	r.allowed[clara.Caller.ARN] = []string{"kms:Encrypt"}
	_, err = r.Encrypt(ctx, clara, other.ARN(), []byte("x"), nil)
	wantCode(t, "granted to the account, allowed at home", err, "")
}

// kms:GrantIsForAWSResource is how a policy lets others grant a key to a
// service only.
func TestGrantIsForAWSResource(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := root(bob, east)
	k := r.create(root(alice, east), kms.NewKey{Policy: `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"kms:*","Resource":"*"},
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"kms:CreateGrant","Resource":"*",
		 "Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"}}}]}`})
	for _, tt := range []struct {
		a    kms.Access
		code origami.Code
	}{{b, kms.CodeAccessDenied}, {via(b, "ec2"), ""}} {
		err := r.db.View(t.Context(), func(tx *metadb.Tx) error { return r.Check(tx, tt.a, k, nil, "CreateGrant") })
		wantCode(t, "check through "+tt.a.Via, err, tt.code)
		_, _, err = r.CreateGrant(t.Context(), tt.a, kms.NewGrant{Key: k.ARN(), Grantee: b.Caller.ARN, Operations: []string{"Decrypt"}})
		wantCode(t, "grant through "+tt.a.Via, err, tt.code)
	}
}

// FuzzReference resolves whatever a caller may write.
func FuzzReference(f *testing.F) {
	for _, s := range []string{"", "alias/aws/ebs", "alias/x", "arn:aws:kms:us-east-1:111111111111:key/mrk-00000000000000000000000000000000",
		"arn:aws:kms:us-east-1:111111111111:alias/aws/ebs", "arn:aws:kms:::", "00000000-0000-0000-0000-000000000000", "arn:", "alias/\xff"} {
		f.Add(s)
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, ref string) {
		k, _, err := r.DescribeKey(t.Context(), root(alice, east), ref)
		if err != nil {
			var e *origami.Error
			if !errors.As(err, &e) {
				t.Errorf("%q: got error %v", ref, err)
			}
			return
		}
		if k.Owner != alice || k.Region != east {
			t.Errorf("%q: got %+v", ref, k)
		}
	})
}

// A key that may be used through services only, and one that may be used
// directly only.
func TestViaService(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	direct, through := user(alice, "ann"), user(alice, "ann")
	through.Via = "ec2"
	for condition, want := range map[string][2]origami.Code{
		`"Bool":{"aws:ViaAWSService":"true"}`:                                        {kms.CodeAccessDenied, ""},
		`"BoolIfExists":{"aws:ViaAWSService":"false"}`:                               {"", kms.CodeAccessDenied},
		`"ForAnyValue:StringEquals":{"aws:CalledVia":"ec2.amazonaws.com"}`:           {kms.CodeAccessDenied, ""},
		`"StringEquals":{"aws:CalledViaFirst":"athena.amazonaws.com"}`:               {kms.CodeAccessDenied, kms.CodeAccessDenied},
		`"StringEquals":{"kms:ViaService":"ec2.` + string(east) + `.amazonaws.com"}`: {kms.CodeAccessDenied, ""},
	} {
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + root(alice, east).Caller.ARN + `"},"Action":"kms:PutKeyPolicy","Resource":"*"},
			{"Effect":"Allow","Principal":{"AWS":"` + direct.Caller.ARN + `"},"Action":"kms:Encrypt","Resource":"*","Condition":{` + condition + `}}]}`
		k := r.create(root(alice, east), kms.NewKey{Policy: text})
		for n, who := range []kms.Access{direct, through} {
			_, err := r.Encrypt(ctx, who, k.ARN(), []byte("x"), nil)
			var e *origami.Error
			errors.As(err, &e)
			if got := codeOf(e); got != want[n] {
				t.Errorf("%s, via %q: got %v, want %q", condition, who.Via, err, want[n])
			}
		}
	}
}

// Conditions about what is done, and to what.
func TestConditionKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	// try makes a key of which a condition denies its owner an action.
	try := func(action, condition string, multi bool) *origami.KMSKey {
		t.Helper()
		return r.create(a, kms.NewKey{MultiRegion: multi, BypassLockoutCheck: true, Policy: `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":{"AWS":"` + a.Caller.ARN + `"},"Action":"kms:*","Resource":"*"},
			{"Effect":"Deny","Principal":"*","Action":"kms:` + action + `","Resource":"*","Condition":{` + condition + `}}]}`})
	}
	named := func(k *origami.KMSKey) *origami.KMSKey {
		for _, name := range []string{"alias/one", "alias/two"} {
			if err := r.CreateAlias(ctx, a, name, string(k.ID)); err != nil {
				t.Fatal(err)
			}
		}
		return k
	}
	encrypt := func(k *origami.KMSKey) error {
		_, err := r.Encrypt(ctx, a, string(k.ID), []byte("x"), nil)
		return err
	}
	reencrypt := func(from, to *origami.KMSKey) error {
		c, err := r.Encrypt(ctx, a, string(from.ID), []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.ReEncrypt(ctx, a, kms.ReEncryption{Blob: c.Blob, Destination: string(to.ID)})
		return err
	}
	schedule := func(days int) func(*origami.KMSKey) error {
		return func(k *origami.KMSKey) error {
			_, err := r.ScheduleKeyDeletion(ctx, a, string(k.ID), days)
			return err
		}
	}
	rotate := func(days int) func(*origami.KMSKey) error {
		return func(k *origami.KMSKey) error { return r.EnableKeyRotation(ctx, a, string(k.ID), days) }
	}
	put := func(bypass bool) func(*origami.KMSKey) error {
		return func(k *origami.KMSKey) error { return r.PutKeyPolicy(ctx, a, string(k.ID), "", k.Policy, bypass) }
	}
	plain := r.create(a, kms.NewKey{})
	tests := []struct {
		name string
		key  *origami.KMSKey
		do   func(*origami.KMSKey) error
		want origami.Code
	}{
		{"an alias of it", named(try("Encrypt", `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/two"}`, false)), encrypt, kms.CodeAccessDenied},
		{"an alias of another", try("Encrypt", `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/two"}`, false), encrypt, ""},
		{"the algorithm", try("Encrypt", `"StringEquals":{"kms:EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, false), encrypt, kms.CodeAccessDenied},
		{"a primary key", try("Encrypt", `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, true), encrypt, kms.CodeAccessDenied},
		{"a key of one region", try("Encrypt", `"StringEquals":{"kms:MultiRegionKeyType":"PRIMARY"}`, false), encrypt, ""},
		{"to the same key", try("ReEncrypt*", `"Bool":{"kms:ReEncryptOnSameKey":"true"}`, false), func(k *origami.KMSKey) error { return reencrypt(k, k) }, kms.CodeAccessDenied},
		{"to another key", try("ReEncrypt*", `"Bool":{"kms:ReEncryptOnSameKey":"true"}`, false), func(k *origami.KMSKey) error { return reencrypt(k, plain) }, ""},
		{"from another key", try("ReEncryptTo", `"Bool":{"kms:ReEncryptOnSameKey":"false"}`, false), func(k *origami.KMSKey) error { return reencrypt(plain, k) }, kms.CodeAccessDenied},
		{"deleted soon", try("ScheduleKeyDeletion", `"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`, false), schedule(29), kms.CodeAccessDenied},
		{"deleted later", try("ScheduleKeyDeletion", `"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`, false), schedule(0), ""},
		{"rotated seldom", try("EnableKeyRotation", `"NumericGreaterThan":{"kms:RotationPeriodInDays":"365"}`, false), rotate(366), kms.CodeAccessDenied},
		{"rotated often", try("EnableKeyRotation", `"NumericGreaterThan":{"kms:RotationPeriodInDays":"365"}`, false), rotate(0), ""},
		{"the check bypassed", try("PutKeyPolicy", `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, false), put(true), kms.CodeAccessDenied},
		{"the check done", try("PutKeyPolicy", `"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`, false), put(false), ""},
		{"another primary", try("UpdatePrimaryRegion", `"StringEquals":{"kms:PrimaryRegion":"`+string(west)+`"}`, true), func(k *origami.KMSKey) error {
			return r.UpdatePrimaryRegion(ctx, a, string(k.ID), west)
		}, kms.CodeAccessDenied},
	}
	for _, tt := range tests {
		wantCode(t, tt.name, tt.do(tt.key), tt.want)
	}
}

func codeOf(e *origami.Error) origami.Code {
	if e == nil {
		return ""
	}
	return e.Code
}

// TestPolicyIsOfWhoWasNamed deletes a user whom the policy of a key and a grant
// name: who takes the name does not take the place.
func TestPolicyIsOfWhoWasNamed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := t.Context()
	ann, boss := user(alice, "ann"), root(alice, east)
	statements := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + boss.Caller.ARN + `"},"Action":"kms:*","Resource":"*"},
			{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"kms:Encrypt","Resource":"*"}]}`
	}
	k := r.create(boss, kms.NewKey{Policy: statements(ann.Caller.ARN)})
	_, _, err := r.CreateGrant(ctx, boss, kms.NewGrant{Key: string(k.ID), Grantee: ann.Caller.ARN, Retiring: ann.Caller.ARN, Operations: []string{"DescribeKey"}})
	wantCode(t, "create grant", err, "")
	use := func(who kms.Access, code origami.Code) {
		t.Helper()
		_, err := r.Encrypt(ctx, who, k.ARN(), []byte("x"), nil)
		wantCode(t, "by the policy", err, code)
		_, _, err = r.DescribeKey(ctx, who, k.ARN())
		wantCode(t, "by the grant", err, code)
	}
	grantees := func(f kms.GrantFilter) (out []string) {
		t.Helper()
		found, _, err := r.ListGrants(ctx, boss, string(k.ID), f, "", 10)
		wantCode(t, "list grants", err, "")
		for _, g := range found {
			out = append(out, g.Grantee+" "+g.Retiring)
		}
		return out
	}
	use(ann, "")
	if got, want := grantees(kms.GrantFilter{Grantee: ann.Caller.ARN}), []string{ann.Caller.ARN + " " + ann.Caller.ARN}; !slices.Equal(got, want) {
		t.Errorf("got grants %v, want %v", got, want)
	}
	other := ann
	other.Caller.UserID = "AIDAANOTHER"
	r.update(func(tx *metadb.Tx) error {
		return errors.Join(tx.DeleteIdentity(ann.Caller.UserID), tx.PutIdentity(&origami.Identity{
			ID: other.Caller.UserID, Account: alice, Kind: origami.KindUser, Path: "/", Name: "ann", Created: r.now,
		}))
	})
	use(other, kms.CodeAccessDenied)
	got, err := r.GetKeyPolicy(ctx, boss, string(k.ID), "")
	if want := statements(ann.Caller.UserID); got != want || err != nil {
		t.Errorf("got policy %s, %v, want %s", got, err, want)
	}
	if got, want := grantees(kms.GrantFilter{}), []string{ann.Caller.UserID + " " + ann.Caller.UserID}; !slices.Equal(got, want) {
		t.Errorf("got grants %v, want %v", got, want)
	}
	if got := grantees(kms.GrantFilter{Grantee: ann.Caller.ARN}); len(got) != 0 {
		t.Errorf("got grants %v of another of the name", got)
	}
	wantCode(t, "naming who is gone", r.PutKeyPolicy(ctx, boss, string(k.ID), "", got, false), kms.CodeMalformedPolicy)
	wantCode(t, "naming the other", r.PutKeyPolicy(ctx, boss, string(k.ID), "", statements(ann.Caller.ARN), false), "")
	_, err = r.Encrypt(ctx, other, k.ARN(), []byte("x"), nil)
	wantCode(t, "the other", err, "")
}
