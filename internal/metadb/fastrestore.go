package metadb

import (
	"iter"

	"origami"
)

var fastRestores = &table[origami.FastRestore]{
	name: "fast_restores",
	doc:  documentOf[origami.FastRestore](),
	key: func(f *origami.FastRestore) (origami.Region, string, origami.AccountID) {
		return f.Region, f.Key(), f.Owner
	},
	columns: []string{"snapshot"},
	values:  func(f *origami.FastRestore) []any { return []any{string(f.Snapshot)} },
	filters: map[string]filter{
		"snapshot-id": {column: "snapshot", selective: true},
		"owner-id":    {column: "owner"},
	},
}

// PutFastRestore inserts a fast restore, or replaces the one of the same key
// and owner.
func (tx *Tx) PutFastRestore(f *origami.FastRestore) error {
	_, there, err := one[string](tx, `SELECT id FROM fast_restores WHERE region = ? AND id = ?`, string(f.Region), f.Key())
	if err != nil {
		return err
	}
	if !there {
		return fastRestores.put(tx, f)
	}
	_, err = fastRestores.update(tx, f.Region, f.Key(), func(row *origami.FastRestore) error { *row = *f; return nil })
	return err
}

// FastRestoresOf lists the fast restores of a snapshot, whoever asked for them.
func (tx *Tx) FastRestoresOf(region origami.Region, id origami.SnapshotID) ([]*origami.FastRestore, error) {
	return fastRestores.where(tx, `t.region = ? AND t.snapshot = ?`, string(region), string(id))
}

// DeleteFastRestore removes a fast restore.
func (tx *Tx) DeleteFastRestore(f *origami.FastRestore) error {
	return fastRestores.remove(tx, f.Region, f.Key())
}

// FastRestores yields the fast restores that q selects, by snapshot and zone.
func (tx *Tx) FastRestores(q Query) iter.Seq2[*origami.FastRestore, error] {
	return fastRestores.list(tx, q)
}
