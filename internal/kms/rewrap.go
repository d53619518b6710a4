package kms

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"origami"
	"origami/internal/keywrap"
	"origami/internal/metadb"
)

// Master is a master key that an installation does not use yet, and how a root
// wrapped it. It is as secret as the root: it goes to [Service.Rewrap], and
// nowhere else.
type Master struct {
	Root    string `json:"root"` // name
	Wrapped []byte `json:"wrapped"`
	Secret  []byte `json:"secret"`
}

// NewMaster makes a master key that root wraps, and has root show that it can
// open it again.
func NewMaster(ctx context.Context, root keywrap.Root) (Master, error) {
	m := Master{Secret: keywrap.NewKey().Bytes()}
	var err error
	if m.Wrapped, err = root.Wrap(ctx, m.Secret, masterPurpose); err != nil {
		return Master{}, fmt.Errorf("wrap a new master key: %w", err)
	}
	if m.Root, err = root.Name(ctx); err != nil {
		return Master{}, fmt.Errorf("wrap a new master key: %w", err)
	}
	opened, err := root.Unwrap(ctx, m.Wrapped, masterPurpose)
	if err != nil {
		return Master{}, fmt.Errorf("unwrap the new master key again: %w", err)
	}
	if !bytes.Equal(opened, m.Secret) {
		return Master{}, fmt.Errorf("unwrap the new master key again: %s gives another key", m.Root)
	}
	return m, nil
}

// RootName is the name of the root that the keys of an installation are under,
// "" in one that has none yet.
func RootName(ctx context.Context, db *metadb.DB) (string, error) {
	record, err := readMaster(ctx, db)
	if errors.Is(err, metadb.ErrNotFound) {
		return "", nil
	}
	return record.root, err
}

// Rewrapped tells what Rewrap did.
type Rewrapped struct {
	From      string `json:"from"` // name of the root that is no longer needed
	To        string `json:"to"`
	Keys      int    `json:"keys"`      // of KMS, in all regions
	Materials int    `json:"materials"` // sealed anew
}

// ErrRootChanged is the error of Rewrap if the keys are not under the root that
// the caller believes.
var ErrRootChanged = errors.New("the root key was changed meanwhile")

// Rewrap puts the installation under another root: next takes the place of the
// master key, and what that has sealed is sealed with it anew. It is one
// transaction, after which the root before, whose name must be from, opens
// nothing that is stored. Keys can be used meanwhile.
//
// A Rewrap that is repeated because its answer was lost does nothing.
func (s *Service) Rewrap(ctx context.Context, from string, next Master) (Rewrapped, error) {
	key, err := keywrap.KeyOf(next.Secret)
	if err != nil {
		return Rewrapped{}, fmt.Errorf("new master key: %w", err)
	}
	if next.Root == "" || len(next.Root) > keywrap.MaxName || len(next.Wrapped) == 0 || len(next.Wrapped) > keywrap.MaxWrapped {
		return Rewrapped{}, errors.New("new master key: it is not wrapped by a root")
	}
	record := masterRecord{next.Root, next.Wrapped}
	s.ring.add(record, key) // who begins a transaction after this one seals with it
	var done Rewrapped
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		done = Rewrapped{From: from, To: next.Root}
		now, err := storedMaster(tx)
		switch {
		case err != nil:
			return err
		case now.sum() == record.sum():
			return nil
		case now.root != from:
			return fmt.Errorf("%w: it is %s", ErrRootChanged, now.root)
		}
		if err := s.sealTokens(tx, key); err != nil {
			return err
		}
		if err := s.sealAll(tx, key, &done); err != nil {
			return err
		}
		return tx.PutSetting(settingMaster, record.format())
	})
	if err != nil {
		return Rewrapped{}, fmt.Errorf("put the keys under %s: %w", next.Root, err)
	}
	s.log.Info("keys are under another root", "from", from, "to", done.To, "materials", done.Materials)
	return done, nil
}

// rewrapBatch is how many materials are in memory at a time.
const rewrapBatch = 500

// sealAll seals all materials with another master key.
func (s *Service) sealAll(tx *metadb.Tx, master *keywrap.Key, done *Rewrapped) error {
	var last *origami.KMSMaterial
	for {
		rows, err := tx.AllKMSMaterials(last, rewrapBatch)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, row := range rows {
			secret, err := s.openMaterial(row)
			if err != nil {
				return err
			}
			row.Sealed = master.Seal(secret.Bytes(), materialPurpose(row.Region, row.Key, row.Number))
			if err := tx.SealKMSMaterial(row); err != nil {
				return err
			}
			if last == nil || last.Key != row.Key || last.Region != row.Region {
				done.Keys++
			}
			last = row
			done.Materials++
		}
	}
}

const (
	settingTokens = "kms.tokens"
	tokensPurpose = "origami token key 1"
)

// openTokens is the key from which the codes of grant tokens are derived: the
// first master key, which the ones after it keep sealed, so that tokens outlive
// them.
func (s *Service) openTokens(ctx context.Context) (*keywrap.Key, error) {
	var key *keywrap.Key
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		key, err = s.storedTokens(tx)
		return err
	})
	return key, err
}

func (s *Service) storedTokens(tx *metadb.Tx) (*keywrap.Key, error) {
	sealed, err := tx.Setting(settingTokens)
	if errors.Is(err, metadb.ErrNotFound) {
		return s.current(tx)
	}
	if err != nil {
		return nil, err
	}
	secret, err := s.ring.open(sealed, tokensPurpose)
	if err != nil {
		return nil, fmt.Errorf("open the key of grant tokens: %w", err)
	}
	return keywrap.KeyOf(secret)
}

// sealTokens seals the key of grant tokens with another master key.
func (s *Service) sealTokens(tx *metadb.Tx, master *keywrap.Key) error {
	key, err := s.storedTokens(tx)
	if err != nil {
		return err
	}
	return tx.PutSetting(settingTokens, master.Seal(key.Bytes(), tokensPurpose))
}

// Sealed counts the keys of an installation, in all regions, and their
// materials.
func Sealed(ctx context.Context, db *metadb.DB) (keys, materials int, err error) {
	err = db.View(ctx, func(tx *metadb.Tx) error {
		keys, materials = 0, 0
		var last *origami.KMSMaterial
		for {
			rows, err := tx.AllKMSMaterials(last, rewrapBatch)
			if err != nil || len(rows) == 0 {
				return err
			}
			for _, row := range rows {
				if last == nil || last.Key != row.Key || last.Region != row.Region {
					keys++
				}
				last = row
			}
			materials += len(rows)
		}
	})
	return keys, materials, err
}
