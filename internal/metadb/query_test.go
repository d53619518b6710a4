package metadb_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"origami"
	"origami/internal/metadb"
)

// listed is what the model of a list knows of an image.
type listed struct {
	*origami.Image
	tags map[origami.AccountID]origami.Tags
}

// manyListed puts enough images that ways to them are long and short: of three
// accounts, some public, some shared, some gone, tagged by two accounts.
func manyListed(t *testing.T, db *metadb.DB) []listed {
	t.Helper()
	var all []listed
	update(t, db, func(tx *metadb.Tx) error {
		all = nil
		var snaps []*origami.Snapshot
		for n := range 3 {
			s := snapshot(alice)
			s.ID = origami.SnapshotID(fmt.Sprintf("snap-%017x", n))
			snaps = append(snaps, s)
			if err := tx.PutSnapshot(s); err != nil {
				return err
			}
		}
		if err := putOrganization(tx); err != nil {
			return err
		}
		for n := range 1500 {
			i := image(alice, fmt.Sprintf("golden-%04d", n))
			switch {
			case n%50 == 1:
				i.Owner = carol
			case n%5 == 2:
				i.Owner = bob
			}
			i.ID = origami.ImageID(fmt.Sprintf("ami-%017x", n*7919%1500)) // names and IDs in different orders
			i.Public = n%11 == 3
			if n%13 == 4 {
				i.SharedWith = []origami.AccountID{bob}
			}
			if n%19 == 6 {
				i.Organizations = []origami.OrganizationARN{whole.ARN()}
			} else if n%23 == 8 {
				i.Organizations = []origami.OrganizationARN{whole.UnitARN(unit)}
			}
			if n%17 == 5 {
				i.State = origami.ImageDeregistered
			} else if n%300 == 7 {
				i.State = origami.ImageFailed
			}
			if n < 1200 {
				mapped(i, snaps[0])
			} else if n%100 == 0 {
				mapped(i, snaps[1], snaps[2])
			}
			l := listed{i, map[origami.AccountID]origami.Tags{}}
			for _, a := range []origami.AccountID{alice, bob} {
				if a == bob && n%3 != 0 {
					continue
				}
				tags := origami.Tags{"env": "prod", "group": fmt.Sprint(n / 10)}
				if n%400 == 9 {
					tags["env"], tags["rare"] = "test", ""
				}
				l.tags[a] = tags
				if err := tx.PutTags(region, a, []string{string(i.ID)}, tags); err != nil {
					return err
				}
			}
			all = append(all, l)
			if err := tx.PutImage(i); err != nil {
				return err
			}
		}
		// What is no image does not count.
		return tx.PutTags(region, alice, []string{"vol-00000000000000001", "i-00000000000000001"}, origami.Tags{"env": "prod", "group": "7"})
	})
	slices.SortFunc(all, func(a, b listed) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

// whole is an organization that carol manages, and unit a part of it that bob is
// in.
var whole = &origami.Organization{ID: "o-0123456789", Management: carol}

const unit = origami.UnitID("ou-6789-01234567")

func putOrganization(tx *metadb.Tx) error {
	for _, a := range []origami.AccountID{alice, bob, carol} {
		if err := tx.PutAccount(&origami.Account{ID: a, Name: string(a)}); err != nil {
			return err
		}
	}
	return errors.Join(tx.PutOrganization(whole), tx.PutUnit(&origami.Unit{ID: unit, Organization: whole.ID, Name: "unit"}),
		tx.PutMembership(origami.Membership{Account: carol, Organization: whole.ID}),
		tx.PutMembership(origami.Membership{Account: bob, Organization: whole.ID, Unit: unit}))
}

// meaning are the grantees that mean an account.
var meaning = map[origami.AccountID][]string{
	alice: {string(alice)},
	bob:   {string(bob), string(whole.ARN()), string(whole.UnitARN(unit))},
	carol: {string(carol), string(whole.ARN())},
}

// shows is the model: whether a list shows an image.
func (l listed) shows(q metadb.Query) bool {
	grants := []string{}
	if l.Public {
		grants = append(grants, "all")
	}
	for _, a := range l.SharedWith {
		grants = append(grants, string(a))
	}
	for _, o := range l.Organizations {
		grants = append(grants, string(o))
	}
	granted := func(to string) bool { return slices.Contains(grants, to) }
	executable := func(by string) bool {
		switch {
		case by == string(q.Viewer):
			return slices.ContainsFunc(meaning[q.Viewer], granted)
		case by == "all", q.Viewer == metadb.System:
			return granted(by)
		}
		return l.Owner == q.Viewer && granted(by)
	}
	switch {
	case l.State == origami.ImageDeregistered,
		q.Viewer != metadb.System && l.Owner != q.Viewer && !granted("all") && !slices.ContainsFunc(meaning[q.Viewer], granted),
		len(q.IDs) > 0 && !slices.Contains(q.IDs, string(l.ID)),
		len(q.Owners) > 0 && !slices.Contains(q.Owners, l.Owner),
		len(q.ExecutableBy) > 0 && !slices.ContainsFunc(q.ExecutableBy, executable):
		return false
	}
	for _, f := range q.Filters {
		if !l.passes(q.Viewer, f) {
			return false
		}
	}
	return true
}

func (l listed) passes(viewer origami.AccountID, f origami.Filter) bool {
	var values []string
	tags := l.tags[viewer]
	key, isTag := strings.CutPrefix(f.Name, "tag:")
	switch {
	case isTag:
		if v, ok := tags[key]; ok {
			values = []string{v}
		}
	case f.Name == "tag-key":
		for k := range tags {
			values = append(values, k)
		}
	case f.Name == "block-device-mapping.snapshot-id":
		for _, s := range l.Snapshots() {
			values = append(values, string(s))
		}
	default:
		values = []string{map[string]string{"name": l.Name, "state": string(l.State), "image-id": string(l.ID), "owner-id": string(l.Owner)}[f.Name]}
	}
	return f.Match(values...)
}

// A list is what the model says, for any combination of conditions, in order,
// in pages of any size.
func TestQueryModel(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		all := manyListed(t, db)
		values := map[string][]string{
			"name":                             {"golden-0007", "golden-*", "golden-000*", "golden-01?5", "*7", "Golden*", "golden-0001", "go\\lden-0003", "x", ""},
			"state":                            {"available", "failed", "f*", "pending"},
			"image-id":                         {"ami-00000000000000007", "ami-0000000000000000*", "ami-00000000000000400", "ami-*"},
			"owner-id":                         {string(alice), string(bob), "1*"},
			"block-device-mapping.snapshot-id": {"snap-00000000000000000", "snap-00000000000000001", "snap-00000000000000002", "snap-*", "x"},
			"tag:env":                          {"prod", "test", "pro*", "*", "p?od", ""},
			"tag:group":                        {"7", "12*", "99", "7*", "*9", "1?"},
			"tag:rare":                         {"", "*", "x"},
			"tag-key":                          {"rare", "env", "gr*", "x", "*"},
		}
		var names []string
		for n := range values {
			names = append(names, n)
		}
		slices.Sort(names)
		accounts := []origami.AccountID{alice, bob, carol}
		rapid.Check(t, func(r *rapid.T) {
			q := metadb.Query{Region: region, Viewer: rapid.SampledFrom([]origami.AccountID{alice, bob, carol, metadb.System, "9"}).Draw(r, "viewer")}
			if rapid.IntRange(0, 4).Draw(r, "by owner") == 0 {
				q.Owners = rapid.SliceOfN(rapid.SampledFrom(accounts), 1, 3).Draw(r, "owners")
			}
			if rapid.IntRange(0, 6).Draw(r, "by grantee") == 0 {
				q.ExecutableBy = rapid.SliceOfN(rapid.SampledFrom([]string{"all", string(bob), string(alice)}), 1, 2).Draw(r, "executable by")
			}
			if rapid.IntRange(0, 8).Draw(r, "by id") == 0 {
				for _, n := range rapid.SliceOfN(rapid.IntRange(0, 1600), 1, 20).Draw(r, "ids") {
					q.IDs = append(q.IDs, fmt.Sprintf("ami-%017x", n))
				}
			}
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, rapid.ID[string]).Draw(r, "filters") {
				most := rapid.SampledFrom([]int{1, 1, 2, 4}).Draw(r, "values")
				chosen := rapid.SliceOfN(rapid.SampledFrom(values[name]), 1, most).Draw(r, name)
				if rapid.IntRange(0, 9).Draw(r, "many values") == 0 && name == "name" {
					for n := range 20 {
						chosen = append(chosen, fmt.Sprintf("golden-%04d", 50*n))
					}
				}
				q.Filters = append(q.Filters, origami.Filter{Name: name, Values: chosen})
			}
			q.Expect = rapid.SampledFrom([]int{0, 1, 7, 1001}).Draw(r, "expect")
			if rapid.Bool().Draw(r, "later page") {
				q.After = fmt.Sprintf("ami-%017x", rapid.IntRange(0, 1500).Draw(r, "after"))
			}
			var want, got []string
			for _, l := range all {
				if l.shows(q) && string(l.ID) > q.After {
					want = append(want, string(l.ID))
				}
			}
			view(t, db, func(tx *metadb.Tx) error {
				for i, err := range tx.Images(q) {
					if err != nil {
						return err
					}
					l := all[slices.IndexFunc(all, func(l listed) bool { return l.ID == i.ID })]
					if !slices.ContainsFunc(q.Filters, func(f origami.Filter) bool { return !l.passes(q.Viewer, f) }) {
						got = append(got, string(i.ID)) // as every caller does
					}
				}
				return nil
			})
			if !slices.Equal(got, want) {
				r.Fatalf("%+v:\ngot  %v\nwant %v", q, got, want)
			}
		})
	})
}
