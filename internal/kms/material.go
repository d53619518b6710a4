package kms

import (
	"encoding/hex"
	"errors"
	"fmt"

	"origami"
	"origami/internal/keywrap"
	"origami/internal/metadb"
)

// Reasons why a material was made.
const (
	rotatedAutomatically = "AUTOMATIC"
	rotatedOnDemand      = "ON_DEMAND"
)

// materialPurpose binds a sealed material to its place.
func materialPurpose(region origami.Region, key origami.KMSKeyID, number int) string {
	return fmt.Sprintf("origami material 1 %s %s %d", region, key, number)
}

func materialID(material *keywrap.Key) string {
	id := material.Derive("origami material id 1")
	return hex.EncodeToString(id[:])
}

// addMaterial gives a key that is about to be written its next material, of
// which the row is made when the key's is there.
func (s *Service) addMaterial(tx *metadb.Tx, k *origami.KMSKey, reason string) (*origami.KMSMaterial, error) {
	k.Material++
	secret := keywrap.NewKey()
	k.MaterialID = materialID(secret)
	return s.sealMaterial(tx, k, secret, k.Material, reason)
}

// sealMaterial is the row of a material.
func (s *Service) sealMaterial(tx *metadb.Tx, k *origami.KMSKey, secret *keywrap.Key, number int, reason string) (*origami.KMSMaterial, error) {
	master, err := s.current(tx)
	if err != nil {
		return nil, fmt.Errorf("seal material %d of %s key %s: %w", number, k.Region, k.ID, err)
	}
	return &origami.KMSMaterial{
		Key: k.ID, Region: k.Region, Number: number, ID: materialID(secret), Reason: reason, Created: tx.Now(),
		Sealed: master.Seal(secret.Bytes(), materialPurpose(k.Region, k.ID, number)),
	}, nil
}

// material opens a material of a key. The error is metadb.ErrNotFound if there
// is none of that number.
func (s *Service) material(tx *metadb.Tx, k *origami.KMSKey, number int) (*keywrap.Key, error) {
	row, err := tx.KMSMaterial(k.Region, k.ID, number)
	if err != nil {
		return nil, err
	}
	return s.openMaterial(row)
}

func (s *Service) openMaterial(row *origami.KMSMaterial) (*keywrap.Key, error) {
	secret, err := s.ring.open(row.Sealed, materialPurpose(row.Region, row.Key, row.Number))
	if err != nil {
		return nil, fmt.Errorf("open material %d of %s key %s: %w", row.Number, row.Region, row.Key, err)
	}
	m, err := keywrap.KeyOf(secret)
	if err != nil {
		return nil, fmt.Errorf("open material %d of %s key %s: %w", row.Number, row.Region, row.Key, err)
	}
	if materialID(m) != row.ID {
		return nil, fmt.Errorf("open material %d of %s key %s: %w", row.Number, row.Region, row.Key, errors.New("its ID is another's"))
	}
	return m, nil
}
