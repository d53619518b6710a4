package metadb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/metadb"
)

// TestOrganizations keeps organizations, units and members, and knows by which
// grantees an account is meant.
func TestOrganizations(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error { return putOrganization(tx) })
		update(t, db, func(tx *metadb.Tx) error {
			for account, want := range meaning {
				got, err := tx.Principals(account)
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("%s (-want +got): %v\n%s", account, err, diff)
				}
			}
			// What was looked up is not believed after a change.
			if err := tx.DeleteMembership(bob); err != nil {
				return err
			}
			got, err := tx.Principals(bob)
			if diff := cmp.Diff([]string{string(bob)}, got); diff != "" || err != nil {
				t.Errorf("bob outside (-want +got): %v\n%s", err, diff)
			}
			if err := tx.DeleteMembership(bob); !errors.Is(err, metadb.ErrNotFound) {
				t.Errorf("left twice: got %v, want %v", err, metadb.ErrNotFound)
			}
			return nil
		})
		for name, change := range map[string]func(tx *metadb.Tx) error{
			"a second organization": func(tx *metadb.Tx) error {
				return tx.PutOrganization(&origami.Organization{ID: "o-9999999999", Management: carol})
			},
			"a unit's name": func(tx *metadb.Tx) error {
				return tx.PutUnit(&origami.Unit{ID: "ou-9999-99999999", Organization: whole.ID, Name: "unit"})
			},
		} {
			err := db.Update(t.Context(), change)
			if !errors.Is(err, &origami.Error{Code: origami.CodeInvalidParameterValue}) {
				t.Errorf("%s: got %v, want InvalidParameterValue", name, err)
			}
		}
	})
}

// TestImageCounts counts what fills quotas, and lists images by state.
func TestImageCounts(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		stay := &origami.BinStay{Entered: time.Unix(1, 0).UTC(), Exit: time.Unix(2, 0).UTC()}
		update(t, db, func(tx *metadb.Tx) error {
			for name, change := range map[string]func(*origami.Image){
				"private": func(*origami.Image) {}, "public": func(i *origami.Image) { i.Public = true },
				"disabled": func(i *origami.Image) { i.State = origami.ImageDisabled },
				"failed":   func(i *origami.Image) { i.State = origami.ImageFailed },
				"binned":   func(i *origami.Image) { i.State, i.Bin = origami.ImageBinned, stay },
				"binned public": func(i *origami.Image) {
					i.State, i.Bin, i.Public = origami.ImageBinned, stay, true
				},
				"gone public": func(i *origami.Image) { i.State, i.Public = origami.ImageDeregistered, true },
			} {
				i := image(alice, name)
				change(i)
				if err := tx.PutImage(i); err != nil {
					return err
				}
			}
			return tx.PutImage(image(bob, "bob's"))
		})
		update(t, db, func(tx *metadb.Tx) error {
			n, err := tx.CountImages(region, alice)
			if n != 5 || err != nil {
				t.Errorf("got %d images, %v, want 5", n, err)
			}
			if n, err = tx.CountPublicImages(region, alice); n != 2 || err != nil {
				t.Errorf("got %d public images, %v, want 2", n, err)
			}
			binned := 0
			for i, err := range tx.BinnedImages(metadb.Query{Region: region, Viewer: alice}) {
				if err != nil || !i.Bin.Exit.Equal(stay.Exit) {
					t.Errorf("got %+v, %v", i, err)
				}
				binned++
			}
			for i, err := range tx.BinnedImages(metadb.Query{Region: region, Viewer: bob}) {
				t.Errorf("bob sees %+v, %v in the bin", i, err)
			}
			first, err := tx.ImagesInState(origami.ImageBinned, "", "", 1)
			if err != nil || len(first) != 1 || binned != 2 {
				t.Fatalf("got %d in the bin and %v, %v, want 2 and 1", binned, first, err)
			}
			rest, err := tx.ImagesInState(origami.ImageBinned, first[0].Region, first[0].ID, 10)
			if err != nil || len(rest) != 1 || rest[0].ID == first[0].ID {
				t.Errorf("got %v, %v behind the first, want the other", rest, err)
			}
			return nil
		})
	})
}

// TestImageUsageReports keeps reports until they expire.
func TestImageUsageReports(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		expires := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
		r := &origami.ImageUsageReport{
			ID: origami.NewImageUsageReportID(), Region: region, Owner: alice, Image: "ami-0123456789abcdef0", State: "available", Expires: expires,
			Uses:     []origami.ImageUse{{Resource: origami.LaunchTemplateResource, Depth: 20}, {Resource: origami.InstanceResource, States: []string{"running"}}},
			Accounts: []origami.AccountID{bob}, Entries: []origami.ImageUsage{{Account: bob, Resource: origami.InstanceResource, Count: 3}},
		}
		update(t, db, func(tx *metadb.Tx) error { return tx.PutImageUsageReport(r) })
		update(t, db, func(tx *metadb.Tx) error {
			got, err := tx.ImageUsageReport(region, alice, r.ID)
			if diff := cmp.Diff(r, got); diff != "" || err != nil {
				t.Errorf("(-want +got): %v\n%s", err, diff)
			}
			if _, err := tx.ImageUsageReport(region, bob, r.ID); !errors.Is(err, &origami.Error{Code: "InvalidImageUsageReportId.NotFound"}) {
				t.Errorf("bob: got %v", err)
			}
			for at, want := range map[time.Time]int{expires: 1, expires.Add(-time.Microsecond): 0} {
				if found, err := tx.ExpiredImageUsageReports(at, 10); len(found) != want || err != nil {
					t.Errorf("expired at %v: got %d, %v, want %d", at, len(found), err, want)
				}
			}
			return tx.DeleteImageUsageReport(region, r.ID)
		})
	})
}

// TestOwnerAliases sets, exchanges and removes aliases.
func TestOwnerAliases(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error { return putOrganization(tx) })
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.SetOwnerAlias(alice, "amazon"), tx.SetOwnerAlias(bob, "amazon"), tx.SetOwnerAlias(bob, "aws-marketplace"),
				tx.SetOwnerAlias(carol, "amazon"), tx.SetOwnerAlias(carol, ""))
		})
		update(t, db, func(tx *metadb.Tx) error {
			got, err := tx.OwnerAliases()
			if diff := cmp.Diff(map[origami.AccountID]string{alice: "amazon", bob: "aws-marketplace"}, got); diff != "" {
				t.Errorf("(-want +got): %v\n%s", err, diff)
			}
			return err
		})
	})
}
