// Package iam knows who is asking, and whether they may: accounts, their users,
// groups and roles, access keys and temporary credentials, and the policies
// that allow and deny.
//
// The root of an account may do everything in it. Everybody else may do what
// policies allow ([Service.Authorize]). What one account may do with the
// resources of another is not decided here but by the visibility of those
// resources: a policy cannot give what its account has not.
package iam

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"sync"
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

	sealOnce sync.Mutex
	sealKey  cipher.AEAD // nil until it is needed; by sealOnce
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
		k = newAccessKey("AKIA", a.ID, "", a.Created)
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
func newAccessKey(prefix string, account origami.AccountID, user string, now time.Time) origami.AccessKey {
	var id [10]byte
	var secret [30]byte
	rand.Read(id[:]) // crypto/rand never fails: it ends the program
	rand.Read(secret[:])
	return origami.AccessKey{
		ID:      prefix + base32.StdEncoding.EncodeToString(id[:]),
		Secret:  base64.StdEncoding.EncodeToString(secret[:]),
		Account: account,
		User:    user,
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

func values[T any](all []*T) []T {
	var out []T
	for _, v := range all {
		out = append(out, *v)
	}
	return out
}
