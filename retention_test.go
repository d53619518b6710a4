package origami_test

import (
	"testing"
	"time"

	"origami"
)

func TestRetention(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	env := func(v string) []origami.ResourceTag { return []origami.ResourceTag{{Key: "env", Value: v}} }
	region := &origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 3, Exclude: env("scratch")}
	prod := &origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 30, Include: env("prod")}
	longer := &origami.RetentionRule{Kind: origami.RetainSnapshots, Days: 90, Include: append(env("other"), origami.ResourceTag{Key: "keep"})}
	image := &origami.RetentionRule{Kind: origami.RetainImages, Days: 300}
	all := []*origami.RetentionRule{region, prod, longer, image}
	for name, tt := range map[string]struct {
		rules []*origami.RetentionRule
		tags  origami.Tags
		days  int // 0 means not kept
	}{
		"no rules":                    {nil, origami.Tags{"env": "prod"}, 0},
		"other kind":                  {[]*origami.RetentionRule{image}, nil, 0},
		"region level":                {all, nil, 3},
		"excluded":                    {all, origami.Tags{"env": "scratch"}, 0},
		"excluded, but by tag":        {all, origami.Tags{"env": "scratch", "keep": ""}, 90},
		"one of the tags":             {all, origami.Tags{"env": "other"}, 90},
		"value differs":               {[]*origami.RetentionRule{prod}, origami.Tags{"env": "Prod"}, 0},
		"key without value":           {[]*origami.RetentionRule{longer}, origami.Tags{"keep": "yes"}, 0},
		"the longest of those":        {all, origami.Tags{"env": "prod", "keep": ""}, 90},
		"longest, in whatever order":  {[]*origami.RetentionRule{longer, prod, region}, origami.Tags{"env": "prod"}, 30},
		"excluded from one of two":    {[]*origami.RetentionRule{region, {Kind: origami.RetainSnapshots, Days: 1}}, origami.Tags{"env": "scratch"}, 1},
		"excluded tag of other value": {all, origami.Tags{"env": "x"}, 3},
	} {
		stay := origami.Retention(tt.rules, origami.RetainSnapshots, tt.tags, now)
		switch {
		case tt.days == 0 && stay != nil:
			t.Errorf("%s: kept until %v", name, stay.Exit)
		case tt.days != 0 && (stay == nil || stay.Entered != now || stay.Exit != now.Add(time.Duration(tt.days)*24*time.Hour)):
			t.Errorf("%s: got %+v, want %d days", name, stay, tt.days)
		}
	}
}

func TestRuleLock(t *testing.T) {
	t.Parallel()
	at := func(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		rule origami.RetentionRule
		now  time.Time
		want origami.LockState
	}{
		{origami.RetentionRule{}, at(1), ""},
		{origami.RetentionRule{UnlockDelay: 7, Locked: true}, at(1), origami.RuleLocked},
		{origami.RetentionRule{UnlockDelay: 7, Locked: true, UnlockAt: at(8)}, at(7), origami.RulePendingUnlock},
		{origami.RetentionRule{UnlockDelay: 7, Locked: true, UnlockAt: at(8)}, at(8), origami.RuleUnlocked},
		{origami.RetentionRule{UnlockDelay: 7}, at(8), origami.RuleUnlocked},
	} {
		if got := tt.rule.Lock(tt.now); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.rule, got, tt.want)
		}
	}
}

func TestRuleID(t *testing.T) {
	t.Parallel()
	for range 100 {
		id := origami.NewRuleID()
		if got, err := origami.ParseRuleID(string(id)); err != nil || got != id {
			t.Fatalf("%q: %v", id, err)
		}
	}
	for _, bad := range []string{"", "abcdefghij", "abcdefghijkl", "abcdefghij-", "abcdefghi\x10j", "abcdefghij{", "äbcdefghij"} {
		if _, err := origami.ParseRuleID(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
