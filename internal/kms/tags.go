package kms

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"origami"
	"origami/internal/metadb"
	"origami/internal/policy"
)

// checkTags checks the tags of a key.
func checkTags(tags origami.Tags) error {
	if len(tags) > origami.MaxTags {
		return origami.Errorf(CodeLimitExceeded, "A key has at most %d tags.", origami.MaxTags)
	}
	for name, value := range tags {
		switch {
		case name == "" || utf8.RuneCountInString(name) > origami.MaxTagKeyLen || utf8.RuneCountInString(value) > origami.MaxTagValueLen:
			return origami.Errorf(CodeTag, "Tag keys have 1 to %d characters, tag values at most %d.", origami.MaxTagKeyLen, origami.MaxTagValueLen)
		case len(name) >= 4 && strings.EqualFold(name[:4], "aws:"):
			return origami.Errorf(CodeTag, "Tag keys that begin with aws: are reserved.")
		case !utf8.ValidString(name+value) || strings.ContainsRune(name+value, 0):
			return origami.Errorf(CodeTag, "Tags contain characters that are not allowed.")
		}
	}
	return nil
}

// TagResource gives a key tags, in place of values that it has.
func (s *Service) TagResource(ctx context.Context, a Access, ref string, tags origami.Tags) error {
	return s.changeTags(ctx, a, ref, "TagResource", tagKeys(tags), func(t origami.Tags) { maps.Copy(t, tags) })
}

// UntagResource takes tags off a key. Those that it has not are no error.
func (s *Service) UntagResource(ctx context.Context, a Access, ref string, names []string) error {
	asked := policy.Keys{}
	asked.Set("aws:TagKeys", names...)
	return s.changeTags(ctx, a, ref, "UntagResource", asked, func(t origami.Tags) {
		for _, name := range names {
			delete(t, name)
		}
	})
}

func (s *Service) changeTags(ctx context.Context, a Access, ref, action string, asked policy.Keys, f func(origami.Tags)) error {
	return s.update(ctx, a, func(tx *metadb.Tx) error {
		k, err := resolveCustomer(tx, a.Caller, ref)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: action, key: k, extra: asked}); err != nil {
			return err
		}
		if err := checkKept(k); err != nil {
			return err
		}
		_, err = tx.UpdateKMSKey(k.Region, k.ID, func(k *origami.KMSKey) error {
			if k.Tags == nil {
				k.Tags = origami.Tags{}
			}
			f(k.Tags)
			return checkTags(k.Tags)
		})
		return err
	})
}

// Tag is one tag.
type Tag struct{ Key, Value string }

// ListResourceTags lists the tags of a key by name, those behind the name after,
// at most limit; more is true if there are others.
func (s *Service) ListResourceTags(ctx context.Context, a Access, ref, after string, limit int) (tags []Tag, more bool, err error) {
	err = s.view(ctx, func(tx *metadb.Tx) error {
		k, err := resolveOwn(tx, a.Caller, ref)
		if err != nil {
			return err
		}
		if err := s.authorize(tx, a, ask{action: "ListResourceTags", key: k}); err != nil {
			return err
		}
		tags, more = nil, false
		for _, name := range slices.Sorted(maps.Keys(k.Tags)) {
			if name <= after {
				continue
			}
			if more = len(tags) == limit; more {
				return nil
			}
			tags = append(tags, Tag{name, k.Tags[name]})
		}
		return nil
	})
	return tags, more, err
}
