package metadb

import (
	"errors"
	"strings"

	"origami"
)

// PrincipalID finds the account, user or role that an ARN names. The ID is the
// unique one of a user, "AIDA…", of a role, "AROA…", or of a session of a role,
// "AROA…:name", and "" for an account. Sessions come and go: one of an account
// that is there always exists. What is no ARN does not.
func (tx *Tx) PrincipalID(arn string) (id string, exists bool, err error) {
	part := strings.SplitN(arn, ":", 6)
	if len(part) != 6 {
		return "", false, nil
	}
	account := origami.AccountID(part[4])
	kind, rest, _ := strings.Cut(part[5], "/")
	if part[2] == "sts" && kind == "assumed-role" {
		role, session, _ := strings.Cut(rest, "/")
		switch i, err := tx.Identity(account, origami.KindRole, role); {
		case err == nil:
			return i.ID + ":" + session, true, nil
		case !errors.Is(err, ErrNotFound):
			return "", false, err
		}
	}
	if part[2] != "iam" || kind == "root" {
		_, err := tx.Account(account)
		exists, err = found(err)
		return "", exists, err
	}
	i, err := tx.Identity(account, origami.IdentityKind(kind), rest[strings.LastIndexByte(rest, '/')+1:])
	if err != nil || i.ARN() != arn {
		_, err = found(err)
		return "", false, err
	}
	return i.ID, true, nil
}

// PrincipalIDs finds the unique IDs of users, roles and sessions, by ARN, and
// the first of the ARNs that names nobody, or "".
func (tx *Tx) PrincipalIDs(arns []string) (ids map[string]string, nobody string, err error) {
	for _, arn := range arns {
		id, exists, err := tx.PrincipalID(arn)
		if err != nil {
			return nil, "", err
		}
		if !exists {
			return nil, arn, nil
		}
		if id == "" {
			continue
		}
		if ids == nil {
			ids = make(map[string]string)
		}
		ids[arn] = id
	}
	return ids, "", nil
}

// PrincipalNames tells which principals, once found by [Tx.PrincipalIDs], have
// another name now: a new ARN if they were renamed, their unique ID if they are
// gone.
func (tx *Tx) PrincipalNames(ids map[string]string) (map[string]string, error) {
	names := make(map[string]string)
	for arn, id := range ids {
		identity, session, _ := strings.Cut(id, ":")
		i, err := tx.IdentityByID(identity)
		switch {
		case errors.Is(err, ErrNotFound):
			names[arn] = id
		case err != nil:
			return nil, err
		case session == "" && i.ARN() != arn:
			names[arn] = i.ARN()
		}
	}
	return names, nil
}

// found turns the error of a lookup into whether it found something.
func found(err error) (bool, error) {
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
