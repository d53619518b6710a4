package iam

import (
	"context"
	"maps"
	"slices"
	"strings"

	"origami"
	"origami/internal/metadb"
)

// TagIdentity sets tags of a user or role and removes those of the keys.
func (s *Service) TagIdentity(ctx context.Context, account origami.AccountID, kind origami.IdentityKind, name string, set origami.Tags, remove []string) error {
	return s.change(ctx, account, kind, name, func(_ *metadb.Tx, i *origami.Identity) (err error) {
		i.Tags, err = retag(i.Tags, set, remove)
		return err
	})
}

// TagPolicy sets tags of a managed policy and removes those of the keys.
func (s *Service) TagPolicy(ctx context.Context, account origami.AccountID, arn string, set origami.Tags, remove []string) error {
	return s.changePolicy(ctx, account, arn, func(_ *metadb.Tx, p *origami.Policy) (err error) {
		p.Tags, err = retag(p.Tags, set, remove)
		return err
	})
}

// TagInstanceProfile sets tags of an instance profile and removes those of the
// keys.
func (s *Service) TagInstanceProfile(ctx context.Context, account origami.AccountID, name string, set origami.Tags, remove []string) error {
	return s.changeProfile(ctx, account, name, func(_ *metadb.Tx, p *origami.InstanceProfile) (err error) {
		p.Tags, err = retag(p.Tags, set, remove)
		return err
	})
}

// retag is what tags become. Keys differ in more than case.
func retag(tags, set origami.Tags, remove []string) (origami.Tags, error) {
	out := maps.Clone(tags)
	if out == nil {
		out = origami.Tags{}
	}
	drop := func(key string) {
		maps.DeleteFunc(out, func(k, _ string) bool { return strings.EqualFold(k, key) })
	}
	for _, k := range remove {
		drop(k)
	}
	for k, v := range set {
		drop(k)
		out[k] = v
	}
	return out, checkTags(out)
}

// without is list without v, in a new slice.
func without(list []string, v string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == v })
}

// byName sorts identities by their names.
func byName(list []*origami.Identity) {
	slices.SortFunc(list, func(a, b *origami.Identity) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
}
