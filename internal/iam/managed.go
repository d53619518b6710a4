package iam

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// managed finds a managed policy by its ARN, to give it to an identity or a
// session: one of the account, or one that is there for every account.
func managed(tx *metadb.Tx, account origami.AccountID, arn string) (*origami.Policy, error) {
	p, err := policyOf(tx, account, arn)
	return found(p, err, "Policy %s does not exist or is not attachable.", arn)
}

// named finds a managed policy as managed does, for requests about the policy.
func named(tx *metadb.Tx, account origami.AccountID, arn string) (*origami.Policy, error) {
	p, err := policyOf(tx, account, arn)
	return found(p, err, "Policy %s was not found.", arn)
}

// policyOf finds a managed policy, or gives metadb.ErrNotFound.
func policyOf(tx *metadb.Tx, account origami.AccountID, arn string) (*origami.Policy, error) {
	if p := builtins[arn]; p != nil {
		return p, nil
	}
	rest, ok := strings.CutPrefix(arn, "arn:aws:iam::"+string(account)+":policy/")
	if !ok {
		if !strings.HasPrefix(arn, "arn:aws:iam::") || !strings.Contains(arn, ":policy/") {
			return nil, origami.Errorf(codeInvalidInput, "ARN %.128s is not valid.", arn)
		}
		return nil, metadb.ErrNotFound
	}
	p, err := tx.Policy(account, rest[strings.LastIndexByte(rest, '/')+1:])
	if err == nil && p.ARN() != arn {
		err = metadb.ErrNotFound
	}
	return p, err
}

// CreatePolicy makes a managed policy whose version 1 is document.
func (s *Service) CreatePolicy(ctx context.Context, account origami.AccountID, path, name, description, document string, tags origami.Tags) (*origami.Policy, error) {
	if err := checkEntityName("policyName", name, 128); err != nil {
		return nil, err
	}
	path, err := checkPath(path)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkDocument(document), checkTags(tags)); err != nil {
		return nil, err
	}
	if len(description) > maxDescription {
		return nil, origami.Errorf(codeValidation, "1 validation error detected: Value at 'description' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", maxDescription)
	}
	p := &origami.Policy{ID: newID("ANPA"), Account: account, Path: path, Name: name, Description: description, Default: 1, Last: 1, Tags: tags}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error {
		switch _, err := tx.Policy(account, name); {
		case err == nil:
			return origami.Errorf(codeExists, "A policy called %s already exists. Duplicate names are not allowed.", name)
		case !errors.Is(err, metadb.ErrNotFound):
			return err
		}
		all, err := tx.Policies(account)
		if err != nil {
			return err
		}
		if len(all) >= maxPolicies {
			return origami.Errorf(codeLimit, "Cannot exceed quota for PoliciesPerAccount: %d", maxPolicies)
		}
		p.Created = tx.Now().Truncate(time.Second)
		p.Updated = p.Created
		p.Versions = []origami.PolicyVersion{{Number: 1, Document: document, Created: p.Created}}
		return tx.PutPolicy(p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// checkDocument checks the text of a managed policy.
func checkDocument(document string) error {
	if size(document) > maxPolicySize {
		return origami.Errorf(codeLimit, "Cannot exceed quota for PolicySize: %d", maxPolicySize)
	}
	_, err := parse(document, policy.Identity)
	return err
}

// Policy is a managed policy with the number of identities that it is attached
// to, and of those that it bounds.
func (s *Service) Policy(ctx context.Context, account origami.AccountID, arn string) (p *origami.Policy, attached, bounded int, err error) {
	err = s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		if p, err = named(tx, account, arn); err != nil {
			return err
		}
		attached, bounded, err = uses(tx, account, arn)
		return err
	})
	return p, attached, bounded, err
}

func uses(tx *metadb.Tx, account origami.AccountID, arn string) (attached, bounded int, err error) {
	a, err := tx.IdentitiesOfPolicy(account, arn, false)
	if err != nil {
		return 0, 0, err
	}
	b, err := tx.IdentitiesOfPolicy(account, arn, true)
	return len(a), len(b), err
}

// ListedPolicy is a managed policy in a list.
type ListedPolicy struct {
	*origami.Policy
	Attached, Bounded int // identities
}

// Policies lists the managed policies that an account can use, by name: its own
// (local), those that are there for every account (builtin), or both, whose
// path begins with prefix.
func (s *Service) Policies(ctx context.Context, account origami.AccountID, local, builtin bool, prefix string) ([]ListedPolicy, error) {
	var out []ListedPolicy
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		var all []*origami.Policy
		if local {
			own, err := tx.Policies(account)
			if err != nil {
				return err
			}
			all = own
		}
		if builtin {
			for _, p := range builtins {
				all = append(all, p)
			}
		}
		slices.SortFunc(all, func(a, b *origami.Policy) int {
			return strings.Compare(strings.ToLower(a.Name)+a.ARN(), strings.ToLower(b.Name)+b.ARN())
		})
		for _, p := range all {
			if !strings.HasPrefix(p.Path, prefix) {
				continue
			}
			a, b, err := uses(tx, account, p.ARN())
			if err != nil {
				return err
			}
			out = append(out, ListedPolicy{p, a, b})
		}
		return nil
	})
	return out, err
}

