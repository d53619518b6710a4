package rbinserver

import (
	"context"
	"path"

	"origami"
	"origami/internal/metadb"
	"origami/internal/optional"
	"origami/internal/rbin"
)

type tagResourceInput struct {
	ResourceArn *string `json:"-" uri:"resourceArn" max:"1011"`
	Tags        []tag   `required:"true" max:"200"`
}

// tagResource gives tags to a rule.
func (s *server) tagResource(ctx context.Context, who origami.Caller, in *tagResourceInput) (*nothing, error) {
	id, err := ruleOf(who, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := parseTags(in.Tags)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return rbin.Tag(tx, who, id, tags) })
	return &nothing{}, err
}

type untagResourceInput struct {
	ResourceArn *string  `uri:"resourceArn" max:"1011"`
	TagKeys     []string `query:"tagKeys" required:"true" max:"200"`
}

// untagResource takes tags away from a rule.
func (s *server) untagResource(ctx context.Context, who origami.Caller, in *untagResourceInput) (*nothing, error) {
	id, err := ruleOf(who, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx *metadb.Tx) error { return rbin.Untag(tx, who, id, in.TagKeys) })
	return &nothing{}, err
}

type listTagsForResourceInput struct {
	ResourceArn *string `uri:"resourceArn" max:"1011"`
}

type listTagsForResourceOutput struct {
	Tags []tag
}

// listTagsForResource lists the tags of a rule.
func (s *server) listTagsForResource(ctx context.Context, who origami.Caller, in *listTagsForResourceInput) (*listTagsForResourceOutput, error) {
	id, err := ruleOf(who, *in.ResourceArn)
	if err != nil {
		return nil, err
	}
	r, err := s.read(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return &listTagsForResourceOutput{wireTags(r.Tags)}, nil
}

// rule is the last part of an ARN: what a policy is asked about.
func (in *tagResourceInput) rule() string         { return lastPart(in.ResourceArn) }
func (in *untagResourceInput) rule() string       { return lastPart(in.ResourceArn) }
func (in *listTagsForResourceInput) rule() string { return lastPart(in.ResourceArn) }

func lastPart(arn *string) string { return path.Base(optional.Value(arn)) }
