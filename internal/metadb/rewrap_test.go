package metadb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/metadb"
)

// TestAllKMSMaterials goes through the materials of all keys in pages of every
// length, and seals them anew.
func TestAllKMSMaterials(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		one, two := kmsKey("00000000-0000-0000-0000-000000000001", alice), kmsKey("00000000-0000-0000-0000-000000000002", bob)
		abroad := *one
		abroad.Region = "eu-west-1"
		var want []*origami.KMSMaterial
		update(t, db, func(tx *metadb.Tx) error {
			want = nil
			var errs []error
			for _, k := range []*origami.KMSKey{&abroad, one, two} { // in their order
				errs = append(errs, tx.PutKMSKey(k))
				for n := 1; n <= 11; n++ { // 10 comes after 9
					m := &origami.KMSMaterial{Key: k.ID, Region: k.Region, Number: n, ID: "m", Created: k.Created, Sealed: []byte{1, byte(n)}}
					want = append(want, m)
					errs = append(errs, tx.PutKMSMaterial(m))
				}
			}
			return errors.Join(errs...)
		})
		for _, page := range []int{1, 4, 11, 33, 100} {
			view(t, db, func(tx *metadb.Tx) error {
				var got []*origami.KMSMaterial
				var last *origami.KMSMaterial
				for {
					rows, err := tx.AllKMSMaterials(last, page)
					if err != nil || len(rows) > page {
						t.Fatalf("%d rows in a page of %d, %v", len(rows), page, err)
					}
					if len(rows) == 0 {
						break
					}
					got = append(got, rows...)
					last = rows[len(rows)-1]
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("in pages of %d (-want +got):\n%s", page, diff)
				}
				return nil
			})
		}
		update(t, db, func(tx *metadb.Tx) error {
			want[5].Sealed = []byte{9, 9, 9}
			if err := tx.SealKMSMaterial(want[5]); err != nil {
				return err
			}
			none := *want[5]
			none.Number = 99
			if err := tx.SealKMSMaterial(&none); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("a material that there is not: got error %v", err)
			}
			got, err := tx.AllKMSMaterials(nil, 100)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("after one was sealed anew (-want +got):\n%s", diff)
			}
			return err
		})
	})
}

// TestVolumesRekeyed finds volumes by what they began with and their key, in every
// region and account.
func TestVolumesRekeyed(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		put := func(tx *metadb.Tx, in origami.Region, owner origami.AccountID, key, from string) *origami.Volume {
			v := &origami.Volume{ID: origami.NewVolumeID(), Region: in, Owner: owner, Zone: string(in) + "a", Size: 1, Type: "gp3",
				State: origami.VolumeAvailable, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Encrypted: key != "", KMSKey: key}
			if from != "" {
				v.Rekeyed = &origami.VolumeRekeyed{From: from, Root: "to"}
			}
			if err := tx.PutVolume(v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		var first, second, abroad, other, later *origami.Volume
		update(t, db, func(tx *metadb.Tx) error {
			first, second = put(tx, region, alice, "k1", "a"), put(tx, region, bob, "k1", "a")
			abroad = put(tx, "eu-west-1", alice, "k1", "a")
			other = put(tx, region, alice, "k2", "a")
			later = put(tx, region, alice, "k1", "")
			put(tx, region, alice, "", "")
			put(tx, region, alice, "k1", "b")
			return nil
		})
		find := func(from, key string, limit int) (ids []origami.VolumeID) {
			view(t, db, func(tx *metadb.Tx) error {
				all, err := tx.VolumesRekeyed(from, key, limit)
				ids = nil
				for _, v := range all {
					ids = append(ids, v.ID)
				}
				return err
			})
			return ids
		}
		here := []origami.VolumeID{min(first.ID, second.ID), max(first.ID, second.ID)}
		if diff := cmp.Diff(append([]origami.VolumeID{abroad.ID}, here...), find("a", "k1", 10)); diff != "" {
			t.Errorf("of one key (-want +got):\n%s", diff)
		}
		if got := find("a", "k1", 2); len(got) != 2 {
			t.Errorf("two of them: %v", got)
		}
		if diff := cmp.Diff([]origami.VolumeID{other.ID}, find("a", "k2", 10)); diff != "" {
			t.Errorf("of another key (-want +got):\n%s", diff)
		}
		if got := append(find("", "", 10), find("b", "k2", 10)...); len(got) != 0 {
			t.Errorf("of nothing: %v", got)
		}
		update(t, db, func(tx *metadb.Tx) error {
			_, err := tx.UpdateVolume(region, later.ID, func(v *origami.Volume) error {
				v.Rekeyed = &origami.VolumeRekeyed{From: "a", Root: "to"}
				return nil
			})
			return errors.Join(err, tx.DeleteVolume("eu-west-1", abroad.ID), tx.DeleteVolume(region, first.ID))
		})
		want := []origami.VolumeID{min(second.ID, later.ID), max(second.ID, later.ID)}
		if diff := cmp.Diff(want, find("a", "k1", 10)); diff != "" {
			t.Errorf("after two were deleted and one was encrypted (-want +got):\n%s", diff)
		}
	})
}