// changePolicy changes a managed policy of the account by f.
func (s *Service) changePolicy(ctx context.Context, account origami.AccountID, arn string, f func(*metadb.Tx, *origami.Policy) error) error {
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		p, err := named(tx, account, arn)
		if err != nil {
			return err
		}
		if p.Account != account {
			return origami.Errorf(codeAccessDenied, "The policy %s is not of this account.", arn)
		}
		_, err = tx.UpdatePolicy(p.ID, func(p *origami.Policy) error { return f(tx, p) })
		return err
	})
}

// CreatePolicyVersion adds a version to a managed policy, and puts it in force
// if inForce is set.
func (s *Service) CreatePolicyVersion(ctx context.Context, account origami.AccountID, arn, document string, inForce bool) (v origami.PolicyVersion, err error) {
	if err := checkDocument(document); err != nil {
		return v, err
	}
	err = s.changePolicy(ctx, account, arn, func(tx *metadb.Tx, p *origami.Policy) error {
		if len(p.Versions) >= maxVersions {
			return origami.Errorf(codeLimit, "A managed policy can have up to %d versions. Before you create a new version, "+
				"you must delete an existing version.", maxVersions)
		}
		p.Last++
		v = origami.PolicyVersion{Number: p.Last, Document: document, Created: tx.Now().Truncate(time.Second)}
		p.Versions = append(p.Versions, v)
		p.Updated = v.Created
		if inForce {
			p.Default = v.Number
		}
		return nil
	})
	return v, err
}

// SetDefaultPolicyVersion puts a version of a managed policy in force.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, account origami.AccountID, arn string, number int) error {
	return s.changePolicy(ctx, account, arn, func(tx *metadb.Tx, p *origami.Policy) error {
		if p.Version(number) == nil {
			return NoVersion(arn, number)
		}
		p.Default, p.Updated = number, tx.Now().Truncate(time.Second)
		return nil
	})
}

// NoVersion is the error of a version that a policy does not have.
func NoVersion(arn string, number int) error {
	return origami.Errorf(CodeNoSuchEntity, "Policy %s version v%d does not exist or is not attachable.", arn, number)
}

// DeletePolicyVersion removes a version that is not in force.
func (s *Service) DeletePolicyVersion(ctx context.Context, account origami.AccountID, arn string, number int) error {
	return s.changePolicy(ctx, account, arn, func(_ *metadb.Tx, p *origami.Policy) error {
		switch {
		case p.Version(number) == nil:
			return NoVersion(arn, number)
		case p.Default == number:
			return origami.Errorf(codeConflict, "Cannot delete the default version of a policy.")
		}
		p.Versions = slices.DeleteFunc(p.Versions, func(v origami.PolicyVersion) bool { return v.Number == number })
		return nil
	})
}

// DeletePolicy removes a managed policy that nobody uses and that has no
// versions besides the one in force.
func (s *Service) DeletePolicy(ctx context.Context, account origami.AccountID, arn string) error {
	return s.db.Update(ctx, func(tx *metadb.Tx) error {
		p, err := named(tx, account, arn)
		if err != nil {
			return err
		}
		attached, bounded, err := uses(tx, account, arn)
		switch {
		case err != nil:
			return err
		case p.Account != account:
			return origami.Errorf(codeAccessDenied, "The policy %s is not of this account.", arn)
		case attached+bounded > 0:
			return origami.Errorf(codeConflict, "Cannot delete a policy attached to entities.")
		case len(p.Versions) > 1:
			return origami.Errorf(codeConflict, "This policy has more than one version. Before you delete a policy, "+
				"you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return tx.DeletePolicy(p.ID)
	})
}

// Attach attaches a managed policy to an identity; doing so again changes
// nothing.
func (s *Service) Attach(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name, arn string) error {
	return s.change(ctx, account, kind, name, func(tx *metadb.Tx, i *origami.Identity) error {
		if _, err := managed(tx, account, arn); err != nil {
			return err
		}
		if slices.Contains(i.Attached, arn) {
			return nil
		}
		if len(i.Attached) >= maxAttached {
			return origami.Errorf(codeLimit, "Cannot exceed quota for %s: %d", kinds[kind].attached, maxAttached)
		}
		i.Attached = append(slices.Clone(i.Attached), arn)
		return nil
	})
}

// Detach takes a managed policy off an identity.
func (s *Service) Detach(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name, arn string) error {
	return s.change(ctx, account, kind, name, func(tx *metadb.Tx, i *origami.Identity) error {
		if !slices.Contains(i.Attached, arn) {
			return origami.Errorf(CodeNoSuchEntity, "Policy %s was not found.", arn)
		}
		i.Attached = without(i.Attached, arn)
		return nil
	})
}

// EntitiesOf lists the identities that a managed policy is attached to or, if
// boundary is set, bounds.
func (s *Service) EntitiesOf(ctx context.Context, account origami.AccountID, arn string, boundary bool) ([]*origami.Identity, error) {
	var out []*origami.Identity
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		if _, err := named(tx, account, arn); err != nil {
			return err
		}
		var err error
		out, err = tx.IdentitiesOfPolicy(account, arn, boundary)
		return err
	})
	byName(out)
	return out, err
}
