package kms_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"origami"
	"origami/internal/durable/durabletest"
	"origami/internal/keywrap"
	"origami/internal/keywrap/keyfile"
	"origami/internal/kms"
	"origami/internal/metadb"
)

// Many who ask for the managed key at once get one key.
func TestManagedKeyAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const n = 16
	var ids [n]origami.KMSKeyID
	var g errgroup.Group
	for i := range n {
		g.Go(func() error {
			a := root(alice, east)
			if i%2 == 0 {
				k, _, err := r.DescribeKey(t.Context(), a, kms.EBSAlias)
				if err == nil {
					ids[i] = k.ID
				}
				return err
			}
			return r.db.Update(t.Context(), func(tx *metadb.Tx) error {
				k, err := r.Resolve(tx, a.Caller, kms.EBSAlias)
				if err == nil {
					ids[i] = k.ID
				}
				return err
			})
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("got keys %v, want one", ids)
		}
	}
	keys, _, err := r.ListKeys(t.Context(), root(alice, east), "", 10)
	if err != nil || len(keys) != 1 {
		t.Errorf("got %d keys, %v, want 1", len(keys), err)
	}
}

// Processes that start at once on an empty database agree on one master key.
func TestStartAtOnce(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "meta.db")
	fsys := durabletest.New()
	if _, err := keyfile.New(fsys, "root.key").Wrap(t.Context(), []byte("made before"), ""); err != nil {
		t.Fatal(err)
	}
	const n = 4
	var services [n]*kms.Service
	var g errgroup.Group
	for i := range n {
		db, err := metadb.Open(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		g.Go(func() (err error) {
			services[i], err = kms.New(t.Context(), kms.Config{DB: db, Root: keyfile.New(fsys, "root.key"), Regions: []origami.Region{east}})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	a := root(alice, east)
	k, err := services[0].CreateKey(t.Context(), a, kms.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range services {
		if _, err := s.Encrypt(t.Context(), a, k.ARN(), []byte("x"), nil); err != nil {
			t.Errorf("service %d: %v", i, err)
		}
	}
}

// Whoever encrypts while the key is rotated can decrypt.
func TestRotateInUse(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := root(alice, east)
	k := r.create(a, kms.NewKey{})
	var g errgroup.Group
	g.Go(func() error {
		for range 20 {
			if _, err := r.RotateKeyOnDemand(t.Context(), a, string(k.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	for range 4 {
		g.Go(func() error {
			for i := range 20 {
				want := fmt.Sprint(i)
				c, err := r.Encrypt(t.Context(), a, string(k.ID), []byte(want), nil)
				if err != nil {
					return err
				}
				p, err := r.Decrypt(t.Context(), a, "", c.Blob, nil)
				if err != nil {
					return err
				}
				if string(p.Bytes) != want || p.MaterialID != c.MaterialID {
					return fmt.Errorf("got %q of material %s, want %q of %s", p.Bytes, p.MaterialID, want, c.MaterialID)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// A managed key that nobody has used yet is not found by those who only read.
func TestUnmadeKey(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := root(alice, east)
	k := r.create(a, kms.NewKey{})
	c, err := r.Encrypt(t.Context(), a, k.ARN(), []byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Decrypt(t.Context(), a, kms.EBSAlias, c.Blob, nil)
	wantCode(t, "decrypt", err, kms.CodeNotFound)
	_, _, err = r.ReEncrypt(t.Context(), a, kms.ReEncryption{Blob: c.Blob, Source: kms.EBSAlias, Destination: k.ARN()})
	wantCode(t, "re-encrypt", err, kms.CodeNotFound)
}

// A row of a material that was changed, or moved to another place, is not used.
func TestBentMaterial(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a := root(alice, east)
	one, two := r.create(a, kms.NewKey{}), r.create(a, kms.NewKey{})
	r.update(func(tx *metadb.Tx) error {
		m, err := tx.KMSMaterial(east, one.ID, 1)
		if err != nil {
			return err
		}
		m.Key, m.Number = two.ID, 2
		if err := tx.PutKMSMaterial(m); err != nil {
			return err
		}
		_, err = tx.UpdateKMSKey(east, two.ID, func(k *origami.KMSKey) error {
			k.Material = 2
			return nil
		})
		return err
	})
	if _, err := r.Encrypt(t.Context(), a, two.ARN(), []byte("x"), nil); !errors.Is(err, keywrap.ErrDamaged) {
		t.Errorf("with the material of another key: got error %v, want ErrDamaged", err)
	}
	if _, err := r.Encrypt(t.Context(), a, one.ARN(), []byte("x"), nil); err != nil {
		t.Errorf("the key beside: %v", err)
	}
}

func BenchmarkEncryptDecrypt(b *testing.B) {
	r := newRig(b)
	a := root(alice, east)
	k := r.create(a, kms.NewKey{})
	plain := make([]byte, 32)
	for b.Loop() {
		c, err := r.Encrypt(b.Context(), a, string(k.ID), plain, kms.Context{"a": "b"})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Decrypt(b.Context(), a, "", c.Blob, kms.Context{"a": "b"}); err != nil {
			b.Fatal(err)
		}
	}
}
