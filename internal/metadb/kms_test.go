package metadb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/metadb"
)

func kmsKey(id origami.KMSKeyID, owner origami.AccountID) *origami.KMSKey {
	return &origami.KMSKey{
		ID: id, Region: region, Owner: owner, State: origami.KMSKeyEnabled, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Policy: "{}", Tags: origami.Tags{"a": "b"}, Material: 1,
	}
}

func TestKMSKeys(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		k := kmsKey("mrk-00000000000000000000000000000001", alice)
		elsewhere := *k
		elsewhere.Region = "eu-west-1"
		foreign := kmsKey("00000000-0000-0000-0000-000000000002", bob)
		m := &origami.KMSMaterial{Key: k.ID, Region: region, Number: 1, ID: "m1", Created: k.Created, Sealed: []byte{1, 2}}
		update(t, db, func(tx *metadb.Tx) error {
			if err := errors.Join(tx.PutKMSKey(k), tx.PutKMSKey(&elsewhere), tx.PutKMSKey(foreign), tx.PutKMSMaterial(m)); err != nil {
				return err
			}
			_, err := tx.KMSMaterial(region, k.ID, 2)
			if !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("missing material: got error %v", err)
			}
			_, err = tx.KMSKey(region, "00000000-0000-0000-0000-000000000009")
			if !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("missing key: got error %v", err)
			}
			return nil
		})
		view(t, db, func(tx *metadb.Tx) error {
			got, err := tx.KMSKey(region, k.ID)
			if diff := cmp.Diff(k, got); diff != "" || err != nil {
				t.Errorf("key: %v (-want +got):\n%s", err, diff)
			}
			both, err := tx.KMSKeysOf(k.ID)
			if diff := cmp.Diff([]*origami.KMSKey{&elsewhere, k}, both); diff != "" || err != nil {
				t.Errorf("family: %v (-want +got):\n%s", err, diff)
			}
			rows, err := tx.KMSMaterials(region, k.ID)
			if diff := cmp.Diff([]*origami.KMSMaterial{m}, rows); diff != "" || err != nil {
				t.Errorf("materials: %v (-want +got):\n%s", err, diff)
			}
			for k, err := range tx.KMSKeys(metadb.Query{Region: region, Viewer: bob}) {
				if err != nil || k.ID != foreign.ID {
					t.Errorf("keys of bob: %+v, %v", k, err)
				}
			}
			return nil
		})
	})
}

func TestKMSKeysDue(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		at := func(days int) time.Time { return time.Date(2026, 1, 1+days, 0, 0, 0, 0, time.UTC) }
		keys := map[origami.KMSKeyID]*origami.KMSKey{}
		for id, change := range map[origami.KMSKeyID]func(*origami.KMSKey){
			"00000000-0000-0000-0000-000000000001": func(k *origami.KMSKey) {},
			"00000000-0000-0000-0000-000000000002": func(k *origami.KMSKey) { k.NextRotation = at(3) },
			"00000000-0000-0000-0000-000000000003": func(k *origami.KMSKey) { k.NextRotation, k.State = at(1), origami.KMSKeyDisabled },
			"00000000-0000-0000-0000-000000000004": func(k *origami.KMSKey) {
				k.NextRotation, k.Deletion, k.State = at(9), at(2), origami.KMSKeyPendingDeletion
			},
			"00000000-0000-0000-0000-000000000005": func(k *origami.KMSKey) { k.NextRotation = at(4) },
		} {
			keys[id] = kmsKey(id, alice)
			change(keys[id])
		}
		update(t, db, func(tx *metadb.Tx) error {
			for _, k := range keys {
				if err := tx.PutKMSKey(k); err != nil {
					return err
				}
			}
			return nil
		})
		view(t, db, func(tx *metadb.Tx) error {
			due, err := tx.KMSKeysDue(at(3), 10)
			want := []*origami.KMSKey{keys["00000000-0000-0000-0000-000000000004"], keys["00000000-0000-0000-0000-000000000002"]}
			if diff := cmp.Diff(want, due); diff != "" || err != nil {
				t.Errorf("due: %v (-want +got):\n%s", err, diff)
			}
			return nil
		})
	})
}

func TestKMSAliasesAndGrants(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		k, other := kmsKey("00000000-0000-0000-0000-000000000001", alice), kmsKey("00000000-0000-0000-0000-000000000002", alice)
		a := &origami.KMSAlias{Name: "alias/x", Region: region, Owner: alice, Key: k.ID, Created: k.Created, Updated: k.Created}
		g := &origami.KMSGrant{
			ID: "g1", Region: region, Owner: alice, Key: k.ID, Grantee: "bob", Retiring: "carol", Operations: []string{"Decrypt"},
			Created: k.Created, ContextSubset: map[string]string{"a": "b"},
		}
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutKMSKey(k), tx.PutKMSKey(other), tx.PutKMSAlias(a), tx.PutKMSGrant(g))
		})
		update(t, db, func(tx *metadb.Tx) error {
			got, err := tx.KMSAlias(region, alice, "alias/x")
			if diff := cmp.Diff(a, got); diff != "" || err != nil {
				t.Errorf("alias: %v (-want +got):\n%s", err, diff)
			}
			if _, err := tx.KMSAlias(region, bob, "alias/x"); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("alias of another account: got error %v", err)
			}
			for _, filter := range []origami.Filter{
				{Name: "key-id", Values: []string{string(k.ID)}}, {Name: "grantee-principal", Values: []string{"bob"}},
				{Name: "retiring-principal", Values: []string{"carol"}},
			} {
				n := 0
				for found, err := range tx.KMSGrants(metadb.Query{Region: region, Viewer: metadb.System, Filters: []origami.Filter{filter}}) {
					if diff := cmp.Diff(g, found); diff != "" || err != nil {
						t.Errorf("grant: %v (-want +got):\n%s", err, diff)
					}
					n++
				}
				if n != 1 {
					t.Errorf("%s: got %d grants, want 1", filter.Name, n)
				}
			}
			return tx.UpdateKMSAlias(region, alice, "alias/x", func(a *origami.KMSAlias) { a.Key = other.ID })
		})
		update(t, db, func(tx *metadb.Tx) error {
			if err := tx.DeleteKMSKey(region, other.ID); err != nil {
				return err
			}
			if _, err := tx.KMSAlias(region, alice, "alias/x"); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("alias of a key that is gone: got error %v", err)
			}
			return tx.DeleteKMSGrant(region, "g1")
		})
		view(t, db, func(tx *metadb.Tx) error {
			if _, err := tx.KMSGrant(region, "g1"); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("grant that is gone: got error %v", err)
			}
			return nil
		})
	})
}
