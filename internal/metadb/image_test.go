package metadb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/metadb"
)

func TestImageRoundTrip(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		yes := true
		s := snapshot(alice)
		want := mapped(image(alice, "n"), s)
		want.Description = `quotes " ' ? $1 \ and ünïcödé`
		want.StateReason = &origami.StateReason{Code: "c", Message: "m"}
		want.BlockDevices[0].EBS.DeleteOnTermination = &yes
		want.SharedWith = []origami.AccountID{bob}
		update(t, db, func(tx *metadb.Tx) error { return errors.Join(tx.PutSnapshot(s), tx.PutImage(want)) })
		view(t, db, func(tx *metadb.Tx) error {
			got, err := tx.Image(region, alice, want.ID)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("image changed in the database (-want +got):\n%s", diff)
			}
			return err
		})
	})
}

// visible are the images of the tests of visibility, by name: who owns them
// and who else may see them.
var visible = []struct {
	name   string
	owner  origami.AccountID
	public bool
	shared []origami.AccountID
	state  origami.ImageState
}{
	{name: "a-own", owner: alice},
	{name: "a-public", owner: alice, public: true},
	{name: "a-shared", owner: alice, shared: []origami.AccountID{bob}},
	{name: "a-both", owner: alice, public: true, shared: []origami.AccountID{bob, carol}},
	{name: "a-gone", owner: alice, public: true, state: origami.ImageDeregistered},
	{name: "b-own", owner: bob},
	{name: "b-self", owner: bob, shared: []origami.AccountID{bob}},
	{name: "b-pending", owner: bob, state: origami.ImagePending},
}

func putVisible(t *testing.T, db *metadb.DB) map[string]*origami.Image {
	t.Helper()
	all := map[string]*origami.Image{}
	update(t, db, func(tx *metadb.Tx) error {
		for n, v := range visible {
			i := image(v.owner, v.name)
			i.ID = origami.ImageID(fmt.Sprintf("ami-%017x", n)) // in the order of the table
			i.Public, i.SharedWith = v.public, v.shared
			if v.state != "" {
				i.State = v.state
			}
			all[v.name] = i
			if err := tx.PutImage(i); err != nil {
				return err
			}
		}
		other := image(alice, "elsewhere")
		other.Region, other.Public = "eu-west-1", true
		return tx.PutImage(other)
	})
	return all
}

func TestImageVisibility(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		all := putVisible(t, db)
		sees := map[origami.AccountID]string{
			alice:         "a-own a-public a-shared a-both",
			bob:           "a-public a-shared a-both b-own b-self b-pending",
			carol:         "a-public a-both",
			"":            "a-public a-both",
			"all":         "a-public a-both",
			metadb.System: "a-own a-public a-shared a-both b-own b-self b-pending",
		}
		for viewer, want := range sees {
			q := metadb.Query{Region: region, Viewer: viewer}
			if got := imageNames(t, db, q); got != want {
				t.Errorf("images of viewer %q: got %q, want %q", viewer, got, want)
			}
			for name, i := range all {
				if name == "a-gone" {
					continue
				}
				code := origami.CodeInvalidAMIIDNotFound
				if slices.Contains(strings.Fields(want), name) {
					code = ""
				}
				view(t, db, func(tx *metadb.Tx) error {
					_, err := tx.Image(region, viewer, i.ID)
					wantCode(t, fmt.Sprintf("%s seen by %q", name, viewer), err, code)
					wantCode(t, fmt.Sprintf("%s visible to %q", name, viewer), tx.Visible(region, viewer, string(i.ID)), code)
					_, err = tx.Image("eu-west-1", viewer, i.ID)
					wantCode(t, name+" in another region", err, origami.CodeInvalidAMIIDNotFound)
					return nil
				})
			}
		}
	})
}

