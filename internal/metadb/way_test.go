package metadb

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"origami"
)

const (
	wayRegion = origami.Region("us-east-1")
	wayOwner  = origami.AccountID("111111111111")
	wayOther  = origami.AccountID("222222222222")
)

// wayDB is a database of images of two accounts. Every image has the tag
// env=prod, every tenth image of a thousand and some is in a group, and many
// have the same snapshot. The second account's last image is shared.
func wayDB(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "meta.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	err = db.Update(t.Context(), func(tx *Tx) error {
		snap := &origami.Snapshot{ID: "snap-00000000000000001", Region: wayRegion, Owner: wayOwner, State: origami.SnapshotCompleted, Volume: origami.NoVolume}
		if err := tx.PutSnapshot(snap); err != nil {
			return err
		}
		for n := range manyRows + 300 {
			i := &origami.Image{ID: origami.ImageID(fmt.Sprintf("ami-%017x", n)), Region: wayRegion, Owner: wayOwner,
				Name: fmt.Sprintf("golden-%05d", n), State: origami.ImageAvailable}
			if n%100 == 99 {
				i.Owner = wayOther
			}
			if n < 5 {
				i.BlockDevices = []origami.BlockDevice{{DeviceName: "/dev/sda1", EBS: &origami.EBSBlockDevice{Snapshot: snap.ID}}}
			}
			i.Public = n%200 == 199
			if err := tx.PutImage(i); err != nil {
				return err
			}
			tags := origami.Tags{"env": "prod", "group": fmt.Sprint(n / 10), "Name": i.Name}
			if err := tx.PutTags(wayRegion, wayOwner, []string{string(i.ID)}, tags); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// The hot queries take the index that they should, in order of ID, whatever
// else they ask for, and none reads a whole table or sorts one.
func TestWays(t *testing.T) {
	t.Parallel()
	db := wayDB(t)
	filters := func(pairs ...string) []origami.Filter {
		var out []origami.Filter
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, origami.Filter{Name: pairs[i], Values: strings.Split(pairs[i+1], ",")})
		}
		return out
	}
	const (
		byID     = "SEARCH t USING INDEX sqlite_autoindex_images_1 (region=? AND id=?)"
		byName   = "SEARCH t USING INDEX images_by_name (region=? AND name=?)"
		byOwner  = "SEARCH t USING INDEX images_by_owner (region=? AND owner=? AND id>?)"
		byTag    = "SEARCH d USING COVERING INDEX tags_by_value (region=? AND account=? AND name=? AND value=? AND resource>? AND resource<?)"
		byTagAny = "SEARCH d USING COVERING INDEX tags_by_value (region=? AND account=? AND name=? AND value>? AND value<?)"
		bySnap   = "SEARCH d USING PRIMARY KEY (region=? AND snapshot=? AND image>?)"
		granted  = "SEARCH d USING PRIMARY KEY (region=? AND account=? AND image>?)"
		thenID   = byID
	)
	self := []origami.AccountID{wayOwner}
	tests := []struct {
		name   string
		q      Query
		want   []string // the first steps of the plan
		sorted bool     // a few rows are put in order
	}{
		{"ids", Query{IDs: []string{"ami-1", "ami-2"}}, []string{byID}, false},
		{"id", Query{IDs: []string{"ami-1"}}, []string{byID}, false},
		{"ids and a common tag", Query{IDs: []string{"ami-1"}, Filters: filters("tag:env", "prod")}, []string{byID}, false},
		{"image-id filter", Query{Filters: filters("tag:env", "prod", "image-id", "ami-1")}, []string{byID}, false},
		{"name", Query{Filters: filters("name", "golden-00001")}, []string{"SEARCH t USING INDEX images_by_name (region=? AND name=? AND id>?)"}, false},
		{"name of mine", Query{Owners: self, Filters: filters("name", "golden-00001")}, []string{"SEARCH t USING INDEX images_by_name (region=? AND name=? AND id>?)"}, false},
		{"name and a common tag", Query{Owners: self, Filters: filters("tag:env", "prod", "name", "golden-00001")}, []string{"SEARCH t USING INDEX images_by_name (region=? AND name=? AND id>?)"}, false},
		{"many names", Query{Filters: filters("name", "a,b,c,d,e,f,g,h,i,j")}, []string{byName}, true},
		{"rare beginning", Query{Filters: filters("name", "golden-0000*")}, []string{"SEARCH t USING INDEX images_by_name (region=? AND name>? AND name<?)"}, true},
		{"common beginning", Query{Owners: self, Filters: filters("name", "golden-*")}, []string{byOwner}, false},
		{"owner", Query{Owners: self}, []string{byOwner}, false},
		{"rare tag", Query{Owners: self, Filters: filters("tag:group", "7")}, []string{byTag, thenID}, false},
		{"common tag", Query{Filters: filters("tag:env", "prod")}, []string{byTag, thenID}, false},
		{"common and rare tag", Query{Filters: filters("tag:env", "prod", "tag:group", "7")}, []string{byTag, thenID}, false},
		{"rare beginning of a tag", Query{Filters: filters("tag:env", "prod", "tag:group", "12*")}, []string{byTagAny, thenID}, true},
		{"key of a tag that all have", Query{Owners: self, Filters: filters("tag-key", "env")}, []string{byOwner}, false},
		{"rare and common beginning", Query{Filters: filters("name", "golden-*", "tag:group", "7")}, []string{byTag, thenID}, false},
		{"snapshot", Query{Filters: filters("block-device-mapping.snapshot-id", "snap-1")}, []string{bySnap, thenID}, false},
		{"snapshot and a common tag", Query{Filters: filters("tag:env", "prod", "block-device-mapping.snapshot-id", "snap-00000000000000001")}, []string{bySnap, thenID}, false},
		{"executable by all", Query{ExecutableBy: []string{"all"}}, []string{granted, thenID}, false},
		{"of another account", Query{Owners: []origami.AccountID{wayOther}}, []string{byOwner}, false},
	}
	for _, tt := range tests {
		tt.q.Region, tt.q.Viewer, tt.q.After = wayRegion, wayOwner, "ami-00000000000000000"
		plan := explain(t, db, tt.q)
		if len(plan) < len(tt.want) {
			t.Errorf("%s: got plan %q, want %q", tt.name, plan, tt.want)
			continue
		}
		for n, want := range tt.want {
			if plan[n] != want && !strings.HasPrefix(plan[n], strings.TrimSuffix(want, ")")+" AND id>?") {
				t.Errorf("%s: step %d is %q, want %q", tt.name, n, plan[n], want)
			}
		}
		if sorts := strings.Contains(strings.Join(plan, "\n"), "TEMP B-TREE"); sorts != tt.sorted {
			t.Errorf("%s: sorts is %t, want %t: %q", tt.name, sorts, tt.sorted, plan)
		}
		if strings.Contains(strings.Join(plan, "\n"), "SCAN t") {
			t.Errorf("%s: reads a whole table: %q", tt.name, plan)
		}
	}

	// Without any condition each part of what is visible is read in order.
	plan := strings.Join(explain(t, db, Query{Region: wayRegion, Viewer: wayOwner, After: "ami-1"}), "\n")
	for _, want := range []string{byOwner, granted} {
		if !strings.Contains(strings.ReplaceAll(plan, "COVERING INDEX", "INDEX"), want) {
			t.Errorf("visible: got plan\n%s\nwant %s in it", plan, want)
		}
	}
	if strings.Contains(plan, "SCAN t") || strings.Contains(plan, "FOR ORDER BY") {
		t.Errorf("visible: got plan\n%s\nwant no scan and no order to make", plan)
	}
}

