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
	return s.lookUp(tx, who, r)
}

func (s *Service) lookUp(tx *metadb.Tx, who origami.Caller, r reference) (*origami.KMSKey, error) {
	key := r.key
	if r.alias != "" {
		a, err := tx.KMSAlias(r.region, r.account, r.alias)
		if errors.Is(err, metadb.ErrNotFound) {
			if service := managedService(r.alias); service != "" && r.account == who.Account {
				return s.createManaged(tx, r.region, r.account, service)
			}
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
func (s *Service) resolveKey(tx *metadb.Tx, who origami.Caller, ref string) (*origami.KMSKey, error) {
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
	return s.lookUp(tx, who, r)
}

// resolveOwn is resolveKey for operations that no other account may do.
func (s *Service) resolveOwn(tx *metadb.Tx, who origami.Caller, ref string) (*origami.KMSKey, error) {
	k, err := s.resolveKey(tx, who, ref)
	if err == nil && k.Owner != who.Account {
		return nil, origami.Errorf(CodeAccessDenied, "User: %s is not allowed to perform this operation on a key of another account", who.ARN)
	}
	return k, err
}

// resolveCustomer is resolveOwn for operations that are not for keys of AWS
// services.
func (s *Service) resolveCustomer(tx *metadb.Tx, who origami.Caller, ref string) (*origami.KMSKey, error) {
	k, err := s.resolveOwn(tx, who, ref)
	if err == nil && k.Managed != "" {
		return nil, origami.Errorf(CodeAccessDenied, "%s is an AWS managed key, which cannot be changed", k.ARN())
	}
	return k, err
}

// look runs fn with the key that ref names, in a transaction that reads, or in
// one that writes if the key is one that the first use makes.
func (s *Service) look(ctx context.Context, a Access, ref string, fn func(*metadb.Tx, *origami.KMSKey) error) error {
	run := func(tx *metadb.Tx) error {
		k, err := s.Resolve(tx, a.Caller, ref)
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
	}
	if r, err := parseReference(a.Caller, ref); err == nil && managedService(r.alias) != "" && r.account == a.Caller.Account {
		if err := s.ensureManaged(ctx, r); err != nil {
			return err
		}
	}
	return s.view(ctx, run)
}
