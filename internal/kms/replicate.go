package kms

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// Replication is what ReplicateKey is asked for.
type Replication struct {
	Key                string // reference to the primary
	Region             origami.Region
	Policy             string // "" for one that leaves all to the account
	BypassLockoutCheck bool
	Description        string
	Tags               origami.Tags
}

// ReplicateKey makes a replica of a multi-Region primary key in another region:
// a key of its own with the same ID and the same materials.
func (s *Service) ReplicateKey(ctx context.Context, a Access, in Replication) (*origami.KMSKey, *Relatives, error) {
	var out *origami.KMSKey
	var family *Relatives
	err := s.update(ctx, a, func(tx *metadb.Tx) error {
		p, err := s.primary(tx, a, in)
		if err != nil {
			return err
		}
		k := &origami.KMSKey{
			ID: p.ID, Region: in.Region, Owner: p.Owner, Description: in.Description, State: origami.KMSKeyEnabled,
			Created: tx.Now().Truncate(time.Microsecond), Policy: in.Policy, Tags: in.Tags, Primary: p.Region,
			Material: p.Material, MaterialID: p.MaterialID,
		}
		there := a
		there.Caller.Region = in.Region
		if err := s.authorizeNew(tx, there, k, in.BypassLockoutCheck); err != nil {
			return err
		}
		if err := s.checkNew(tx, there, k, in.BypassLockoutCheck); err != nil {
			return err
		}
		if err := s.copyMaterials(tx, p, k); err != nil {
			return err
		}
		out = k
		family, err = relatives(tx, k)
		return err
	})
	return out, family, err
}

// primary finds the key to replicate, and checks that it can be.
func (s *Service) primary(tx *metadb.Tx, a Access, in Replication) (*origami.KMSKey, error) {
	p, err := resolveCustomer(tx, a.Caller, in.Key)
	if err != nil {
		return nil, err
	}
	extra := policy.Keys{}
	extra.Set("kms:ReplicaRegion", string(in.Region))
	extra.Set(keyBypass, strconv.FormatBool(in.BypassLockoutCheck))
	if err := s.authorize(tx, a, ask{action: "ReplicateKey", key: p, extra: extra}); err != nil {
		return nil, err
	}
	switch {
	case p.Primary == "":
		return nil, origami.Errorf(CodeUnsupported, "%s is not a multi-Region key", p.ARN())
	case p.Replica():
		return nil, origami.Errorf(CodeUnsupported, "%s is a replica key: its primary key is in %s", p.ARN(), p.Primary)
	case !slices.Contains(s.regions, in.Region):
		return nil, invalid("%s is not a region that is served", quote(string(in.Region)))
	}
	if err := checkUsable(p); err != nil {
		return nil, err
	}
	other, err := tx.KMSKey(in.Region, p.ID)
	switch {
	case errors.Is(err, metadb.ErrNotFound):
		return p, nil
	case err != nil:
		return nil, err
	case gone(tx, other):
		return p, s.destroy(tx, other)
	}
	return nil, origami.Errorf(CodeAlreadyExists, "%s already exists", other.ARN())
}

// copyMaterials writes replica k with the materials of its primary p, sealed
// for its own region.
func (s *Service) copyMaterials(tx *metadb.Tx, p, k *origami.KMSKey) error {
	if err := tx.PutKMSKey(k); err != nil {
		return err
	}
	rows, err := tx.KMSMaterials(p.Region, p.ID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		secret, err := s.openMaterial(row)
		if err != nil {
			return err
		}
		m, err := s.sealMaterial(tx, k, secret, row.Number, row.Reason)
		if err != nil {
			return err
		}
		m.Created = row.Created
		if err := tx.PutKMSMaterial(m); err != nil {
			return err
		}
	}
	return nil
}

// UpdatePrimaryRegion makes a replica the primary, and the primary a replica.
func (s *Service) UpdatePrimaryRegion(ctx context.Context, a Access, ref string, region origami.Region) error {
	return s.update(ctx, a, func(tx *metadb.Tx) error {
		p, err := resolveCustomer(tx, a.Caller, ref)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: "UpdatePrimaryRegion", key: p, extra: oneKey("kms:PrimaryRegion", string(region))}); err != nil {
			return err
		}
		if p.Primary != p.Region {
			return origami.Errorf(CodeUnsupported, "%s is not a primary key", p.ARN())
		}
		next, err := tx.KMSKey(region, p.ID)
		if errors.Is(err, metadb.ErrNotFound) || err == nil && gone(tx, next) {
			return keyNotFound((&origami.KMSKey{ID: p.ID, Region: region, Owner: p.Owner}).ARN())
		}
		if err != nil {
			return err
		}
		there := a
		there.Caller.Region = region
		if err := s.authorize(tx, there, ask{action: "UpdatePrimaryRegion", key: next, extra: oneKey("kms:PrimaryRegion", string(region))}); err != nil {
			return err
		}
		for _, k := range []*origami.KMSKey{p, next} {
			if err := checkUsable(k); err != nil {
				return err
			}
		}
		return movePrimary(tx, p, region)
	})
}

// movePrimary makes the member of p's family in a region its primary. The
// rotation moves with it.
func movePrimary(tx *metadb.Tx, p *origami.KMSKey, region origami.Region) error {
	family, err := tx.KMSKeysOf(p.ID)
	if err != nil {
		return err
	}
	for _, k := range family {
		_, err := tx.UpdateKMSKey(k.Region, k.ID, func(k *origami.KMSKey) error {
			k.Primary, k.RotationDays, k.NextRotation, k.OnDemand = region, 0, time.Time{}, 0
			if k.Region == region {
				k.RotationDays, k.NextRotation, k.OnDemand = p.RotationDays, p.NextRotation, p.OnDemand
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
