package metadb_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"origami"
	"origami/internal/metadb"
)

func TestTags(t *testing.T) {
	pointer := func(s string) *string { return &s }
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		const i, j = "ami-00000000000000001", "vol-00000000000000002"
		tags := func() map[string]origami.Tags {
			var got map[string]origami.Tags
			view(t, db, func(tx *metadb.Tx) (err error) { got, err = tx.Tags(region, alice, i, j); return err })
			return got
		}
		steps := []struct {
			name string
			do   func(tx *metadb.Tx) error
			want map[string]origami.Tags
		}{
			{"put", func(tx *metadb.Tx) error {
				return tx.PutTags(region, alice, []string{i, j}, origami.Tags{"a": "1", "b": "", "": "x"})
			}, map[string]origami.Tags{i: {"a": "1", "b": "", "": "x"}, j: {"a": "1", "b": "", "": "x"}}},
			{"overwrite", func(tx *metadb.Tx) error {
				return tx.PutTags(region, alice, []string{i}, origami.Tags{"a": "2", "A": "3"})
			}, map[string]origami.Tags{i: {"a": "2", "A": "3", "b": "", "": "x"}, j: {"a": "1", "b": "", "": "x"}}},
			{"another account and region", func(tx *metadb.Tx) error {
				return errors.Join(tx.PutTags(region, bob, []string{i}, origami.Tags{"a": "bob"}),
					tx.PutTags("eu-west-1", alice, []string{i}, origami.Tags{"a": "eu"}))
			}, map[string]origami.Tags{i: {"a": "2", "A": "3", "b": "", "": "x"}, j: {"a": "1", "b": "", "": "x"}}},
			{"delete by key", func(tx *metadb.Tx) error {
				return tx.DeleteTags(region, alice, []string{i, j}, map[string]*string{"a": nil, "absent": nil})
			}, map[string]origami.Tags{i: {"A": "3", "b": "", "": "x"}, j: {"b": "", "": "x"}}},
			{"delete by value", func(tx *metadb.Tx) error {
				return tx.DeleteTags(region, alice, []string{i, j}, map[string]*string{"A": pointer("4"), "b": pointer("")})
			}, map[string]origami.Tags{i: {"A": "3", "": "x"}, j: {"": "x"}}},
			{"delete all", func(tx *metadb.Tx) error {
				return tx.DeleteTags(region, alice, []string{i}, nil)
			}, map[string]origami.Tags{j: {"": "x"}}},
		}
		for _, s := range steps {
			update(t, db, s.do)
			if diff := cmp.Diff(s.want, tags()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", s.name, diff)
			}
		}
		view(t, db, func(tx *metadb.Tx) error {
			got, err := tx.Tags(region, bob, i)
			if diff := cmp.Diff(map[string]origami.Tags{i: {"a": "bob"}}, got); diff != "" {
				t.Errorf("tags of bob (-want +got):\n%s", diff)
			}
			return err
		})
	})
}

func TestTagLimit(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		const i = "ami-00000000000000001"
		many := origami.Tags{}
		for n := range origami.MaxTags {
			many[fmt.Sprint(n)] = "v"
		}
		put := func(tags origami.Tags) error {
			return db.Update(t.Context(), func(tx *metadb.Tx) error { return tx.PutTags(region, alice, []string{i}, tags) })
		}
		wantCode(t, "50 tags", put(many), "")
		wantCode(t, "other values", put(many), "")
		wantCode(t, "one more", put(origami.Tags{"more": ""}), origami.CodeTagLimitExceeded)
		view(t, db, func(tx *metadb.Tx) error {
			got, err := tx.Tags(region, alice, i)
			if len(got[i]) != origami.MaxTags {
				t.Errorf("got %d tags after the refusal, want %d", len(got[i]), origami.MaxTags)
			}
			return err
		})
	})
}

func TestTagText(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		for _, bad := range []origami.Tags{{"a\x00": "v"}, {"a": "\x00"}, {"a": "\xff"}} {
			err := db.Update(t.Context(), func(tx *metadb.Tx) error {
				return tx.PutTags(region, alice, []string{"ami-00000000000000001"}, bad)
			})
			wantCode(t, fmt.Sprintf("%q", bad), err, origami.CodeInvalidParameterValue)
		}
	})
}

