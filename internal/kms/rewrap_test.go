package kms_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"origami"
	"origami/internal/durable/durabletest"
	"origami/internal/keywrap"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// master makes a master key under a root.
func master(t *testing.T, root keywrap.Root) kms.Master {
	t.Helper()
	m, err := kms.NewMaster(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func name(t *testing.T, root keywrap.Root) string {
	t.Helper()
	s, err := root.Name(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRewrap puts everything that there is under another root and destroys the
// one before: every kind of key, material and token works on, in the service
// that runs and after a restart, and nothing stored is as it was.
func TestRewrap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	plain := r.create(a, kms.NewKey{})
	rotated := r.create(a, kms.NewKey{})
	multi := r.create(a, kms.NewKey{MultiRegion: true})
	if _, _, err := r.ReplicateKey(ctx, a, kms.Replication{Key: multi.ARN(), Region: west}); err != nil {
		t.Fatal(err)
	}
	type sealed struct {
		a    kms.Access
		blob []byte
	}
	var all []sealed
	seal := func(a kms.Access, id origami.KMSKeyID) {
		t.Helper()
		c, err := r.Encrypt(ctx, a, string(id), []byte("secret"), nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sealed{a, c.Blob})
	}
	seal(a, plain.ID)
	for range 3 {
		seal(a, rotated.ID)
		if _, err := r.RotateKeyOnDemand(ctx, a, string(rotated.ID)); err != nil {
			t.Fatal(err)
		}
	}
	seal(a, rotated.ID)
	seal(a, multi.ID)
	seal(root(alice, west), multi.ID)
	if err := r.DisableKey(ctx, a, string(plain.ID)); err != nil { // which hinders nothing
		t.Fatal(err)
	}
	_, token, err := r.CreateGrant(ctx, a, kms.NewGrant{Key: string(multi.ID), Grantee: a.Caller.ARN, Operations: []string{"Decrypt"}})
	if err != nil {
		t.Fatal(err)
	}
	before := r.stored()

	next := keyfile.New(durabletest.New(), "next")
	old := name(t, r.root)
	m := master(t, next)
	got, err := r.Rewrap(ctx, old, m)
	want := kms.Rewrapped{From: old, To: name(t, next), Keys: 4, Materials: 7}
	if err != nil || got != want {
		t.Fatalf("Rewrap = %+v, %v, want %+v", got, err, want)
	}
	if again, err := r.Rewrap(ctx, old, m); err != nil || again.Materials != 0 {
		t.Errorf("the same again = %+v, %v", again, err)
	}
	if _, err := r.Rewrap(ctx, old, master(t, next)); !errors.Is(err, kms.ErrRootChanged) {
		t.Errorf("from a root that is not it: %v", err)
	}
	after := r.stored()
	for what, bytesBefore := range before {
		if now, ok := after[what]; !ok || bytes.Equal(now, bytesBefore) {
			t.Errorf("%s is as it was, or gone (%t)", what, !ok)
		}
	}
	for what, now := range after {
		if bytes.Contains(now, []byte(old)) {
			t.Errorf("%s names the root before", what)
		}
	}

	running := r.Service
	if _, err := kms.New(ctx, kms.Config{DB: r.db, Root: r.root}); err == nil {
		t.Error("the root before still opens the keys")
	}
	r.root = next // the one before is destroyed
	for what, s := range map[string]*kms.Service{"the service that runs": running, "after a restart": r.restart()} {
		if err := s.EnableKey(ctx, a, string(plain.ID)); err != nil {
			t.Fatal(err)
		}
		for i, x := range all {
			if p, err := s.Decrypt(ctx, x.a, "", x.blob, nil); err != nil || string(p.Bytes) != "secret" {
				t.Errorf("%s: blob %d: %+v, %v", what, i, p, err)
			}
		}
		if _, err := s.Decrypt(ctx, kms.Access{Caller: a.Caller, GrantTokens: []string{token}}, "", all[0].blob, nil); err != nil {
			t.Errorf("%s: with a grant token of before: %v", what, err)
		}
		k, err := s.CreateKey(ctx, a, kms.NewKey{})
		if err != nil {
			t.Fatal(err)
		}
		seal(a, k.ID)
	}
	// Once more, to the same root: the second change has the first one's token key to keep.
	if _, err := r.Rewrap(ctx, name(t, next), master(t, next)); err != nil {
		t.Fatal(err)
	}
	s := r.restart()
	if _, err := s.Decrypt(ctx, kms.Access{Caller: a.Caller, GrantTokens: []string{token}}, "", all[len(all)-1].blob, nil); err != nil {
		t.Errorf("after the second change: %v", err)
	}
}

// stored is everything in the database that is under the root, by what it is.
func (r *rig) stored() map[string][]byte {
	r.t.Helper()
	out := map[string][]byte{}
	err := r.db.View(r.t.Context(), func(tx *metadb.Tx) error {
		record, err := tx.Setting("kms.master")
		if err != nil {
			return err
		}
		out["the master record"] = record
		if tokens, err := tx.Setting("kms.tokens"); err == nil {
			out["the token key"] = tokens
		}
		rows, err := tx.AllKMSMaterials(nil, 1000)
		for _, m := range rows {
			out[fmt.Sprintf("material %s %s %d", m.Region, m.Key, m.Number)] = m.Sealed
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// TestRewrapConcurrent makes, rotates and uses keys while the root changes, again
// and again. Nothing fails, and in the end the last root opens everything.
func TestRewrapConcurrent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	const clients, rounds, changes = 4, 8, 5
	blobs := make([][][]byte, clients)
	var users sync.WaitGroup
	for i := range clients {
		users.Go(func() {
			for range rounds {
				k, err := r.CreateKey(ctx, a, kms.NewKey{})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := r.RotateKeyOnDemand(ctx, a, string(k.ID)); err != nil {
					t.Error(err)
				}
				c, err := r.Encrypt(ctx, a, string(k.ID), []byte("secret"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := r.Decrypt(ctx, a, "", c.Blob, nil); err != nil {
					t.Error(err)
				}
				blobs[i] = append(blobs[i], c.Blob)
			}
		})
	}
	for range changes {
		next := keyfile.New(durabletest.New(), "next")
		if _, err := r.Rewrap(ctx, name(t, r.root), master(t, next)); err != nil {
			t.Fatal(err)
		}
		r.root = next
	}
	users.Wait()
	s := r.restart()
	for _, mine := range blobs {
		for _, b := range mine {
			if p, err := s.Decrypt(ctx, a, "", b, nil); err != nil || string(p.Bytes) != "secret" {
				t.Errorf("after a restart: %+v, %v", p, err)
			}
		}
	}
}

// TestRewrapElsewhere lets another process change the master key, which the lock
// of a data directory rules out: nothing is sealed with the one that is no more.
func TestRewrapElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, a := t.Context(), root(alice, east)
	other, next := r.restart(), keyfile.New(durabletest.New(), "next")
	if _, err := other.Rewrap(ctx, name(t, r.root), master(t, next)); err != nil {
		t.Fatal(err)
	}
	if k, err := r.CreateKey(ctx, a, kms.NewKey{}); err == nil {
		t.Errorf("made %s under a master key that is no more", k.ARN())
	}
}

// forgetful is a root that opens nothing.
type forgetful struct{ keywrap.Root }

func (forgetful) Unwrap(context.Context, []byte, string) ([]byte, error) {
	return nil, keywrap.ErrDamaged
}

// TestRewrapRefused gives Rewrap what no root wrapped, and changes nothing.
func TestRewrapRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := kms.NewMaster(t.Context(), forgetful{keyfile.New(durabletest.New(), "f")}); !errors.Is(err, keywrap.ErrDamaged) {
		t.Errorf("a root that cannot open what it wrapped: %v", err)
	}
	good := master(t, keyfile.New(durabletest.New(), "g"))
	before := r.stored()
	for what, m := range map[string]kms.Master{
		"no secret": {Root: good.Root, Wrapped: good.Wrapped},
		"no root":   {Secret: good.Secret, Wrapped: good.Wrapped},
		"unwrapped": {Root: good.Root, Secret: good.Secret},
		"long":      {Root: good.Root, Secret: good.Secret, Wrapped: make([]byte, keywrap.MaxWrapped+1)},
	} {
		if _, err := r.Rewrap(t.Context(), name(t, r.root), m); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	for what, now := range r.stored() {
		if !bytes.Equal(now, before[what]) {
			t.Errorf("%s changed", what)
		}
	}
}
