package metadb

import (
	"database/sql"
	"errors"
	"iter"
	"time"

	"origami"
)

var kmsKeys = &table[origami.KMSKey]{
	name: "kms_keys",
	doc:  documentOf[origami.KMSKey](),
	key: func(k *origami.KMSKey) (origami.Region, string, origami.AccountID) {
		return k.Region, string(k.ID), k.Owner
	},
	columns: []string{"due"},
	values:  func(k *origami.KMSKey) []any { return []any{kmsKeyDue(k)} },
}

// kmsKeyDue is the next time at which something happens to a key by itself, or
// 0.
func kmsKeyDue(k *origami.KMSKey) int64 {
	due := time.Time{}
	switch k.State {
	case origami.KMSKeyPendingDeletion:
		due = k.Deletion
	case origami.KMSKeyEnabled:
		due = k.NextRotation
	}
	if due.IsZero() {
		return 0
	}
	return micros(due)
}

// notFound turns what the generic tables say about a row that is not there into
// ErrNotFound. Doors have words of their own for KMS.
func notFound(err error) error {
	var e *origami.Error
	if errors.As(err, &e) {
		return ErrNotFound
	}
	return err
}

// PutKMSKey inserts a KMS key.
func (tx *Tx) PutKMSKey(k *origami.KMSKey) error { return kmsKeys.put(tx, k) }

// KMSKey is the KMS key of that ID, whoever owns it, or ErrNotFound. Who may do
// what with it is for its policy to say, which is not a condition in a query.
func (tx *Tx) KMSKey(region origami.Region, id origami.KMSKeyID) (*origami.KMSKey, error) {
	k, err := kmsKeys.get(tx, region, System, string(id))
	return k, notFound(err)
}

// KMSKeysOf lists the keys of one ID in all regions: a multi-Region key.
func (tx *Tx) KMSKeysOf(id origami.KMSKeyID) ([]*origami.KMSKey, error) {
	return collect(tx, kmsKeys.scanDoc, `SELECT doc FROM kms_keys WHERE id = ? ORDER BY region`, string(id))
}

// KMSKeysDue lists keys that something should have happened to by t, those
// that wait longest first.
func (tx *Tx) KMSKeysDue(t time.Time, limit int) ([]*origami.KMSKey, error) {
	return collect(tx, kmsKeys.scanDoc, `SELECT doc FROM kms_keys WHERE due > 0 AND due <= ? ORDER BY due, region, id LIMIT ?`,
		micros(t), limit)
}

// UpdateKMSKey changes a KMS key by f, as UpdateImage does an image. The error
// is ErrNotFound if there is none.
func (tx *Tx) UpdateKMSKey(region origami.Region, id origami.KMSKeyID, f func(*origami.KMSKey) error) (*origami.KMSKey, error) {
	var refused error
	k, err := kmsKeys.update(tx, region, string(id), func(k *origami.KMSKey) error {
		refused = f(k)
		return refused
	})
	if refused != nil {
		return nil, refused
	}
	return k, notFound(err)
}

// DeleteKMSKey removes a KMS key with its materials, aliases and grants.
func (tx *Tx) DeleteKMSKey(region origami.Region, id origami.KMSKeyID) error {
	for _, child := range []string{"kms_materials", "kms_aliases", "kms_grants"} {
		if _, err := tx.exec(`DELETE FROM `+child+` WHERE region = ? AND kms_key = ?`, string(region), string(id)); err != nil {
			return err
		}
	}
	return notFound(kmsKeys.remove(tx, region, string(id)))
}

// KMSKeys yields the KMS keys that q selects, by ID.
func (tx *Tx) KMSKeys(q Query) iter.Seq2[*origami.KMSKey, error] { return kmsKeys.list(tx, q) }

// PutKMSMaterial inserts a material of a KMS key.
func (tx *Tx) PutKMSMaterial(m *origami.KMSMaterial) error {
	_, err := tx.exec(`INSERT INTO kms_materials (region, kms_key, number, id, reason, created, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		string(m.Region), string(m.Key), m.Number, m.ID, m.Reason, micros(m.Created), m.Sealed)
	return err
}

const (
	kmsMaterialColumns = `SELECT region, kms_key, number, id, reason, created, sealed FROM kms_materials`
	selectKMSMaterial  = kmsMaterialColumns + ` WHERE region = ? AND kms_key = ?`
)

// KMSMaterial is one material of a KMS key, or ErrNotFound.
func (tx *Tx) KMSMaterial(region origami.Region, key origami.KMSKeyID, number int) (*origami.KMSMaterial, error) {
	return first(collect(tx, scanKMSMaterial, selectKMSMaterial+` AND number = ?`, string(region), string(key), number))
}

// KMSMaterials lists the materials of a KMS key, oldest first.
func (tx *Tx) KMSMaterials(region origami.Region, key origami.KMSKeyID) ([]*origami.KMSMaterial, error) {
	return collect(tx, scanKMSMaterial, selectKMSMaterial+` ORDER BY number`, string(region), string(key))
}

// AllKMSMaterials lists the materials of all keys in their order, at most limit
// of those after one, or from the first if that is nil.
func (tx *Tx) AllKMSMaterials(after *origami.KMSMaterial, limit int) ([]*origami.KMSMaterial, error) {
	const order = ` ORDER BY region, kms_key, number LIMIT ?`
	if after == nil {
		return collect(tx, scanKMSMaterial, kmsMaterialColumns+order, limit)
	}
	return collect(tx, scanKMSMaterial, kmsMaterialColumns+` WHERE (region, kms_key, number) > (?, ?, ?)`+order,
		string(after.Region), string(after.Key), after.Number, limit)
}

// SealKMSMaterial changes the sealed form of a material, or is ErrNotFound.
func (tx *Tx) SealKMSMaterial(m *origami.KMSMaterial) error {
	n, err := tx.exec(`UPDATE kms_materials SET sealed = ? WHERE region = ? AND kms_key = ? AND number = ?`,
		m.Sealed, string(m.Region), string(m.Key), m.Number)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

func scanKMSMaterial(r *sql.Rows) (*origami.KMSMaterial, error) {
	var m origami.KMSMaterial
	var created int64
	if err := r.Scan(&m.Region, &m.Key, &m.Number, &m.ID, &m.Reason, &created, &m.Sealed); err != nil {
		return nil, err
	}
	m.Created = fromMicros(created)
	return &m, nil
}
