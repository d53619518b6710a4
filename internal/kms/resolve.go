package kms

import (
	"context"
	"errors"

	"origami"
	"origami/internal/metadb"
)

// Resolve finds the key that ref names for a caller in its region: a key ID,
// key ARN, alias name or alias ARN. Keys and aliases of other accounts are
// named by ARN only; that the caller may use what was found is not said, see
// Check. The alias alias/aws/ebs of the caller's account is made, with its key,
// when it is first asked for: tx must be one that writes then.
//
// The error is CodeNotFound, or CodeInvalidARN.
func (s *Service) Resolve(tx *metadb.Tx, who origami.Caller, ref string) (*origami.KMSKey, error) {
	r, err := parseReference(who, ref)
	if err != nil {
		return nil, err
	}
	if r.managed(who) != "" {
		if err := s.makeManaged(tx, r); err != nil {
			return nil, err
		}
	}
	return lookUp(tx, r)
}

// find is Resolve for transactions that may only read: what the first use makes
// is not found if it is not there.
func find(tx *metadb.Tx, who origami.Caller, ref string) (*origami.KMSKey, error) {
	r, err := parseReference(who, ref)
	if err != nil {
		return nil, err
	}
	return lookUp(tx, r)
}

func lookUp(tx *metadb.Tx, r reference) (*origami.KMSKey, error) {
	key := r.key
	if r.alias != "" {
		a, err := tx.KMSAlias(r.region, r.account, r.alias)
		if errors.Is(err, metadb.ErrNotFound) {
			return nil, aliasNotFound(r.arn())
		}
		if err != nil {
			return nil, err
		}
		key = a.Key
	}
	k, err := tx.KMSKey(r.region, key)
	if errors.Is(err, metadb.ErrNotFound) || err == nil && (k.Owner != r.account || gone(tx, k)) {
		return nil, keyNotFound(r.arn())
	}
	return k, err
}

// gone reports whether a key's deletion is due, though nobody has swept it away
// yet.
func gone(tx *metadb.Tx, k *origami.KMSKey) bool {
	return k.State == origami.KMSKeyPendingDeletion && !tx.Now().Before(k.Deletion)
}

// resolveKey is Resolve for operations that take no aliases.
func resolveKey(tx *metadb.Tx, who origami.Caller, ref string) (*origami.KMSKey, error) {
	r, err := parseReference(who, ref)
	if err != nil {
		return nil, err
	}
	if r.alias != "" {
		if ref == r.alias {
			return nil, origami.Errorf(CodeNotFound, "Invalid keyId '%s'", quote(ref))
		}
		return nil, origami.Errorf(CodeInvalidARN, "%s is not a key ARN", quote(ref))
	}
	return lookUp(tx, r)
}

// resolveOwn is resolveKey for operations that no other account may do.
func resolveOwn(tx *metadb.Tx, who origami.Caller, ref string) (*origami.KMSKey, error) {
	k, err := resolveKey(tx, who, ref)
	if err == nil && k.Owner != who.Account {
		return nil, origami.Errorf(CodeAccessDenied, "User: %s is not allowed to perform this operation on a key of another account", who.ARN)
	}
	return k, err
}

// resolveCustomer is resolveOwn for operations that are not for keys of AWS
// services.
func resolveCustomer(tx *metadb.Tx, who origami.Caller, ref string) (*origami.KMSKey, error) {
	k, err := resolveOwn(tx, who, ref)
	if err == nil && k.Managed != "" {
		return nil, origami.Errorf(CodeAccessDenied, "%s is an AWS managed key, which cannot be changed", k.ARN())
	}
	return k, err
}

// look runs fn with the key that ref names, in a transaction that reads. A key
// that is made by its first use is there then.
func (s *Service) look(ctx context.Context, a Access, ref string, fn func(*metadb.Tx, *origami.KMSKey) error) error {
	r, err := parseReference(a.Caller, ref)
	if err != nil {
		return err
	}
	if r.managed(a.Caller) != "" {
		if err := s.ensureManaged(ctx, r); err != nil {
			return err
		}
	}
	return s.view(ctx, func(tx *metadb.Tx) error {
		k, err := lookUp(tx, r)
		if err != nil {
			return err
		}
		if err := fn(tx, k); err != nil {
			return err
		}
		if a.DryRun {
			return errDryRun()
		}
		return nil
	})
}
