// Package iam knows who is asking, and whether they may: accounts and their
// access keys. Each account has one principal, its root, which may do
// everything in its account. What one account may do with the resources of
// another is not decided here but by the visibility of those resources.
package iam

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"time"
	"unicode/utf8"

	"origami"
	"origami/internal/metadb"
)

// Service answers questions about accounts and access keys. Its methods may be
// called concurrently; it keeps nothing in memory, so a key that another
// process makes or deletes counts at once.
type Service struct {
	db *metadb.DB
}

// New makes the service over db.
func New(db *metadb.DB) *Service { return &Service{db: db} }

// maxName bounds the name of an account, in characters.
const maxName = 50

// CreateAccount makes an account and its first access key. Names are unique,
// 1 to 50 printable characters; the error is InvalidParameterValue otherwise.
func (s *Service) CreateAccount(ctx context.Context, name string) (origami.Account, origami.AccessKey, error) {
	var a origami.Account
	var k origami.AccessKey
	if err := checkName(name); err != nil {
		return a, k, err
	}
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		id, err := freeAccountID(tx)
		if err != nil {
			return err
		}
		a = origami.Account{ID: id, Name: name, Created: tx.Now().Truncate(time.Microsecond)}
		if err := tx.PutAccount(&a); err != nil {
			return err
		}
		k = newAccessKey(a.ID, a.Created)
		return tx.PutAccessKey(&k)
	})
	if err != nil {
		return origami.Account{}, origami.AccessKey{}, fmt.Errorf("create account: %w", err)
	}
	return a, k, nil
}

func checkName(name string) error {
	n := utf8.RuneCountInString(name)
	if n < 1 || n > maxName || !utf8.ValidString(name) {
		return origami.Errorf(origami.CodeInvalidParameterValue, "An account name has 1 to %d characters", maxName)
	}
	for _, c := range name {
		if c < ' ' || c == 0x7f {
			return origami.Errorf(origami.CodeInvalidParameterValue, "An account name has no control characters")
		}
	}
	return nil
}

// freeAccountID makes a random account number that is not taken.
func freeAccountID(tx *metadb.Tx) (origami.AccountID, error) {
	for {
		// Between 100000000000 and 999999999999: tools drop leading zeros.
		n, err := rand.Int(rand.Reader, big.NewInt(900_000_000_000))
		if err != nil {
			return "", err
		}
		id := origami.AccountID(fmt.Sprintf("%012d", n.Int64()+100_000_000_000))
		switch _, err := tx.Account(id); {
		case errors.Is(err, metadb.ErrNotFound):
			return id, nil
		case err != nil:
			return "", err
		}
	}
}

// newAccessKey makes an access key: 80 random bits of ID, 240 of secret.
func newAccessKey(account origami.AccountID, now time.Time) origami.AccessKey {
	var id [10]byte
	var secret [30]byte
	rand.Read(id[:]) // crypto/rand never fails: it ends the program
	rand.Read(secret[:])
	return origami.AccessKey{
		ID:      "AKIA" + base32.StdEncoding.EncodeToString(id[:]),
		Secret:  base64.StdEncoding.EncodeToString(secret[:]),
		Account: account,
		Created: now,
	}
}

// Accounts lists all accounts, oldest first.
func (s *Service) Accounts(ctx context.Context) ([]origami.Account, error) {
	var out []origami.Account
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		all, err := tx.Accounts()
		out = values(all)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return out, nil
}

// AccessKeys lists the access keys of an account, oldest first.
func (s *Service) AccessKeys(ctx context.Context, account origami.AccountID) ([]origami.AccessKey, error) {
	var out []origami.AccessKey
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		all, err := tx.AccessKeys(account)
		out = values(all)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list access keys: %w", err)
	}
	return out, nil
}

func values[T any](all []*T) []T {
	var out []T
	for _, v := range all {
		out = append(out, *v)
	}
	return out
}

// maxKeys is how many access keys an account may have: enough to change one
// for another.
const maxKeys = 2

// CreateAccessKey makes another access key of an account. The error is
// LimitExceeded if it has two.
func (s *Service) CreateAccessKey(ctx context.Context, account origami.AccountID) (origami.AccessKey, error) {
	var k origami.AccessKey
	err := s.db.Update(ctx, func(tx *metadb.Tx) error {
		if _, err := tx.Account(account); err != nil {
			return fmt.Errorf("account %s: %w", account, err)
		}
		have, err := tx.AccessKeys(account)
		if err != nil {
			return err
		}
		if len(have) >= maxKeys {
			return origami.Errorf("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
		}
		k = newAccessKey(account, tx.Now().Truncate(time.Microsecond))
		return tx.PutAccessKey(&k)
	})
	if err != nil {
		return origami.AccessKey{}, fmt.Errorf("create access key: %w", err)
	}
	return k, nil
}

// DeleteAccessKey removes an access key of an account. Requests signed with it
// are refused from then on.
func (s *Service) DeleteAccessKey(ctx context.Context, account origami.AccountID, id string) error {
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return tx.DeleteAccessKey(account, id) })
	if err != nil {
		return fmt.Errorf("delete access key %s: %w", id, err)
	}
	return nil
}

// ErrNoKey is the error of Credential for an access key that does not exist.
var ErrNoKey = errors.New("no such access key")

// Credential is the access key of that ID, or ErrNoKey. It is what a
// signature is verified against.
func (s *Service) Credential(ctx context.Context, id string) (origami.AccessKey, error) {
	if !wellFormedKey(id) {
		return origami.AccessKey{}, ErrNoKey
	}
	var k origami.AccessKey
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		found, err := tx.AccessKey(id)
		if err == nil {
			k = *found
		}
		return err
	})
	switch {
	case errors.Is(err, metadb.ErrNotFound):
		return k, ErrNoKey
	case err != nil:
		return k, fmt.Errorf("look up access key: %w", err)
	}
	return k, nil
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

// Caller is who makes a request that was signed with k, in a region.
func (s *Service) Caller(k origami.AccessKey, region origami.Region, request string) origami.Caller {
	return origami.Caller{
		Account:   k.Account,
		ARN:       RootARN(k.Account),
		UserID:    string(k.Account),
		AccessKey: k.ID,
		Region:    region,
		Request:   request,
	}
}

// RootARN names the root of an account.
func RootARN(account origami.AccountID) string { return "arn:aws:iam::" + string(account) + ":root" }
