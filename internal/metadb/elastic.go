package metadb

import (
	"iter"

	"origami"
)

var addresses = &table[origami.Address]{
	name: "addresses",
	doc:  documentOf[origami.Address](),
	key: func(a *origami.Address) (origami.Region, string, origami.AccountID) {
		return a.Region, string(a.ID), a.Owner
	},
	columns: []string{"public_ip", "instance"},
	values:  func(a *origami.Address) []any { return []any{address(a.PublicIP), string(a.Instance)} },
	filters: map[string]filter{
		"allocation-id": {column: "id", selective: true},
		"instance-id":   {column: "instance", selective: true},
	},
}

// PutAddress inserts an elastic address, which must be free.
func (tx *Tx) PutAddress(a *origami.Address) error { return addresses.put(tx, a) }

// Address is viewer's elastic address, or InvalidAllocationID.NotFound.
func (tx *Tx) Address(region origami.Region, viewer origami.AccountID, id origami.AllocationID) (*origami.Address, error) {
	return addresses.get(tx, region, viewer, string(id))
}

// UpdateAddress changes an elastic address by f, as UpdateImage does an image.
func (tx *Tx) UpdateAddress(region origami.Region, id origami.AllocationID, f func(*origami.Address) error) (*origami.Address, error) {
	return addresses.update(tx, region, string(id), f)
}

// DeleteAddress removes an elastic address.
func (tx *Tx) DeleteAddress(region origami.Region, id origami.AllocationID) error {
	return addresses.remove(tx, region, string(id))
}

// Addresses yields the elastic addresses that q selects, by ID.
func (tx *Tx) Addresses(q Query) iter.Seq2[*origami.Address, error] { return addresses.list(tx, q) }
