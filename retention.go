package origami

import (
	"slices"
	"time"
)

// RetentionRule is a rule of the Recycle Bin: which deleted resources of an
// account are kept in a region, and for how long. A rule with resource tags
// keeps what has one of them; a rule without keeps everything of its kind but
// what has one of the excluded tags.
type RetentionRule struct {
	ID          RuleID
	Region      Region
	Owner       AccountID
	Created     time.Time
	Description string
	Kind        RetainedKind
	Days        int // from the deletion
	Include     []ResourceTag
	Exclude     []ResourceTag
	Tags        Tags // of the rule itself
	// UnlockDelay is for how many days a rule stays locked once unlocking was
	// asked for; 0 if it was never locked. Locked is true from then on until
	// UnlockAt, which is zero as long as nobody asked.
	UnlockDelay int
	Locked      bool
	UnlockAt    time.Time
}

// RetainedKind is a kind of resource that the Recycle Bin keeps.
type RetainedKind string

// The kinds of resources that the Recycle Bin keeps.
const (
	RetainSnapshots RetainedKind = "EBS_SNAPSHOT"
	RetainImages    RetainedKind = "EC2_IMAGE"
	RetainVolumes   RetainedKind = "EBS_VOLUME"
)

// ResourceTag is a tag that a rule looks for.
type ResourceTag struct {
	Key, Value string
}

// LockState is whether a rule of the Recycle Bin can be changed.
type LockState string

// The lock states of rules; the empty one is that of a rule which was never
// locked.
const (
	RuleLocked        LockState = "locked"
	RulePendingUnlock LockState = "pending_unlock"
	RuleUnlocked      LockState = "unlocked"
)

// Lock is the lock state of the rule at a time.
func (r *RetentionRule) Lock(now time.Time) LockState {
	switch {
	case r.UnlockDelay == 0:
		return ""
	case !r.Locked || !r.UnlockAt.IsZero() && !now.Before(r.UnlockAt):
		return RuleUnlocked
	case r.UnlockAt.IsZero():
		return RuleLocked
	}
	return RulePendingUnlock
}

// Keeps reports whether a deleted resource with these tags of its owner is
// kept by the rule.
func (r *RetentionRule) Keeps(kind RetainedKind, tags Tags) bool {
	if r.Kind != kind {
		return false
	}
	has := func(t ResourceTag) bool {
		value, ok := tags[t.Key]
		return ok && value == t.Value
	}
	if len(r.Include) > 0 {
		return slices.ContainsFunc(r.Include, has)
	}
	return !slices.ContainsFunc(r.Exclude, has)
}

// Retention is the stay in the Recycle Bin of a resource that is deleted now:
// that of the rule which keeps it longest. It is nil if no rule keeps it.
func Retention(rules []*RetentionRule, kind RetainedKind, tags Tags, now time.Time) *BinStay {
	days := 0
	for _, r := range rules {
		if r.Keeps(kind, tags) {
			days = max(days, r.Days)
		}
	}
	if days == 0 {
		return nil
	}
	return &BinStay{Entered: now, Exit: now.AddDate(0, 0, days)}
}

// BinStay is the stay of a resource in the Recycle Bin. At Exit it is gone.
type BinStay struct {
	Entered, Exit time.Time
}
