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
		"volumes":              {Days: 1, Kind: origami.RetainVolumes},
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
		"longest": {Kind: kind, Days: 365, Description: strings.Repeat("d d", 85), Exclude: pairs(5), Tags: origami.Tags{"a.b": "ü @"}},
		"tags":    {Kind: origami.RetainImages, Days: 1, Include: pairs(50)},
		"locked":  {Kind: kind, Days: 1, UnlockDelay: 30},
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
		err := db.View(t.Context(), func(tx *metadb.Tx) error {
			stay, err := rbin.Stay(tx, who.Region, who.Account, origami.RetainSnapshots, "snap-0123456789abcdef0", noon)
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

// TestStay asks the rules about the tags of the owner; those of others say
// nothing.
func TestStay(t *testing.T) {
	t.Parallel()
	db := open(t)
	if _, err := create(t, db, origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 7, Include: []origami.ResourceTag{{Key: "keep", Value: "yes"}}}); err != nil {
		t.Fatal(err)
	}
	const mine, others = "snap-0123456789abcdef0", "snap-0123456789abcdef1"
	err := db.Update(t.Context(), func(tx *metadb.Tx) error {
		tags := origami.Tags{"keep": "yes"}
		return errors.Join(tx.PutTags(alice.Region, alice.Account, []string{mine}, tags), tx.PutTags(bob.Region, bob.Account, []string{others}, tags))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx *metadb.Tx) error {
		stay, err := rbin.Stay(tx, alice.Region, alice.Account, origami.RetainSnapshots, mine, noon)
		if stay == nil || !stay.Exit.Equal(noon.AddDate(0, 0, 7)) {
			t.Errorf("tagged: %+v, %v", stay, err)
		}
		if stay, err := rbin.Stay(tx, alice.Region, alice.Account, origami.RetainSnapshots, others, noon); stay != nil || err != nil {
			t.Errorf("tagged by another account: %+v, %v", stay, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
