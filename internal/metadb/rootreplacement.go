package metadb

import (
	"iter"

	"origami"
)

var rootReplacements = &table[origami.RootReplacement]{
	name: "root_replacements",
	doc:  documentOf[origami.RootReplacement](),
	key: func(r *origami.RootReplacement) (origami.Region, string, origami.AccountID) {
		return r.Region, string(r.ID), r.Owner
	},
	columns: []string{"instance"},
	values:  func(r *origami.RootReplacement) []any { return []any{string(r.Instance)} },
	filters: map[string]filter{"instance-id": {column: "instance", selective: true}},
}

// PutRootReplacement inserts the replacement of a root volume.
func (tx *Tx) PutRootReplacement(r *origami.RootReplacement) error {
	return rootReplacements.put(tx, r)
}

// RootReplacement is viewer's replacement of a root volume, or
// InvalidReplaceRootVolumeTaskId.NotFound.
func (tx *Tx) RootReplacement(region origami.Region, viewer origami.AccountID, id origami.ReplaceRootTaskID) (*origami.RootReplacement, error) {
	return rootReplacements.get(tx, region, viewer, string(id))
}

// UpdateRootReplacement changes a replacement by f, as UpdateImage does an
// image.
func (tx *Tx) UpdateRootReplacement(region origami.Region, id origami.ReplaceRootTaskID, f func(*origami.RootReplacement) error) (*origami.RootReplacement, error) {
	return rootReplacements.update(tx, region, string(id), f)
}

// RootReplacements yields the replacements that q selects, by ID.
func (tx *Tx) RootReplacements(q Query) iter.Seq2[*origami.RootReplacement, error] {
	return rootReplacements.list(tx, q)
}