// explain is SQLite's plan of the first page of a list.
func explain(t *testing.T, db *DB, q Query) []string {
	t.Helper()
	var plan []string
	err := db.View(t.Context(), func(tx *Tx) error {
		w, err := images.choose(tx, q)
		if err != nil {
			return err
		}
		query, args := images.page(tx.db.dialect, q, w, q.After, 100)
		plan, err = collect(tx, func(r *sql.Rows) (string, error) {
			var id, parent, unused int
			var detail string
			return detail, r.Scan(&id, &parent, &unused, &detail)
		}, "EXPLAIN QUERY PLAN "+query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestBeyond(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"": "", "a": "b", "ab": "ac", "a~": "a\x7f", "\u007f": "\u0080", "é": "ê", "\uD7FF": "\uE000",
		"a\U0010FFFF": "b", "\U0010FFFF": "", "\U0010FFFF\U0010FFFF": "", "ami-": "ami.",
	} {
		if got := beyond(prefix); got != want {
			t.Errorf("beyond(%q) = %q, want %q", prefix, got, want)
		}
		if want != "" && (want <= prefix || strings.HasPrefix(want, prefix) || want <= prefix+"\U0010FFFF") {
			t.Errorf("%q is not behind all that begin with %q", want, prefix)
		}
	}
}
