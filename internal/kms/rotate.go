package kms

import (
	"context"
	"errors"
	"strconv"
	"time"

	"origami"
	"origami/internal/metadb"
)

// Bounds of rotation.
const (
	minRotation     = 90 // days
	maxRotation     = 2560
	defaultRotation = 365
	maxOnDemand     = 25 // rotations on demand in the life of a key
)

// changeRotation changes the rotation of a key that is enabled, and no replica:
// those follow their primary.
func (s *Service) changeRotation(ctx context.Context, a Access, ref string, q ask, f func(*metadb.Tx, *origami.KMSKey) error) (*origami.KMSKey, error) {
	var out *origami.KMSKey
	err := s.changeKey(ctx, a, ref, q, func(tx *metadb.Tx, k *origami.KMSKey) error {
		if err := checkUsable(k); err != nil {
			return err
		}
		if k.Replica() {
			return origami.Errorf(CodeUnsupported, "%s is a replica key: its primary key is in %s", k.ARN(), k.Primary)
		}
		out = k
		return f(tx, k)
	})
	return out, err
}

// EnableKeyRotation has a key rotated every number of days, 90 to 2560; 0 means
// 365.
func (s *Service) EnableKeyRotation(ctx context.Context, a Access, ref string, days int) error {
	if days == 0 {
		days = defaultRotation
	}
	if days < minRotation || days > maxRotation {
		return invalid("RotationPeriodInDays must be between %d and %d", minRotation, maxRotation)
	}
	q := ask{action: "EnableKeyRotation", extra: oneKey("kms:RotationPeriodInDays", strconv.Itoa(days))}
	_, err := s.changeRotation(ctx, a, ref, q, func(tx *metadb.Tx, k *origami.KMSKey) error {
		k.RotationDays = days
		k.NextRotation = tx.Now().Truncate(time.Microsecond).AddDate(0, 0, days)
		return nil
	})
	return err
}

// DisableKeyRotation has a key rotated no more.
func (s *Service) DisableKeyRotation(ctx context.Context, a Access, ref string) error {
	_, err := s.changeRotation(ctx, a, ref, ask{action: "DisableKeyRotation"}, func(_ *metadb.Tx, k *origami.KMSKey) error {
		k.RotationDays, k.NextRotation = 0, time.Time{}
		return nil
	})
	return err
}

// RotateKeyOnDemand gives a key a new material now. What was encrypted with
// older ones can still be decrypted.
func (s *Service) RotateKeyOnDemand(ctx context.Context, a Access, ref string) (*origami.KMSKey, error) {
	var out *origami.KMSKey
	err := s.update(ctx, a, func(tx *metadb.Tx) error {
		k, err := resolveCustomer(tx, a.Caller, ref)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: "RotateKeyOnDemand", key: k}); err != nil {
			return err
		}
		if err := checkUsable(k); err != nil {
			return err
		}
		if k.Replica() {
			return origami.Errorf(CodeUnsupported, "%s is a replica key: its primary key is in %s", k.ARN(), k.Primary)
		}
		if k.OnDemand >= maxOnDemand {
			return origami.Errorf(CodeLimitExceeded, "A key can be rotated on demand %d times.", maxOnDemand)
		}
		out = k
		return s.rotate(tx, k, rotatedOnDemand)
	})
	return out, err
}

// rotate gives a key and its replicas one new material.
func (s *Service) rotate(tx *metadb.Tx, k *origami.KMSKey, reason string) error {
	if k.Material >= maxMaterials {
		return errors.New("rotate a key: it has too many materials")
	}
	m, err := s.addMaterial(tx, k, reason)
	if err != nil {
		return err
	}
	secret, err := s.openMaterial(m)
	if err != nil {
		return err
	}
	family := []*origami.KMSKey{k}
	if k.Primary != "" {
		if family, err = tx.KMSKeysOf(k.ID); err != nil {
			return err
		}
	}
	for _, member := range family {
		row, err := s.sealMaterial(tx, member, secret, k.Material, reason)
		if err != nil {
			return err
		}
		if err := tx.PutKMSMaterial(row); err != nil {
			return err
		}
		_, err = tx.UpdateKMSKey(member.Region, member.ID, func(x *origami.KMSKey) error {
			x.Material, x.MaterialID = k.Material, k.MaterialID
			if reason == rotatedOnDemand && x.Region == k.Region {
				x.OnDemand++
			}
			if reason == rotatedAutomatically && x.RotationDays > 0 && x.Region == k.Region {
				x.NextRotation = tx.Now().Truncate(time.Microsecond).AddDate(0, 0, x.RotationDays)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// RotationStatus is the key, of whose fields the rotation counts. Of a replica
// it is that of its primary. Another account may ask.
func (s *Service) RotationStatus(ctx context.Context, a Access, ref string) (*origami.KMSKey, error) {
	var out *origami.KMSKey
	err := s.view(ctx, func(tx *metadb.Tx) error {
		k, err := resolveKey(tx, a.Caller, ref)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: "GetKeyRotationStatus", key: k}); err != nil {
			return err
		}
		if err := checkKept(k); err != nil {
			return err
		}
		out = k
		if k.Replica() {
			p, err := tx.KMSKey(k.Primary, k.ID)
			if err != nil {
				return err
			}
			k.RotationDays, k.NextRotation = p.RotationDays, p.NextRotation
		}
		return nil
	})
	return out, err
}

// ListKeyRotations lists the materials of a key, oldest first; those with a
// Reason are rotations.
func (s *Service) ListKeyRotations(ctx context.Context, a Access, ref string) (*origami.KMSKey, []*origami.KMSMaterial, error) {
	var out *origami.KMSKey
	var all []*origami.KMSMaterial
	err := s.view(ctx, func(tx *metadb.Tx) error {
		k, err := resolveOwn(tx, a.Caller, ref)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: "ListKeyRotations", key: k}); err != nil {
			return err
		}
		out = k
		all, err = tx.KMSMaterials(k.Region, k.ID)
		return err
	})
	return out, all, err
}
