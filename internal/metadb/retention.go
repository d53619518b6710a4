package metadb

import (
	"errors"
	"iter"

	"origami"
)

var retentionRules = &table[origami.RetentionRule]{
	name: "retention_rules",
	doc:  documentOf[origami.RetentionRule](),
	key: func(r *origami.RetentionRule) (origami.Region, string, origami.AccountID) {
		return r.Region, string(r.ID), r.Owner
	},
	columns: []string{"kind"},
	values:  func(r *origami.RetentionRule) []any { return []any{string(r.Kind)} },
}

// PutRetentionRule inserts a rule of the Recycle Bin.
func (tx *Tx) PutRetentionRule(r *origami.RetentionRule) error { return retentionRules.put(tx, r) }

// RetentionRule is viewer's rule, or ResourceNotFoundException.
func (tx *Tx) RetentionRule(region origami.Region, viewer origami.AccountID, id origami.RuleID) (*origami.RetentionRule, error) {
	r, err := retentionRules.get(tx, region, viewer, string(id))
	return r, noRule(id, err)
}

// UpdateRetentionRule changes a rule by f, as UpdateImage does an image.
func (tx *Tx) UpdateRetentionRule(region origami.Region, id origami.RuleID, f func(*origami.RetentionRule) error) (*origami.RetentionRule, error) {
	r, err := retentionRules.update(tx, region, string(id), f)
	return r, noRule(id, err)
}

// DeleteRetentionRule removes a rule. What it has kept stays kept.
func (tx *Tx) DeleteRetentionRule(region origami.Region, id origami.RuleID) error {
	return noRule(id, retentionRules.remove(tx, region, string(id)))
}

// noRule makes the error about an unknown ID that of the Recycle Bin.
func noRule(id origami.RuleID, err error) error {
	if errors.Is(err, &origami.Error{Code: origami.CodeInvalidParameterValue}) {
		return origami.Errorf(origami.CodeResourceNotFoundException, "Rule not found: %s", id).Because(origami.ReasonRuleNotFound)
	}
	return err
}

// RetentionRules yields the rules that q selects, by ID.
func (tx *Tx) RetentionRules(q Query) iter.Seq2[*origami.RetentionRule, error] {
	return retentionRules.list(tx, q)
}

// inBin is a table with a column "recycled", restricted to what is in the Recycle
// Bin. Only owners see that: what they have granted to others is suspended.
func inBin[T any](t *table[T]) *table[T] {
	in := *t
	in.grants, in.live = nil, "t.recycled = 1"
	return &in
}

// recycled is the column that says whether something is in the Recycle Bin.
func recycled(stay *origami.BinStay) int {
	if stay != nil {
		return 1
	}
	return 0
}

// RetentionRulesOf lists an account's rules about one kind of resource: what
// origami.Retention asks for.
func (tx *Tx) RetentionRulesOf(region origami.Region, owner origami.AccountID, kind origami.RetainedKind) ([]*origami.RetentionRule, error) {
	return retentionRules.where(tx, `t.region = ? AND t.owner = ? AND t.kind = ?`, string(region), string(owner), string(kind))
}
