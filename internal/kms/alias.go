package kms

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
)

// checkAlias checks a name that a caller wants to make, change or delete.
func checkAlias(name string) error {
	switch {
	case strings.HasPrefix(name, reservedPrefix):
		return origami.Errorf(CodeInvalidAliasName, "%s is reserved: names that begin with %s are for keys of AWS services", quote(name), reservedPrefix)
	case !strings.HasPrefix(name, aliasPrefix):
		return origami.Errorf(CodeInvalidAliasName, "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html")
	case !validAlias(name):
		return origami.Errorf(CodeInvalidAliasName, "Alias contains invalid characters for an alias")
	}
	return nil
}

// aliasARN names an alias of the caller's account and region.
func aliasARN(who origami.Caller, name string) string {
	return (&origami.KMSAlias{Name: name, Region: who.Region, Owner: who.Account}).ARN()
}

// authorizeAlias decides about an action that is about an alias and a key.
func (s *Service) authorizeAlias(tx *metadb.Tx, a Access, action, name string, k *origami.KMSKey) error {
	if err := s.authorizeAccount(tx, a, action, aliasARN(a.Caller, name), nil); err != nil {
		return err
	}
	return s.authorize(tx, a, ask{action: action, key: k})
}

// CreateAlias gives a customer's key a name.
func (s *Service) CreateAlias(ctx context.Context, a Access, name, key string) error {
	return s.nameKey(ctx, a, name, key, func(tx *metadb.Tx, k *origami.KMSKey) error {
		if err := s.authorizeAlias(tx, a, "CreateAlias", name, k); err != nil {
			return err
		}
		if err := checkKept(k); err != nil {
			return err
		}
		switch _, err := tx.KMSAlias(a.Caller.Region, a.Caller.Account, name); {
		case err == nil:
			return origami.Errorf(CodeAlreadyExists, "An alias with the name %s already exists", aliasARN(a.Caller, name))
		case !errors.Is(err, metadb.ErrNotFound):
			return err
		}
		now := tx.Now().Truncate(time.Microsecond)
		return tx.PutKMSAlias(&origami.KMSAlias{
			Name: name, Region: k.Region, Owner: k.Owner, Key: k.ID, Created: now, Updated: now,
		})
	})
}

// UpdateAlias makes a name mean another customer's key.
func (s *Service) UpdateAlias(ctx context.Context, a Access, name, key string) error {
	return s.nameKey(ctx, a, name, key, func(tx *metadb.Tx, k *origami.KMSKey) error {
		old, err := s.keyOfAlias(tx, a, name)
		if err != nil {
			return err
		}
		for _, k := range []*origami.KMSKey{old, k} {
			if err := s.authorizeAlias(tx, a, "UpdateAlias", name, k); err != nil {
				return err
			}
		}
		if err := checkKept(k); err != nil {
			return err
		}
		return tx.UpdateKMSAlias(a.Caller.Region, a.Caller.Account, name, func(x *origami.KMSAlias) {
			x.Key, x.Updated = k.ID, tx.Now().Truncate(time.Microsecond)
		})
	})
}

// nameKey makes a name mean a customer's key, as f does it.
func (s *Service) nameKey(ctx context.Context, a Access, name, key string, f func(*metadb.Tx, *origami.KMSKey) error) error {
	if err := checkAlias(name); err != nil {
		return err
	}
	return s.update(ctx, a, func(tx *metadb.Tx) error {
		k, err := resolveCustomer(tx, a.Caller, key)
		if err != nil {
			return err
		}
		return f(tx, k)
	})
}

// keyOfAlias is the key that a name of the caller means.
func (s *Service) keyOfAlias(tx *metadb.Tx, a Access, name string) (*origami.KMSKey, error) {
	x, err := tx.KMSAlias(a.Caller.Region, a.Caller.Account, name)
	if errors.Is(err, metadb.ErrNotFound) {
		return nil, aliasNotFound(aliasARN(a.Caller, name))
	}
	if err != nil {
		return nil, err
	}
	k, err := tx.KMSKey(x.Region, x.Key)
	if err == nil && gone(tx, k) {
		return nil, aliasNotFound(aliasARN(a.Caller, name))
	}
	return k, err
}

// DeleteAlias takes a name away. Its key stays.
func (s *Service) DeleteAlias(ctx context.Context, a Access, name string) error {
	if err := checkAlias(name); err != nil {
		return err
	}
	return s.update(ctx, a, func(tx *metadb.Tx) error {
		k, err := s.keyOfAlias(tx, a, name)
		if err != nil {
			return err
		}
		if err := s.authorizeAlias(tx, a, "DeleteAlias", name, k); err != nil {
			return err
		}
		return tx.DeleteKMSAlias(a.Caller.Region, a.Caller.Account, name)
	})
}

// ListAliases lists the aliases of the caller's account and region behind the
// name after, at most limit; more is true if there are others. key, if not
// empty, selects those of one key. Without, EBSAlias is there even before its
// key is, and then has none.
func (s *Service) ListAliases(ctx context.Context, a Access, key, after string, limit int) (found []*origami.KMSAlias, more bool, err error) {
	err = s.view(ctx, func(tx *metadb.Tx) error {
		if err := s.authorizeAccount(tx, a, "ListAliases", "*", nil); err != nil {
			return err
		}
		q := metadb.Query{Region: a.Caller.Region, Viewer: a.Caller.Account}
		if key != "" {
			k, err := resolveOwn(tx, a.Caller, key)
			if err != nil {
				return err
			}
			q.Filters = []origami.Filter{{Name: "key-id", Values: []string{string(k.ID)}}}
		}
		if after != "" {
			q.After = string(a.Caller.Account) + ":" + after
		}
		found = nil
		for x, err := range tx.KMSAliases(q) {
			if err != nil {
				return err
			}
			k, err := tx.KMSKey(x.Region, x.Key)
			if err != nil {
				return err
			}
			if gone(tx, k) {
				continue
			}
			if found = append(found, x); len(found) > limit {
				break
			}
		}
		if key == "" && after < EBSAlias {
			if found, err = withEBSAlias(tx, a.Caller, found); err != nil {
				return err
			}
		}
		more = len(found) > limit
		found = found[:min(len(found), limit)]
		return nil
	})
	return found, more, err
}

// withEBSAlias puts EBSAlias among aliases that are sorted by name, if it has no
// key yet.
func withEBSAlias(tx *metadb.Tx, who origami.Caller, found []*origami.KMSAlias) ([]*origami.KMSAlias, error) {
	_, err := tx.KMSAlias(who.Region, who.Account, EBSAlias)
	if !errors.Is(err, metadb.ErrNotFound) {
		return found, err
	}
	i, _ := slices.BinarySearchFunc(found, EBSAlias, func(x *origami.KMSAlias, name string) int { return strings.Compare(x.Name, name) })
	return slices.Insert(found, i, &origami.KMSAlias{Name: EBSAlias, Region: who.Region, Owner: who.Account}), nil
}
