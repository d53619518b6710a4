package rbin_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/rbin"
)

var (
	alice = origami.Caller{Account: "111111111111", Region: "us-east-1"}
	bob   = origami.Caller{Account: "222222222222", Region: "us-east-1"}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func open(t *testing.T) *metadb.DB {
	t.Helper()
	db, err := metadb.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func create(t *testing.T, db *metadb.DB, r origami.RetentionRule) (made *origami.RetentionRule, err error) {
	t.Helper()
	err = db.Update(t.Context(), func(tx *metadb.Tx) (err error) {
		made, err = rbin.Create(tx, alice, r, noon)
		return err
	})
	return made, err
}

func is(err error, code origami.Code, reason origami.Reason) bool {
	var e *origami.Error
	return errors.As(err, &e) && e.Code == code && e.Reason == reason
}

func TestCreate(t *testing.T) {
	t.Parallel()
	db := open(t)
	pair := origami.ResourceTag{Key: "k", Value: "v"}
	pairs := func(n int) (all []origami.ResourceTag) {
		for i := range n {
			all = append(all, origami.ResourceTag{Key: fmt.Sprint(i)})
		}
		return all
	}
	const kind = origami.RetainSnapshots
	for name, r := range map[string]origami.RetentionRule{
		"no kind":              {Days: 1},
		"unknown kind":         {Days: 1, Kind: "EBS_VOLUMES"},
		"volumes for 8 days":   {Days: 8, Kind: origami.RetainVolumes},
		"volumes for no days":  {Kind: origami.RetainVolumes},
		"no days":              {Kind: kind},
		"a year and a day":     {Kind: kind, Days: 366},
		"include and exclude":  {Kind: kind, Days: 1, Include: []origami.ResourceTag{pair}, Exclude: []origami.ResourceTag{pair}},
		"51 tags":              {Kind: kind, Days: 1, Include: pairs(51)},
		"6 exclusion tags":     {Kind: kind, Days: 1, Exclude: pairs(6)},
		"the same tag twice":   {Kind: kind, Days: 1, Include: []origami.ResourceTag{pair, pair}},
		"no key":               {Kind: kind, Days: 1, Include: []origami.ResourceTag{{Value: "v"}}},
		"long value":           {Kind: kind, Days: 1, Include: []origami.ResourceTag{{Key: "k", Value: strings.Repeat("v", 257)}}},
		"lock with tags":       {Kind: kind, Days: 1, Include: []origami.ResourceTag{pair}, UnlockDelay: 7},
		"lock of 6 days":       {Kind: kind, Days: 1, UnlockDelay: 6},
		"lock of 31 days":      {Kind: kind, Days: 1, UnlockDelay: 31},
		"two lines":            {Kind: kind, Days: 1, Description: "a\nb"},
		"long description":     {Kind: kind, Days: 1, Description: strings.Repeat("d", 256)},
		"reserved tag of rule": {Kind: kind, Days: 1, Tags: origami.Tags{"aws:x": ""}},
		"strange tag of rule":  {Kind: kind, Days: 1, Tags: origami.Tags{"a*": ""}},
	} {
		if _, err := create(t, db, r); !is(err, origami.CodeValidationException, origami.ReasonInvalidParameterValue) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, r := range map[string]origami.RetentionRule{
		"longest":  {Kind: kind, Days: 365, Description: strings.Repeat("d d", 85), Exclude: pairs(5), Tags: origami.Tags{"a.b": "ü @"}},
		"tags":     {Kind: origami.RetainImages, Days: 1, Include: pairs(50)},
		"locked":   {Kind: kind, Days: 1, UnlockDelay: 30},
		"volumes":  {Kind: origami.RetainVolumes, Days: 7, Exclude: pairs(5), UnlockDelay: 7},
		"a volume": {Kind: origami.RetainVolumes, Days: 1, Include: pairs(50)},
	} {
		if _, err := create(t, db, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	db := open(t)
	for n := range 5 {
		_, err := create(t, db, origami.RetentionRule{Kind: origami.RetainSnapshots, Days: n + 1, Include: []origami.ResourceTag{{Key: "k"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := create(t, db, origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 9, Include: []origami.ResourceTag{{Key: "k"}}})
	if !is(err, origami.CodeServiceQuotaException, origami.ReasonQuota) {
		t.Errorf("the sixth rule of a tag: %v", err)
	}
	for range 245 {
		if _, err := create(t, db, origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := create(t, db, origami.RetentionRule{Kind: origami.RetainImages, Days: 1}); !is(err, origami.CodeServiceQuotaException, origami.ReasonQuota) {
		t.Errorf("the 251st rule: %v", err)
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	db := open(t)
	r, err := create(t, db, origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 7})
	if err != nil {
		t.Fatal(err)
	}
	do := func(f func(tx *metadb.Tx) error) error { return db.Update(t.Context(), f) }
	change := func(now time.Time) error {
		return do(func(tx *metadb.Tx) error {
			days := 8
			_, err := rbin.Update(tx, alice, r.ID, rbin.Change{Days: &days}, now)
			return err
		})
	}
	unlock := func(now time.Time) error {
		return do(func(tx *metadb.Tx) error { _, err := rbin.Unlock(tx, alice, r.ID, now); return err })
	}
	lock := func(now time.Time) error {
		return do(func(tx *metadb.Tx) error { _, err := rbin.Lock(tx, alice, r.ID, 7, now); return err })
	}
	remove := func(who origami.Caller, now time.Time) error {
		return do(func(tx *metadb.Tx) error { return rbin.Delete(tx, who, r.ID, now) })
	}
	days := func(n int) time.Time { return noon.AddDate(0, 0, n) }
	for _, step := range []struct {
		what     string
		err      error
		conflict bool
	}{
		{"unlock what was never locked", unlock(noon), true},
		{"change", change(noon), false},
		{"lock", lock(noon), false},
		{"lock again", lock(noon), true},
		{"change while locked", change(noon), true},
		{"delete while locked", remove(alice, noon), true},
		{"unlock", unlock(noon), false},
		{"unlock again", unlock(noon), true},
		{"change within the delay", change(days(6)), true},
		{"lock within the delay", lock(days(6)), false},
		{"change after the first delay", change(days(8)), true},
		{"unlock once more", unlock(days(8)), false},
		{"delete within the delay", remove(alice, days(14)), true},
		{"change after the delay", change(days(15)), false},
		{"delete after the delay", remove(alice, days(15)), false},
	} {
		if is(step.err, origami.CodeConflictException, origami.ReasonInvalidRuleState) != step.conflict || !step.conflict && step.err != nil {
			t.Errorf("%s: got %v, want a conflict: %v", step.what, step.err, step.conflict)
		}
	}
	if err := remove(bob, noon); !is(err, origami.CodeResourceNotFoundException, origami.ReasonRuleNotFound) {
		t.Errorf("a rule that is gone: %v", err)
	}
}

func TestOthersRules(t *testing.T) {
	t.Parallel()
	db := open(t)
	r, err := create(t, db, origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 7, Tags: origami.Tags{"a": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	abroad := alice
	abroad.Region = "eu-west-1"
	for _, who := range []origami.Caller{bob, abroad} {
		for name, f := range map[string]func(tx *metadb.Tx) error{
			"update": func(tx *metadb.Tx) error { _, err := rbin.Update(tx, who, r.ID, rbin.Change{}, noon); return err },
			"delete": func(tx *metadb.Tx) error { return rbin.Delete(tx, who, r.ID, noon) },
			"lock":   func(tx *metadb.Tx) error { _, err := rbin.Lock(tx, who, r.ID, 7, noon); return err },
			"unlock": func(tx *metadb.Tx) error { _, err := rbin.Unlock(tx, who, r.ID, noon); return err },
			"tag":    func(tx *metadb.Tx) error { return rbin.Tag(tx, who, r.ID, origami.Tags{"a": "2"}) },
			"untag":  func(tx *metadb.Tx) error { return rbin.Untag(tx, who, r.ID, []string{"a"}) },
		} {
			if err := db.Update(t.Context(), f); !is(err, origami.CodeResourceNotFoundException, origami.ReasonRuleNotFound) {
				t.Errorf("%s by %s in %s: %v", name, who.Account, who.Region, err)
			}
		}
		err := db.Update(t.Context(), func(tx *metadb.Tx) error {
			stay, err := rbin.Admit(tx, who.Region, who.Account, origami.RetainSnapshots, "snap-0123456789abcdef0", noon)
			if stay != nil {
				t.Errorf("the rule keeps for %s in %s", who.Account, who.Region)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestAdmit asks the rules about the tags of the owner; those of others say
// nothing. What stays is marked until it is released.
func TestAdmit(t *testing.T) {
	t.Parallel()
	db := open(t)
	for _, r := range []origami.RetentionRule{
		{Kind: origami.RetainSnapshots, Days: 7, Include: []origami.ResourceTag{{Key: "keep", Value: "yes"}}},
		{Kind: origami.RetainVolumes, Days: 2, Exclude: []origami.ResourceTag{{Key: "keep", Value: "no"}}},
		{Kind: origami.RetainVolumes, Days: 5, Include: []origami.ResourceTag{{Key: "keep", Value: "yes"}}},
	} {
		if _, err := create(t, db, r); err != nil {
			t.Fatal(err)
		}
	}
	const yes, no, others = "0123456789abcdef0", "0123456789abcdef1", "0123456789abcdef2"
	err := db.Update(t.Context(), func(tx *metadb.Tx) error {
		for _, kind := range []string{"snap-", "vol-"} {
			for id, put := range map[string]struct {
				who   origami.Caller
				value string
			}{yes: {alice, "yes"}, no: {alice, "no"}, others: {bob, "yes"}} {
				if err := tx.PutTags(put.who.Region, put.who.Account, []string{kind + id}, origami.Tags{"keep": put.value}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		kind origami.RetainedKind
		id   string
		days int
	}{
		{origami.RetainSnapshots, "snap-" + yes, 7},
		{origami.RetainSnapshots, "snap-" + no, 0},
		{origami.RetainSnapshots, "snap-" + others, 0},
		{origami.RetainVolumes, "vol-" + yes, 5},
		{origami.RetainVolumes, "vol-" + no, 0},
		{origami.RetainVolumes, "vol-" + others, 2},
		{origami.RetainImages, "snap-" + yes, 0},
	} {
		err := db.Update(t.Context(), func(tx *metadb.Tx) error {
			marked := func() bool {
				tags, err := tx.Tags(alice.Region, alice.Account, test.id)
				if err != nil {
					t.Fatal(err)
				}
				return tags[test.id][rbin.BinTag] == "true"
			}
			stay, err := rbin.Admit(tx, alice.Region, alice.Account, test.kind, test.id, noon)
			if err != nil {
				return err
			}
			if kept := test.days != 0; marked() != kept || (stay != nil) != kept {
				t.Errorf("%s %s stays: %+v, marked: %v, want %v", test.kind, test.id, stay, marked(), kept)
			}
			if stay != nil && (!stay.Entered.Equal(noon) || !stay.Exit.Equal(noon.AddDate(0, 0, test.days))) {
				t.Errorf("%s %s stays %+v, want %d days", test.kind, test.id, stay, test.days)
			}
			if err := rbin.Release(tx, alice.Region, test.id); err != nil {
				return err
			}
			if marked() {
				t.Errorf("%s is marked after its release", test.id)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
