package kms

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"origami/internal/keywrap"
	"origami/internal/metadb"
)

const (
	settingMaster = "kms.master"
	masterPurpose = "origami master 1"
	masterMagic   = "okm1"
)

// masterRecord is the master key at rest.
type masterRecord struct {
	root    string // name of the root that wrapped it
	wrapped []byte
}

// openMaster unwraps the master key of an installation, or makes it. The root
// is asked outside of transactions: it may be far away.
func openMaster(ctx context.Context, db *metadb.DB, root keywrap.Root) (masterRecord, *keywrap.Key, error) {
	record, err := readMaster(ctx, db)
	if errors.Is(err, metadb.ErrNotFound) {
		record, err = createMaster(ctx, db, root)
	}
	if err != nil {
		return record, nil, err
	}
	name, err := root.Name(ctx)
	if err != nil {
		return record, nil, fmt.Errorf("it is wrapped by %s: %w", record.root, err)
	}
	if name != record.root {
		return record, nil, fmt.Errorf("it is wrapped by %s, and not by the root key given, %s", record.root, name)
	}
	secret, err := root.Unwrap(ctx, record.wrapped, masterPurpose)
	if err != nil {
		return record, nil, fmt.Errorf("unwrap with root key %s: %w", name, err)
	}
	key, err := keywrap.KeyOf(secret)
	return record, key, err
}

func readMaster(ctx context.Context, db *metadb.DB) (r masterRecord, err error) {
	err = db.View(ctx, func(tx *metadb.Tx) error {
		r, err = storedMaster(tx)
		return err
	})
	return r, err
}

// storedMaster is the record that a transaction sees, or metadb.ErrNotFound.
func storedMaster(tx *metadb.Tx) (masterRecord, error) {
	text, err := tx.Setting(settingMaster)
	if err != nil {
		return masterRecord{}, err
	}
	return parseMaster(text)
}

// createMaster makes a master key and wraps it. If another process is quicker,
// the result is its.
func createMaster(ctx context.Context, db *metadb.DB, root keywrap.Root) (masterRecord, error) {
	wrapped, err := root.Wrap(ctx, keywrap.NewKey().Bytes(), masterPurpose)
	if err != nil {
		return masterRecord{}, err
	}
	name, err := root.Name(ctx)
	if err != nil {
		return masterRecord{}, err
	}
	r := masterRecord{name, wrapped}
	err = db.Update(ctx, func(tx *metadb.Tx) error {
		text, err := tx.Setting(settingMaster)
		if errors.Is(err, metadb.ErrNotFound) {
			return tx.PutSetting(settingMaster, r.format())
		}
		if err == nil {
			r, err = parseMaster(text)
		}
		return err
	})
	return r, err
}

func (r masterRecord) format() []byte {
	b := []byte(masterMagic)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.root)))
	b = append(b, r.root...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.wrapped)))
	b = append(b, r.wrapped...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// sum tells the record from others.
func (r masterRecord) sum() [sha256.Size]byte { return sha256.Sum256(r.format()) }

var errMasterRecord = errors.New("the record of the master key in the database is damaged")

func parseMaster(text []byte) (masterRecord, error) {
	n := len(text) - sha256.Size
	if n < len(masterMagic) || string(text[:len(masterMagic)]) != masterMagic || [32]byte(text[n:]) != sha256.Sum256(text[:n]) {
		return masterRecord{}, errMasterRecord
	}
	root, rest, ok := cut16(text[len(masterMagic):n], keywrap.MaxName)
	if !ok {
		return masterRecord{}, errMasterRecord
	}
	wrapped, rest, ok := cut16(rest, keywrap.MaxWrapped)
	if !ok || len(rest) != 0 {
		return masterRecord{}, errMasterRecord
	}
	return masterRecord{string(root), wrapped}, nil
}

// cut16 cuts bytes with their length before them off b, at most limit.
func cut16(b []byte, limit int) (cut, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > limit || n > len(b)-2 {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}