func TestAllTags(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		update(t, db, func(tx *metadb.Tx) error {
			return errors.Join(
				tx.PutTags(region, alice, []string{"ami-1", "vol-2"}, origami.Tags{"a": "1", "b": "2"}),
				tx.PutTags(region, alice, []string{"snap-3"}, origami.Tags{"b": "3"}),
				tx.PutTags(region, bob, []string{"ami-1"}, origami.Tags{"a": "bob"}))
		})
		tests := []struct {
			name string
			q    metadb.TagQuery
			want string
		}{
			{"all", metadb.TagQuery{}, "ami-1:a=1 ami-1:b=2 snap-3:b=3 vol-2:a=1 vol-2:b=2"},
			{"resource", metadb.TagQuery{Filters: []origami.Filter{{Name: "resource-id", Values: []string{"ami-1"}}}}, "ami-1:a=1 ami-1:b=2"},
			{"key and value", metadb.TagQuery{Filters: []origami.Filter{{Name: "key", Values: []string{"b"}},
				{Name: "value", Values: []string{"3", "4"}}}}, "snap-3:b=3"},
			{"tag", metadb.TagQuery{Filters: []origami.Filter{{Name: "tag:a", Values: []string{"1"}}}}, "ami-1:a=1 vol-2:a=1"},
			{"pattern", metadb.TagQuery{Filters: []origami.Filter{{Name: "key", Values: []string{"z*"}}}}, "ami-1:a=1 ami-1:b=2 snap-3:b=3 vol-2:a=1 vol-2:b=2"},
			{"page", metadb.TagQuery{Limit: 2, After: metadb.Tag{Resource: "ami-1", Key: "a"}}, "ami-1:b=2 snap-3:b=3"},
		}
		for _, tt := range tests {
			tt.q.Region, tt.q.Account = region, alice
			var got []string
			view(t, db, func(tx *metadb.Tx) error {
				got = nil
				for tag, err := range tx.AllTags(tt.q) {
					if err != nil {
						return err
					}
					got = append(got, tag.Resource+":"+tag.Key+"="+tag.Value)
				}
				return nil
			})
			if want := strings.Fields(tt.want); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", tt.name, got, want)
			}
		}
	})
}

// The tags of many resources are the same whether they lie close together,
// where they are read in passing, or among many others.
func TestTagsOfMany(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		const n = 600
		ids := make([]string, n)
		want := map[string]origami.Tags{}
		update(t, db, func(tx *metadb.Tx) error {
			for k := range ids {
				ids[k] = fmt.Sprintf("ami-%017x", 16*k)
				if k%7 == 3 {
					continue // without tags
				}
				want[ids[k]] = origami.Tags{"Name": fmt.Sprint("n", k), `quo"te\ünï` + "\u2028": "<&>\t'"}
				if err := tx.PutTags(region, alice, ids[k:k+1], want[ids[k]]); err != nil {
					return err
				}
				if err := tx.PutTags(region, bob, ids[k:k+1], origami.Tags{"Name": "of bob"}); err != nil {
					return err
				}
			}
			return nil
		})
		every := func(step, last int) []string {
			var some []string
			for k := 0; k < last; k += step {
				some = append(some, ids[k])
			}
			return some
		}
		backwards := slices.Clone(ids)
		slices.Reverse(backwards)
		for name, asked := range map[string][]string{
			"none": nil, "one": ids[5:6], "few": ids[:63], "page": ids[100:300], "all": ids, "every second": every(2, n),
			"every fourth": every(4, n), "every ninth": every(9, n), "ends": append(slices.Clone(ids[:80]), ids[n-1]),
			"backwards": backwards, "between": append([]string{"ami-00000000000000001"}, append(slices.Clone(ids[1:70]), "ami-fffffffffffffffff")...),
			"twice": append(slices.Clone(ids[:70]), ids[69]),
		} {
			view(t, db, func(tx *metadb.Tx) error {
				got, err := tx.Tags(region, alice, asked...)
				for id, tags := range got {
					if !slices.Contains(asked, id) || !maps.Equal(tags, want[id]) {
						t.Errorf("%s: tags of %s: got %v, want %v", name, id, tags, want[id])
					}
				}
				for _, id := range asked {
					if _, ok := got[id]; ok != (want[id] != nil) {
						t.Errorf("%s: tags of %s: got %v, want %v", name, id, got[id], want[id])
					}
				}
				return err
			})
		}
	})
}

// A thing that has several of the tags, or of the snapshots, that a filter
// names is listed once, and none is missing from a page for that.
func TestListedOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, db *metadb.DB) {
		var shots []*origami.Snapshot
		var names, want []string
		update(t, db, func(tx *metadb.Tx) error {
			shots, names, want = nil, nil, nil
			for range 10 {
				s := snapshot(alice)
				shots, names = append(shots, s), append(names, string(s.ID))
				if err := tx.PutSnapshot(s); err != nil {
					return err
				}
			}
			for n := range 5 {
				i := mapped(image(alice, fmt.Sprint(n)), shots...)
				want = append(want, string(i.ID))
				err := errors.Join(tx.PutImage(i), tx.PutTags(region, alice, []string{string(i.ID)}, origami.Tags{"group": "g", "grade": "1", "rare": ""}))
				if err != nil {
					return err
				}
			}
			return nil
		})
		slices.Sort(want)
		for _, f := range []origami.Filter{
			{Name: "tag-key", Values: []string{"group", "rare"}},
			{Name: "tag-key", Values: []string{"gr*", "rare"}},
			{Name: "tag-key", Values: []string{"gr*"}},
			{Name: "block-device-mapping.snapshot-id", Values: names},
		} {
			var got []string
			view(t, db, func(tx *metadb.Tx) error {
				got = nil
				q := metadb.Query{Region: region, Viewer: alice, Filters: []origami.Filter{f}, Limit: 2}
				for {
					page := 0
					for i, err := range tx.Images(q) {
						if err != nil {
							return err
						}
						got, page, q.After = append(got, string(i.ID)), page+1, string(i.ID)
					}
					if page < 2 {
						return nil
					}
				}
			})
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("%s %q (-got +want):\n%s", f.Name, f.Values, diff)
			}
		}
	})
}
