// Package rbin is the Recycle Bin: the rules that say which deleted volumes,
// snapshots and images are kept, and for how long. Rules are rows and nothing
// else; the concepts that own the resources ask [Admit] when they delete one,
// keep it meanwhile, and remove it when its stay is over.
package rbin

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"origami"
	"origami/internal/metadb"
)

// Bounds of rules.
const (
	maxRules       = 250 // of an account in a region
	maxDays        = 365
	maxVolumeDays  = 7
	maxInclude     = 50
	maxExclude     = 5
	maxSamePair    = 5 // rules that may look for one tag
	maxDescription = 255
	minUnlockDelay = 7
	maxUnlockDelay = 30
	maxTagValue    = origami.MaxTagValueLen
)

// BinTag is the key of the tag that a resource has as long as it is in the Recycle
// Bin. Its value is "true", and nobody but the service puts it there or takes it
// away.
const BinTag = "aws:recycle-bin:resource-in-bin"

// Admit is the stay in the bin of a resource that is deleted now, by the rules of
// its owner and the tags that it has at this moment. It is nil if no rule keeps
// it; otherwise the resource has [BinTag] from now on.
func Admit(tx *metadb.Tx, region origami.Region, owner origami.AccountID, kind origami.RetainedKind, id string, now time.Time) (*origami.BinStay, error) {
	rules, err := tx.RetentionRulesOf(region, owner, kind)
	if err != nil || len(rules) == 0 {
		return nil, err
	}
	tags, err := tx.Tags(region, owner, id)
	if err != nil {
		return nil, err
	}
	stay := origami.Retention(rules, kind, tags[id], now.UTC())
	if stay == nil {
		return nil, nil
	}
	return stay, tx.PutTags(region, owner, []string{id}, origami.Tags{BinTag: "true"})
}

// Release takes [BinTag] from a resource that leaves the bin to be used again.
func Release(tx *metadb.Tx, region origami.Region, id string) error {
	return tx.DropTag(region, id, BinTag)
}

// Change is what an update changes about a rule; nil fields stay.
type Change struct {
	Kind        *origami.RetainedKind // can only be what it is
	Days        *int
	Description *string
	Include     *[]origami.ResourceTag
	Exclude     *[]origami.ResourceTag
}

// Create adds a rule of the caller's: kind, days, description and tags are
// those of r, and UnlockDelay, unless 0, locks it from the start.
func Create(tx *metadb.Tx, who origami.Caller, r origami.RetentionRule, now time.Time) (*origami.RetentionRule, error) {
	r.ID, r.Region, r.Owner, r.Created = origami.NewRuleID(), who.Region, who.Account, now.UTC()
	r.Locked, r.UnlockAt = r.UnlockDelay != 0, time.Time{}
	if err := check(tx, &r); err != nil {
		return nil, err
	}
	if r.Locked {
		if err := checkLock(&r, r.UnlockDelay); err != nil {
			return nil, err
		}
	}
	if err := checkTags(r.Tags); err != nil {
		return nil, err
	}
	n := 0
	for _, err := range tx.RetentionRules(metadb.Query{Region: who.Region, Viewer: who.Account}) {
		if err != nil {
			return nil, err
		}
		n++
	}
	if n >= maxRules {
		return nil, origami.Errorf(origami.CodeServiceQuotaException, "An account has at most %d rules in a Region.", maxRules).Because(origami.ReasonQuota)
	}
	return &r, tx.PutRetentionRule(&r)
}

