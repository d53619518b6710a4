package iam

import (
	"context"
	"maps"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// PutInline gives an identity a policy of its own, in place of one of that name
// if it has one.
func (s *Service) PutInline(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name, policyName, document string) error {
	if err := checkEntityName("policyName", policyName, 128); err != nil {
		return err
	}
	if _, err := parse(document, policy.Identity); err != nil {
		return err
	}
	return s.change(ctx, account, kind, name, func(_ *metadb.Tx, i *origami.Identity) error {
		i.Inline = maps.Clone(i.Inline)
		if i.Inline == nil {
			i.Inline = make(map[string]string)
		}
		i.Inline[policyName] = document
		total := 0
		for _, d := range i.Inline {
			total += size(d)
		}
		if most := kinds[kind].inline; total > most {
			return origami.Errorf(codeLimit, "Maximum policy size of %d bytes exceeded for %s %s", most, kind, name)
		}
		return nil
	})
}

// Inline is an identity's own policy of a name, or NoSuchEntity.
func (s *Service) Inline(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name, policyName string) (string, error) {
	i, err := s.Identity(ctx, account, kind, name)
	if err != nil {
		return "", err
	}
	d, ok := i.Inline[policyName]
	if !ok {
		return "", noInline(kind, policyName)
	}
	return d, nil
}

func noInline(kind origami.IdentityKind, name string) error {
	return origami.Errorf(CodeNoSuchEntity, "The %s policy with name %s cannot be found.", kind, name)
}

// DeleteInline takes a policy of its own from an identity.
func (s *Service) DeleteInline(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name, policyName string) error {
	return s.change(ctx, account, kind, name, func(_ *metadb.Tx, i *origami.Identity) error {
		if _, ok := i.Inline[policyName]; !ok {
			return noInline(kind, policyName)
		}
		i.Inline = maps.Clone(i.Inline)
		delete(i.Inline, policyName)
		return nil
	})
}
