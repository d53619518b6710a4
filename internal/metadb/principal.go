package metadb

import (
	"errors"
	"strings"

	"origami"
)

// PrincipalExists reports whether the account, user or role that an ARN names is
// there. Sessions come and go: one of an account that is there always exists.
// What is no ARN does not.
func (tx *Tx) PrincipalExists(arn string) (bool, error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 {
		return false, nil
	}
	account := origami.AccountID(part[4])
	kind, rest, _ := strings.Cut(part[5], "/")
	if part[2] != "iam" || kind == "root" {
		_, err := tx.Account(account)
		return found(err)
	}
	i, err := tx.Identity(account, origami.IdentityKind(kind), rest[strings.LastIndexByte(rest, '/')+1:])
	if err != nil {
		return found(err)
	}
	return i.ARN() == arn, nil
}

// found turns the error of a lookup into whether it found something.
func found(err error) (bool, error) {
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