func TestImageQuery(t *testing.T) {
	filter := func(name string, values ...string) []origami.Filter {
		return []origami.Filter{{Name: name, Values: values}}
	}
	tests := []struct {
		name string
		q    metadb.Query
		want string
	}{
		{"owner self", metadb.Query{Viewer: alice, Owners: []origami.AccountID{alice}}, "a-own a-public a-shared a-both"},
		{"owner other", metadb.Query{Viewer: bob, Owners: []origami.AccountID{alice}}, "a-public a-shared a-both"},
		{"owners", metadb.Query{Viewer: bob, Owners: []origami.AccountID{alice, bob}}, "a-public a-shared a-both b-own b-self b-pending"},
		{"executable by self", metadb.Query{Viewer: bob, ExecutableBy: []string{string(bob)}}, "a-shared a-both b-self"},
		{"executable by all", metadb.Query{Viewer: alice, ExecutableBy: []string{"all"}}, "a-public a-both"},
		{"executable by another", metadb.Query{Viewer: alice, ExecutableBy: []string{string(carol)}}, "a-both"},
		{"name", metadb.Query{Viewer: bob, Filters: filter("name", "a-public", "a-own")}, "a-public"},
		{"state", metadb.Query{Viewer: bob, Filters: filter("state", "pending")}, "b-pending"},
		{"owner-id", metadb.Query{Viewer: bob, Filters: filter("owner-id", string(bob))}, "b-own b-self b-pending"},
		{"gone by name", metadb.Query{Viewer: alice, Filters: filter("name", "a-gone")}, ""},
		{"a pattern narrows by its beginning", metadb.Query{Viewer: carol, Filters: filter("name", "a-b*x")}, "a-both"},
		{"a pattern without a beginning does not narrow", metadb.Query{Viewer: carol, Filters: filter("name", "?b*")}, "a-public a-both"},
		{"unknown filters do not narrow", metadb.Query{Viewer: carol, Filters: filter("x", "y")}, "a-public a-both"},
		{"text that no row can have", metadb.Query{Viewer: carol, Filters: filter("name", "a\x00", "\xff")}, "a-public a-both"},
		{"ids", metadb.Query{Viewer: bob, IDs: []string{"ami-00000000000000005", "ami-00000000000000000", "ami-00000000000000001",
			"ami-00000000000000001", "ami-99999999999999999"}}, "a-public b-own"},
		{"ids and limit", metadb.Query{Viewer: bob, Limit: 1, IDs: []string{"ami-00000000000000005", "ami-00000000000000001"}}, "a-public"},
		{"limit", metadb.Query{Viewer: bob, Limit: 2}, "a-public a-shared"},
		{"after", metadb.Query{Viewer: bob, Limit: 2, After: "ami-00000000000000002"}, "a-both b-own"},
		{"tag", metadb.Query{Viewer: bob, Filters: filter("tag:k", "v")}, "a-public"},
		{"tag of another account", metadb.Query{Viewer: alice, Filters: filter("tag:k", "v")}, "a-own"},
		{"tag-key", metadb.Query{Viewer: bob, Filters: filter("tag-key", "k", "other")}, "a-public b-own"},
		{"system", metadb.Query{Viewer: metadb.System, Limit: 3}, "a-own a-public a-shared"},
	}
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		all := putVisible(t, db)
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(
				tx.PutTags(region, alice, []string{string(all["a-own"].ID)}, origami.Tags{"k": "v"}),
				tx.PutTags(region, bob, []string{string(all["a-public"].ID), string(all["a-own"].ID)}, origami.Tags{"k": "v"}),
				tx.PutTags(region, bob, []string{string(all["b-own"].ID)}, origami.Tags{"k": "w"}),
			)
		})
		for _, tt := range tests {
			tt.q.Region = region
			if got := imageNames(t, db, tt.q); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
			}
		}
	})
}

// Pages of any size, put together, are the whole list, however long it is.
func TestImagePages(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		const n = 700 // more than the first two pieces that a list is read in
		var want []string
		update(t, db, func(tx *metadb.Tx) error {
			want = nil
			for k := range n {
				i := image([]origami.AccountID{alice, bob}[k%2], fmt.Sprint(k))
				i.ID = origami.ImageID(fmt.Sprintf("ami-%017x", k))
				i.Public = k%3 == 0
				if i.Owner == alice || i.Public {
					want = append(want, i.Name)
				}
				if err := tx.PutImage(i); err != nil {
					return err
				}
			}
			return nil
		})
		q := metadb.Query{Region: region, Viewer: alice}
		if got := imageNames(t, db, q); got != strings.Join(want, " ") {
			t.Errorf("whole list: got %q, want %q", got, want)
		}
		for _, limit := range []int{7, 256, 300} {
			var got []string
			after := ""
			for {
				page := 0
				view(t, db, func(tx *metadb.Tx) error {
					for i, err := range tx.Images(metadb.Query{Region: region, Viewer: alice, Limit: limit, After: after}) {
						if err != nil {
							return err
						}
						got = append(got, i.Name)
						after = string(i.ID)
						page++
					}
					return nil
				})
				if page < limit {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d: got %q, want %q", limit, got, want)
			}
		}
	})
}

func TestImageName(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		first := image(alice, "taken")
		put := func(i *origami.Image) error {
			return db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutImage(i) })
		}
		wantCode(t, "first", put(first), "")
		err := put(image(alice, "taken"))
		wantCode(t, "second", err, origami.CodeInvalidAMINameDuplicate)
		if want := "AMI name taken is already in use by AMI " + string(first.ID); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("second: got %v, want %q", err, want)
		}
		wantCode(t, "of another account", put(image(bob, "taken")), "")
		elsewhere := image(alice, "taken")
		elsewhere.Region = "eu-west-1"
		wantCode(t, "in another region", put(elsewhere), "")
		wantCode(t, "other case", put(image(alice, "Taken")), "")

		set := func(i *origami.Image, s origami.ImageState) error {
			return db.Update(t.Context(), func(tx *metadb.Tx) error {
				_, err := tx.UpdateImage(region, i.ID, func(i *origami.Image) error { i.State = s; return nil })
				return err
			})
		}
		for _, s := range []origami.ImageState{origami.ImagePending, origami.ImageFailed, origami.ImageDisabled} {
			wantCode(t, string(s), set(first, s), "")
			wantCode(t, "while "+string(s), put(image(alice, "taken")), origami.CodeInvalidAMINameDuplicate)
		}
		wantCode(t, "deregister", set(first, origami.ImageDeregistered), "")
		wantCode(t, "once deregistered", put(image(alice, "taken")), "")
		wantCode(t, "back from the dead", set(first, origami.ImageAvailable), origami.CodeInvalidAMINameDuplicate)
	})
}

