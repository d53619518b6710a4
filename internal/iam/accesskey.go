package iam

import (
	"context"
	"errors"
	"fmt"
	"time"

	"origami"
	"origami/internal/metadb"
)

// maxKeys is how many access keys a user or a root may have: enough to change
// one for another.
const maxKeys = 2

// owner is the ID of the user whose keys are meant: "" for the root of the
// account, whose name is "".
func owner(tx *metadb.Tx, account origami.AccountID, user string) (string, error) {
	if user == "" {
		if _, err := tx.Account(account); err != nil {
			return "", fmt.Errorf("account %s: %w", account, err)
		}
		return "", nil
	}
	u, err := identity(tx, account, origami.KindUser, user)
	if err != nil {
		return "", err
	}
	return u.ID, nil
}

// AccessKeys lists the access keys of a user of an account, or of its root if
// user is "", oldest first.
func (s *Service) AccessKeys(ctx context.Context, account origami.AccountID, user string) ([]origami.AccessKey, error) {
	var out []origami.AccessKey
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		id, err := owner(tx, account, user)
		if err != nil {
			return err
		}
		all, err := tx.AccessKeys(account, id)
		out = values(all)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list access keys: %w", err)
	}
	return out, nil
}

// CreateAccessKey makes another access key of a user, or of the root of the
// account if user is "". The error is LimitExceeded if it has two.
func (s *Service) CreateAccessKey(ctx context.Context, account origami.AccountID, user string) (origami.AccessKey, error) {
	var k origami.AccessKey
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		id, err := owner(tx, account, user)
		if err != nil {
			return err
		}
		have, err := tx.AccessKeys(account, id)
		if err != nil {
			return err
		}
		if len(have) >= maxKeys {
			return origami.Errorf(codeLimit, "Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
		}
		k = newAccessKey("AKIA", account, id, tx.Now().Truncate(time.Microsecond))
		return tx.PutAccessKey(&k)
	})
	if err != nil {
		return origami.AccessKey{}, fmt.Errorf("create access key: %w", err)
	}
	return k, nil
}

// SetAccessKey switches an access key off or on. Requests signed with one that
// is off are refused.
func (s *Service) SetAccessKey(ctx context.Context, account origami.AccountID, user, id string, disabled bool) error {
	return s.key(ctx, account, user, id, func(tx *metadb.Tx, owner string) error {
		return tx.SetAccessKeyDisabled(account, owner, id, disabled)
	})
}

// DeleteAccessKey removes an access key of a user, or of the root of the
// account if user is "". Requests signed with it are refused from then on.
func (s *Service) DeleteAccessKey(ctx context.Context, account origami.AccountID, user, id string) error {
	return s.key(ctx, account, user, id, func(tx *metadb.Tx, owner string) error {
		return tx.DeleteAccessKey(account, owner, id)
	})
}

// key does something with a key.
func (s *Service) key(ctx context.Context, account origami.AccountID, user, id string, f func(*metadb.Tx, string) error) error {
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		name, err := owner(tx, account, user)
		if err != nil {
			return err
		}
		_, err = found(true, f(tx, name), "The Access Key with id %.128s cannot be found.", id)
		return err
	})
}

// ErrNoKey is the error of KeyAccount for an access key that does not exist.
var ErrNoKey = errors.New("no such access key")

// KeyAccount is the account that an access key of any kind belongs to, or
// ErrNoKey.
func (s *Service) KeyAccount(ctx context.Context, id string) (origami.AccountID, error) {
	var account origami.AccountID
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		k, err := tx.AccessKey(id)
		if err == nil {
			account = k.Account
		}
		if !errors.Is(err, metadb.ErrNotFound) {
			return err
		}
		t, err := tx.Session(id)
		if err == nil {
			account = t.Account
		}
		return err
	})
	if errors.Is(err, metadb.ErrNotFound) {
		err = ErrNoKey
	}
	return account, err
}

// wellFormedKey reports whether id can be an access key's. It comes from a
// request that nobody has verified yet.
func wellFormedKey(id string) bool {
	if len(id) < 16 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
