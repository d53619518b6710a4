package metadb

import (
	"iter"

	"origami"
)

var keyPairs = &table[origami.KeyPair]{
	name: "key_pairs",
	doc:  documentOf[origami.KeyPair](),
	key: func(k *origami.KeyPair) (origami.Region, string, origami.AccountID) {
		return k.Region, string(k.ID), k.Owner
	},
	columns: []string{"name"},
	values:  func(k *origami.KeyPair) []any { return []any{k.Name} },
	filters: map[string]filter{
		"key-pair-id": {column: "id", selective: true},
		"key-name":    {column: "name", selective: true},
	},
}

// PutKeyPair inserts a key pair. The error is InvalidKeyPair.Duplicate if its
// owner has one of that name in the region.
func (tx *Tx) PutKeyPair(k *origami.KeyPair) error {
	_, taken, err := one[string](tx, `SELECT id FROM key_pairs WHERE region = ? AND owner = ? AND name = ?`,
		string(k.Region), string(k.Owner), k.Name)
	if err != nil {
		return err
	}
	if taken {
		return origami.Errorf(origami.CodeInvalidKeyPairDuplicate, "The keypair already exists")
	}
	return keyPairs.put(tx, k)
}

// KeyPair is viewer's key pair of that ID, or InvalidKeyPair.NotFound.
func (tx *Tx) KeyPair(region origami.Region, viewer origami.AccountID, id origami.KeyPairID) (*origami.KeyPair, error) {
	return keyPairs.get(tx, region, viewer, string(id))
}

// KeyPairByName is viewer's key pair of that name, or InvalidKeyPair.NotFound.
func (tx *Tx) KeyPairByName(region origami.Region, viewer origami.AccountID, name string) (*origami.KeyPair, error) {
	found, err := keyPairs.where(tx, `t.region = ? AND t.owner = ? AND t.name = ?`, string(region), string(viewer), name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, origami.Errorf(origami.CodeInvalidKeyPairNotFound, "The key pair '%s' does not exist", name)
	}
	return found[0], nil
}

// DeleteKeyPair removes a key pair.
func (tx *Tx) DeleteKeyPair(region origami.Region, id origami.KeyPairID) error {
	return keyPairs.remove(tx, region, string(id))
}

// KeyPairs yields the key pairs that q selects, by ID.
func (tx *Tx) KeyPairs(q Query) iter.Seq2[*origami.KeyPair, error] { return keyPairs.list(tx, q) }