// Of many that want a name at once, exactly one gets it.
func TestImageNameRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for n := range errs {
			wg.Go(func() {
				errs[n] = db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutImage(image(alice, "one")) })
			})
		}
		wg.Wait()
		won := 0
		for n, err := range errs {
			if err == nil {
				won++
				continue
			}
			wantCode(t, fmt.Sprint("loser ", n), err, origami.CodeInvalidAMINameDuplicate)
		}
		if won != 1 {
			t.Errorf("%d images got the name, want 1", won)
		}
	})
}

func TestDeregisteredImage(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		s := snapshot(alice)
		i := mapped(image(alice, "n"), s, s)
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(tx.PutSnapshot(s), tx.PutImage(i),
				tx.PutTags(region, alice, []string{string(i.ID), string(s.ID)}, origami.Tags{"k": "v"}))
		})
		err := db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.DeleteSnapshot(region, s.ID) })
		wantCode(t, "delete a mapped snapshot", err, origami.CodeInvalidSnapshotInUse)
		update(t, db, func(tx *metadb.Tx) error {
			users, err := tx.ImagesWithSnapshot(region, s.ID)
			if want := []origami.ImageID{i.ID}; !slices.Equal(users, want) {
				t.Errorf("images with the snapshot: got %v, want %v", users, want)
			}
			if err != nil {
				return err
			}
			_, err = tx.UpdateImage(region, i.ID, func(i *origami.Image) error { i.State = origami.ImageDeregistered; return nil })
			return err
		})
		update(t, db, func(tx *metadb.Tx) error {
			got, err := tx.Image(region, alice, i.ID)
			if err != nil || got.State != origami.ImageDeregistered {
				t.Errorf("deregistered image: got %v, %v", got, err)
			}
			wantCode(t, "visible", tx.Visible(region, alice, string(i.ID)), origami.CodeInvalidAMIIDNotFound)
			return tx.DeleteSnapshot(region, s.ID)
		})
		if got := imageNames(t, db, metadb.Query{Region: region, Viewer: alice}); got != "" {
			t.Errorf("list shows the deregistered image %q", got)
		}
		update(t, db, func(tx *metadb.Tx) error {
			if err := tx.DeleteImage(region, i.ID); err != nil {
				return err
			}
			wantCode(t, "delete again", tx.DeleteImage(region, i.ID), origami.CodeInvalidAMIIDNotFound)
			tags, err := tx.Tags(region, alice, string(i.ID), string(s.ID))
			if len(tags) != 0 {
				t.Errorf("tags of deleted resources: got %v, want none", tags)
			}
			return err
		})
	})
}

// Permissions follow the image: taken away, they are gone at once.
func TestImageGrantsChange(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		i := image(alice, "n")
		i.SharedWith = []origami.AccountID{bob, bob} // twice is once
		update(t, db, func(tx *metadb.Tx) error { return tx.PutImage(i) })
		bobs := metadb.Query{Region: region, Viewer: bob}
		if got := imageNames(t, db, bobs); got != "n" {
			t.Fatalf("shared image: bob sees %q", got)
		}
		update(t, db, func(tx *metadb.Tx) error {
			_, err := tx.UpdateImage(region, i.ID, func(i *origami.Image) error { i.SharedWith = nil; return nil })
			return err
		})
		if got := imageNames(t, db, bobs); got != "" {
			t.Errorf("image no longer shared: bob sees %q", got)
		}
	})
}

func TestUpdateImageRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		i := image(alice, "n")
		update(t, db, func(tx *metadb.Tx) error { return tx.PutImage(i) })
		refuse := origami.Errorf(origami.CodeIncorrectState, "no")
		err := db.Update(t.Context(), func(tx *metadb.Tx) error {
			_, err := tx.UpdateImage(region, i.ID, func(i *origami.Image) error { i.Name = "changed"; return refuse })
			if !errors.Is(err, refuse) {
				t.Errorf("got error %v, want %v", err, refuse)
			}
			_, err = tx.UpdateImage(region, i.ID, func(i *origami.Image) error { i.Owner = bob; return nil })
			if err == nil {
				t.Error("an update changed the owner")
			}
			_, err = tx.UpdateImage(region, "ami-00000000000000000", func(*origami.Image) error { return nil })
			wantCode(t, "unknown image", err, origami.CodeInvalidAMIIDNotFound)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := imageNames(t, db, metadb.Query{Region: region, Viewer: alice}); got != "n" {
			t.Errorf("name after a refused update: got %q, want n", got)
		}
	})
}
