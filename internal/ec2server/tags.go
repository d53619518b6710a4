package ec2server

import (
	"slices"
	"strings"

	"origami"
	"origami/internal/ec2api"
)

// wireTags writes tags in order of their keys.
func wireTags(tags origami.Tags) []ec2api.Tag {
	out := make([]ec2api.Tag, 0, len(tags))
	for k, v := range tags {
		out = append(out, ec2api.Tag{Key: ptr(k), Value: ptr(v)})
	}
	slices.SortFunc(out, func(a, b ec2api.Tag) int { return strings.Compare(*a.Key, *b.Key) })
	return out
}

// parseTags reads a list of tags. A key that is given twice is an error.
func parseTags(in []ec2api.Tag) (origami.Tags, error) {
	tags := make(origami.Tags, len(in))
	for _, t := range in {
		k := deref(t.Key)
		if _, ok := tags[k]; ok {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Duplicate tag key '%s' specified.", k)
		}
		tags[k] = deref(t.Value)
	}
	return tags, tags.Validate()
}

// parseTagSpecifications reads the tags that a request wants on what it makes,
// by resource type. Types that the operation does not make are refused.
func parseTagSpecifications(in []ec2api.TagSpecification, types ...string) (map[string]origami.Tags, error) {
	out := make(map[string]origami.Tags)
	for _, spec := range in {
		kind := deref(spec.ResourceType)
		if kind == "" {
			return nil, origami.Errorf(origami.CodeMissingParameter, "Tag specification resource type must have a value")
		}
		if !slices.Contains(types, kind) {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue,
				"'%s' is not a valid taggable resource type for this operation.", kind)
		}
		if _, ok := out[kind]; ok {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Duplicate tag specification for resource type '%s'.", kind)
		}
		tags, err := parseTags(spec.Tags)
		if err != nil {
			return nil, err
		}
		if len(tags) == 0 {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Tag specification must have at least one tag")
		}
		out[kind] = tags
	}
	return out, nil
}
