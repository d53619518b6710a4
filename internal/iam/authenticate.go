package iam

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"origami"
	"origami/internal/metadb"
	"origami/internal/sigv4"
)

// Credential is what a signature is verified against, and whose it is.
type Credential struct {
	Secret  string
	Account origami.AccountID
	ARN     string
	UserID  string
}

// Authenticate finds an access key and checks that the session token, "" if
// there is none, belongs to it. The errors are sigv4.ErrUnknownKey,
// sigv4.ErrInvalidToken, sigv4.ErrExpiredToken, or of the database.
func (s *Service) Authenticate(ctx context.Context, id, token string) (Credential, error) {
	if !wellFormedKey(id) {
		return Credential{}, sigv4.ErrUnknownKey
	}
	var c Credential
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if strings.HasPrefix(id, "ASIA") {
			c, err = temporary(tx, id, token)
		} else {
			c, err = lasting(tx, id, token)
		}
		return err
	})
	switch {
	case errors.Is(err, metadb.ErrNotFound):
		return Credential{}, sigv4.ErrUnknownKey
	case err != nil:
		return Credential{}, fmt.Errorf("look up access key: %w", err)
	}
	return c, nil
}

// lasting finds a key of a root or a user.
func lasting(tx *metadb.Tx, id, token string) (Credential, error) {
	k, err := tx.AccessKey(id)
	switch {
	case err != nil:
		return Credential{}, err
	case k.Disabled:
		return Credential{}, metadb.ErrNotFound
	case token != "":
		return Credential{}, sigv4.ErrInvalidToken
	}
	return credential(tx, k.Secret, k.Account, k.User, "")
}

// temporary finds the key of a session.
func temporary(tx *metadb.Tx, id, token string) (Credential, error) {
	t, err := tx.Session(id)
	if err != nil {
		return Credential{}, err
	}
	hash := sha256.Sum256([]byte(token))
	switch {
	case subtle.ConstantTimeCompare(hash[:], t.TokenHash) != 1:
		return Credential{}, sigv4.ErrInvalidToken
	case !tx.Now().Before(t.Expires):
		return Credential{}, sigv4.ErrExpiredToken
	}
	return credential(tx, t.Secret, t.Account, t.Identity, t.Name)
}

// credential completes a credential of the root, a user, or a role's session.
// An identity that is gone takes its credentials with it.
func credential(tx *metadb.Tx, secret string, account origami.AccountID, id, session string) (Credential, error) {
	c := Credential{secret, account, RootARN(account), string(account)}
	if id == "" {
		return c, nil
	}
	i, err := tx.IdentityByID(id)
	if err != nil {
		return Credential{}, err
	}
	c.ARN, c.UserID = i.ARN(), i.ID
	if i.Kind == origami.KindRole {
		c.ARN, c.UserID = sessionARN(account, i.Name, session), i.ID+":"+session
	}
	return c, nil
}

// sessionARN names a session of a role.
func sessionARN(account origami.AccountID, role, session string) string {
	return "arn:aws:sts::" + string(account) + ":assumed-role/" + role + "/" + session
}