// Update changes a rule of the caller's. What was deleted before stays by the
// rules of its time.
func Update(tx *metadb.Tx, who origami.Caller, id origami.RuleID, c Change, now time.Time) (*origami.RetentionRule, error) {
	return change(tx, who, id, func(r *origami.RetentionRule) error {
		if err := unlocked(r, now); err != nil {
			return err
		}
		if c.Kind != nil && *c.Kind != r.Kind {
			return invalid("The resource type of a rule cannot be changed.")
		}
		set(&r.Days, c.Days)
		set(&r.Description, c.Description)
		set(&r.Include, c.Include)
		set(&r.Exclude, c.Exclude)
		return check(tx, r)
	})
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// Delete removes a rule of the caller's.
func Delete(tx *metadb.Tx, who origami.Caller, id origami.RuleID, now time.Time) error {
	r, err := tx.RetentionRule(who.Region, who.Account, id)
	if err != nil {
		return err
	}
	if err := unlocked(r, now); err != nil {
		return err
	}
	return tx.DeleteRetentionRule(who.Region, id)
}

// Lock locks a Region-level rule of the caller's, so that it stays as it is
// until it is unlocked and delay days more. It ends an unlocking that is under
// way.
func Lock(tx *metadb.Tx, who origami.Caller, id origami.RuleID, delay int, now time.Time) (*origami.RetentionRule, error) {
	return change(tx, who, id, func(r *origami.RetentionRule) error {
		if r.Lock(now) == origami.RuleLocked {
			return origami.Errorf(origami.CodeConflictException, "The rule %s is locked already.", id).Because(origami.ReasonInvalidRuleState)
		}
		if err := checkLock(r, delay); err != nil {
			return err
		}
		r.UnlockDelay, r.Locked, r.UnlockAt = delay, true, time.Time{}
		return nil
	})
}

// Unlock begins to unlock a locked rule of the caller's.
func Unlock(tx *metadb.Tx, who origami.Caller, id origami.RuleID, now time.Time) (*origami.RetentionRule, error) {
	return change(tx, who, id, func(r *origami.RetentionRule) error {
		if r.Lock(now) != origami.RuleLocked {
			return origami.Errorf(origami.CodeConflictException, "The rule %s is not locked.", id).Because(origami.ReasonInvalidRuleState)
		}
		r.UnlockAt = now.UTC().AddDate(0, 0, r.UnlockDelay)
		return nil
	})
}

// Tag gives tags to a rule of the caller's, in place of values that it has.
func Tag(tx *metadb.Tx, who origami.Caller, id origami.RuleID, tags origami.Tags) error {
	_, err := change(tx, who, id, func(r *origami.RetentionRule) error {
		all := origami.Tags{}
		for _, some := range []origami.Tags{r.Tags, tags} {
			for k, v := range some {
				all[k] = v
			}
		}
		r.Tags = all
		return checkTags(all)
	})
	return err
}

// Untag takes tags away from a rule of the caller's. Those that it does not
// have are no error.
func Untag(tx *metadb.Tx, who origami.Caller, id origami.RuleID, keys []string) error {
	_, err := change(tx, who, id, func(r *origami.RetentionRule) error {
		for _, k := range keys {
			delete(r.Tags, k)
		}
		return nil
	})
	return err
}

// change changes a rule that is the caller's.
func change(tx *metadb.Tx, who origami.Caller, id origami.RuleID, f func(*origami.RetentionRule) error) (*origami.RetentionRule, error) {
	if _, err := tx.RetentionRule(who.Region, who.Account, id); err != nil {
		return nil, err
	}
	return tx.UpdateRetentionRule(who.Region, id, f)
}

// unlocked refuses to change a rule that is locked.
func unlocked(r *origami.RetentionRule, now time.Time) error {
	switch r.Lock(now) {
	case origami.RuleLocked, origami.RulePendingUnlock:
		return origami.Errorf(origami.CodeConflictException, "The rule %s is locked.", r.ID).Because(origami.ReasonInvalidRuleState)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return origami.Errorf(origami.CodeValidationException, format, args...).Because(origami.ReasonInvalidParameterValue)
}

// check says whether a rule may be as it is, besides its lock.
func check(tx *metadb.Tx, r *origami.RetentionRule) error {
	most := maxDays
	switch r.Kind {
	case origami.RetainSnapshots, origami.RetainImages:
	case origami.RetainVolumes:
		most = maxVolumeDays
	default:
		return invalid("The resource type '%.64s' is none of %s, %s and %s.", string(r.Kind), origami.RetainSnapshots, origami.RetainImages, origami.RetainVolumes)
	}
	if r.Days < 1 || r.Days > most {
		return invalid("The retention period of a rule for %s must be between 1 and %d days.", r.Kind, most)
	}
	// A pattern of the API: what is visible, and spaces.
	if utf8.RuneCountInString(r.Description) > maxDescription || strings.ContainsFunc(r.Description, func(c rune) bool {
		return c != ' ' && unicode.IsSpace(c) || c == utf8.RuneError
	}) {
		return invalid("The description must have at most %d characters, on one line.", maxDescription)
	}
	if len(r.Include) > 0 && len(r.Exclude) > 0 {
		return invalid("Only a Region-level retention rule, without resource tags, can have exclusion tags.")
	}
	if len(r.Include) > maxInclude || len(r.Exclude) > maxExclude {
		return invalid("A rule has at most %d resource tags or %d exclusion tags.", maxInclude, maxExclude)
	}
	if len(r.Include) > 0 && r.Locked {
		return invalid("Only Region-level retention rules can be locked.")
	}
	for _, tags := range [][]origami.ResourceTag{r.Include, r.Exclude} {
		seen := make(map[origami.ResourceTag]bool)
		for _, t := range tags {
			if n := utf8.RuneCountInString(t.Key); n < 1 || n > origami.MaxTagKeyLen || utf8.RuneCountInString(t.Value) > maxTagValue {
				return invalid("A resource tag has a key of 1 to %d characters and a value of at most %d.", origami.MaxTagKeyLen, maxTagValue)
			}
			if seen[t] {
				return invalid("The resource tag %.64q is there twice.", t.Key)
			}
			seen[t] = true
		}
	}
	return checkPairs(tx, r)
}

// checkPairs refuses a rule that would be one too many for some tag.
func checkPairs(tx *metadb.Tx, r *origami.RetentionRule) error {
	if len(r.Include) == 0 {
		return nil
	}
	others, err := tx.RetentionRulesOf(r.Region, r.Owner, r.Kind)
	if err != nil {
		return err
	}
	count := make(map[origami.ResourceTag]int)
	for _, o := range others {
		if o.ID != r.ID {
			for _, t := range o.Include {
				count[t]++
			}
		}
	}
	for _, t := range r.Include {
		if count[t] >= maxSamePair {
			return origami.Errorf(origami.CodeServiceQuotaException, "The resource tag %.64q is in %d rules already.", t.Key, maxSamePair).
				Because(origami.ReasonQuota)
		}
	}
	return nil
}

func checkLock(r *origami.RetentionRule, delay int) error {
	if len(r.Include) > 0 {
		return invalid("Only Region-level retention rules can be locked.")
	}
	if delay < minUnlockDelay || delay > maxUnlockDelay {
		return invalid("The unlock delay must be between %d and %d days.", minUnlockDelay, maxUnlockDelay)
	}
	return nil
}

// checkTags refuses tags of a rule itself that are not allowed.
func checkTags(tags origami.Tags) error {
	if len(tags) > origami.MaxTags {
		return origami.Errorf(origami.CodeServiceQuotaException, "A rule has at most %d tags.", origami.MaxTags).Because(origami.ReasonQuota)
	}
	allowed := func(s string) bool {
		return !strings.ContainsFunc(s, func(c rune) bool {
			return c == utf8.RuneError || !unicode.In(c, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", c)
		})
	}
	for k, v := range tags {
		if err := origami.ValidateTagKey(k); err != nil || !allowed(k) || !allowed(v) || utf8.RuneCountInString(v) > maxTagValue {
			return invalid("The tag with the key %.64q is not allowed.", k)
		}
	}
	return nil
}
