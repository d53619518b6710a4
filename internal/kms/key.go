package kms

import (
	"context"
	"strconv"
	"time"
	"unicode/utf8"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// NewKey is what CreateKey is asked for. The zero value is a good key.
type NewKey struct {
	Policy             string // "" for one that leaves all to the account
	BypassLockoutCheck bool
	Description        string
	Tags               origami.Tags
	MultiRegion        bool
}

// maxDescription bounds the description of a key, in characters.
const maxDescription = 8192

// CreateKey makes a key in the caller's account and region.
func (s *Service) CreateKey(ctx context.Context, a Access, in NewKey) (*origami.KMSKey, error) {
	k := &origami.KMSKey{
		Region: a.Caller.Region, Owner: a.Caller.Account, Description: in.Description, State: origami.KMSKeyEnabled,
		Policy: in.Policy, Tags: in.Tags,
	}
	if in.MultiRegion {
		k.Primary = k.Region
	}
	err := s.update(ctx, a, func(tx *metadb.Tx) error {
		k.ID, k.Material = origami.NewKMSKeyID(in.MultiRegion), 0
		if err := s.authorizeNew(tx, a, k, in.BypassLockoutCheck); err != nil {
			return err
		}
		if err := s.checkNew(tx, a, k, in.BypassLockoutCheck); err != nil {
			return err
		}
		return s.putNew(tx, k)
	})
	if err != nil {
		return nil, err
	}
	s.tell(a.Caller, k)
	return k, nil
}

// authorizeNew decides whether a caller may make a key.
func (s *Service) authorizeNew(tx *metadb.Tx, a Access, k *origami.KMSKey, bypass bool) error {
	keys := tagKeys(k.Tags)
	shapeKeys(keys, k)
	keys.Set(keyBypass, strconv.FormatBool(bypass))
	return s.authorizeAccount(tx, a, "CreateKey", "*", keys)
}

// tagKeys are the condition keys of tags in a request.
func tagKeys(tags origami.Tags) policy.Keys {
	keys := policy.Keys{}
	for name, value := range tags {
		keys.Set("aws:RequestTag/"+name, value)
		keys.Set("aws:TagKeys", name)
	}
	return keys
}

// checkNew checks what a caller wants for a new key.
func (s *Service) checkNew(tx *metadb.Tx, a Access, k *origami.KMSKey, bypass bool) error {
	if utf8.RuneCountInString(k.Description) > maxDescription {
		return invalid("The description exceeds the maximum length of %d characters.", maxDescription)
	}
	if err := checkTags(k.Tags); err != nil {
		return err
	}
	if k.Policy == "" {
		k.Policy = defaultPolicy(k.Owner)
		return nil
	}
	return s.setPolicy(tx, a, k, k.Policy, bypass)
}

// putNew writes a new key with its first material.
func (s *Service) putNew(tx *metadb.Tx, k *origami.KMSKey) error {
	k.Created = tx.Now().Truncate(time.Microsecond)
	if k.RotationDays > 0 {
		k.NextRotation = k.Created.AddDate(0, 0, k.RotationDays)
	}
	m, err := s.addMaterial(tx, k, "")
	if err != nil {
		return err
	}
	if err := tx.PutKMSKey(k); err != nil {
		return err
	}
	return tx.PutKMSMaterial(m)
}

// Relatives are the other keys of a multi-Region key.
type Relatives struct {
	Primary  *origami.KMSKey
	Replicas []*origami.KMSKey
}

// DescribeKey finds a key by any reference. The relatives are nil unless it is
// a multi-Region key.
func (s *Service) DescribeKey(ctx context.Context, a Access, ref string) (k *origami.KMSKey, family *Relatives, err error) {
	err = s.look(ctx, a, ref, func(tx *metadb.Tx, found *origami.KMSKey) error {
		if err := s.authorize(tx, a, ask{action: "DescribeKey", key: found, alias: aliasOf(a, ref)}); err != nil {
			return err
		}
		k = found
		family, err = relatives(tx, k)
		return err
	})
	return k, family, err
}

// aliasOf is the ARN of the alias that a reference is, or "".
func aliasOf(a Access, ref string) string {
	if r, err := parseReference(a.Caller, ref); err == nil && r.alias != "" {
		return r.arn()
	}
	return ""
}

func relatives(tx *metadb.Tx, k *origami.KMSKey) (*Relatives, error) {
	if k.Primary == "" {
		return nil, nil
	}
	all, err := tx.KMSKeysOf(k.ID)
	if err != nil {
		return nil, err
	}
	out := new(Relatives)
	for _, other := range all {
		switch {
		case gone(tx, other):
		case other.Replica():
			out.Replicas = append(out.Replicas, other)
		default:
			out.Primary = other
		}
	}
	return out, nil
}

// changeKey changes a customer's key by f, if the caller may do to it what q asks.
func (s *Service) changeKey(ctx context.Context, a Access, ref string, q ask, f func(*metadb.Tx, *origami.KMSKey) error) error {
	return s.update(ctx, a, func(tx *metadb.Tx) error {
		k, err := resolveCustomer(tx, a.Caller, ref)
		if err != nil {
			return err
		}
		q.key = k
		if err := s.authorize(tx, a, q); err != nil {
			return err
		}
		_, err = tx.UpdateKMSKey(k.Region, k.ID, func(k *origami.KMSKey) error { return f(tx, k) })
		return err
	})
}

// EnableKey makes a disabled key usable.
func (s *Service) EnableKey(ctx context.Context, a Access, ref string) error {
	return s.setState(ctx, a, ref, "EnableKey", origami.KMSKeyEnabled)
}

// DisableKey makes a key unusable until it is enabled.
func (s *Service) DisableKey(ctx context.Context, a Access, ref string) error {
	return s.setState(ctx, a, ref, "DisableKey", origami.KMSKeyDisabled)
}

func (s *Service) setState(ctx context.Context, a Access, ref, action string, state origami.KMSKeyState) error {
	return s.changeKey(ctx, a, ref, ask{action: action}, func(_ *metadb.Tx, k *origami.KMSKey) error {
		if err := checkKept(k); err != nil {
			return err
		}
		k.State = state
		return nil
	})
}

// UpdateKeyDescription gives a key another description, "" for none.
func (s *Service) UpdateKeyDescription(ctx context.Context, a Access, ref, description string) error {
	return s.changeKey(ctx, a, ref, ask{action: "UpdateKeyDescription"}, func(_ *metadb.Tx, k *origami.KMSKey) error {
		if utf8.RuneCountInString(description) > maxDescription {
			return invalid("The description exceeds the maximum length of %d characters.", maxDescription)
		}
		k.Description = description
		return checkKept(k)
	})
}

// ListKeys lists the keys of the caller's account and region behind the ID
// after, at most limit; more is true if there are others.
func (s *Service) ListKeys(ctx context.Context, a Access, after string, limit int) (keys []*origami.KMSKey, more bool, err error) {
	err = s.view(ctx, func(tx *metadb.Tx) error {
		if err := s.authorizeAccount(tx, a, "ListKeys", "*", nil); err != nil {
			return err
		}
		keys, more = nil, false
		for k, err := range tx.KMSKeys(metadb.Query{Region: a.Caller.Region, Viewer: a.Caller.Account, After: after}) {
			switch {
			case err != nil:
				return err
			case gone(tx, k):
			case len(keys) == limit:
				more = true
				return nil
			default:
				keys = append(keys, k)
			}
		}
		return nil
	})
	return keys, more, err
}
