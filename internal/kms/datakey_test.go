package kms_test

import (
	"testing"

	"origami"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// What EBS does: inside one transaction, for a caller and later without.
func TestDataKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), via(user(alice, "ann"), "ec2")
	bound := kms.Context{"aws:ebs:id": "vol-1"}
	var made *kms.DataKey
	r.update(func(tx *metadb.Tx) error {
		k, err := r.Resolve(tx, a.Caller, kms.EBSAlias)
		if err != nil {
			return err
		}
		if err := r.Check(tx, a, k, bound, "CreateGrant", "GenerateDataKeyWithoutPlaintext", "DescribeKey"); err != nil {
			return err
		}
		made, err = r.NewDataKey(tx, a, k, bound)
		return err
	})
	if id, err := kms.KeyOfBlob(made.Blob); err != nil || id != made.Key.ID {
		t.Errorf("key of the blob: got %s, %v, want %s", id, err, made.Key.ID)
	}
	open := func(what string, s *kms.Service, code origami.Code, f func(*kms.Service, *metadb.Tx) (*kms.DataKey, error)) {
		t.Helper()
		err := r.db.View(ctx, func(tx *metadb.Tx) error {
			got, err := f(s, tx)
			if err == nil && (got.Plain != made.Plain || got.Key.ID != made.Key.ID) {
				t.Errorf("%s: another key", what)
			}
			return err
		})
		wantCode(t, what, err, code)
	}
	openAs := func(a kms.Access, c kms.Context) func(*kms.Service, *metadb.Tx) (*kms.DataKey, error) {
		return func(s *kms.Service, tx *metadb.Tx) (*kms.DataKey, error) { return s.OpenDataKey(tx, a, made.Blob, c) }
	}
	reopen := func(region origami.Region, c kms.Context) func(*kms.Service, *metadb.Tx) (*kms.DataKey, error) {
		return func(s *kms.Service, tx *metadb.Tx) (*kms.DataKey, error) {
			return s.ReopenDataKey(tx, region, made.Blob, c)
		}
	}
	for _, s := range []*kms.Service{r.Service, r.restart()} {
		open("caller", s, "", openAs(a, bound))
		open("nobody", s, "", reopen(east, bound))
	}
	open("caller, other volume", r.Service, kms.CodeInvalidCiphertext, openAs(a, kms.Context{"aws:ebs:id": "vol-2"}))
	open("nobody, other volume", r.Service, kms.CodeInvalidCiphertext, reopen(east, nil))
	open("other account", r.Service, kms.CodeAccessDenied, openAs(via(root(bob, east), "ec2"), bound))
	open("not through EC2", r.Service, kms.CodeAccessDenied, openAs(user(alice, "ann"), bound))
	open("other region", r.Service, kms.CodeNotFound, reopen(west, bound))
}

// Reasons are typed: disabled, pending deletion, gone.
func TestDataKeyStates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	k := r.create(a, kms.NewKey{})
	var made *kms.DataKey
	r.update(func(tx *metadb.Tx) (err error) {
		made, err = r.NewDataKey(tx, a, k, nil)
		return err
	})
	reopen := func(what string, code origami.Code) {
		t.Helper()
		wantCode(t, what, r.db.View(ctx, func(tx *metadb.Tx) error {
			_, err := r.ReopenDataKey(tx, east, made.Blob, nil)
			return err
		}), code)
		wantCode(t, what+": check", r.db.View(ctx, func(tx *metadb.Tx) error {
			k, err := r.Resolve(tx, a.Caller, k.ARN())
			if err != nil {
				return err
			}
			return r.Check(tx, a, k, nil, "Decrypt")
		}), code)
	}
	reopen("enabled", "")
	wantCode(t, "disable", r.DisableKey(ctx, a, string(k.ID)), "")
	reopen("disabled", kms.CodeDisabled)
	_, err := r.ScheduleKeyDeletion(ctx, a, string(k.ID), 7)
	wantCode(t, "schedule", err, "")
	reopen("pending deletion", kms.CodeInvalidState)
	r.pass(7)
	reopen("gone", kms.CodeNotFound)
}
