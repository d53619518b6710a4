package kmsserver

import (
	"context"

	"origami"
	"origami/internal/kms"
)

type tag struct {
	Key   *string `json:"TagKey" valid:"required,min=1,max=128"`
	Value *string `json:"TagValue" valid:"required,max=256"`
}

// tagsOf is a list of tags as a map. A key that is there twice is refused.
func tagsOf(list []tag) (origami.Tags, error) {
	tags := origami.Tags{}
	for _, t := range list {
		if _, twice := tags[*t.Key]; twice {
			return nil, origami.Errorf(kms.CodeTag, "Duplicate tag keys")
		}
		tags[*t.Key] = *t.Value
	}
	return tags, nil
}

func tagList(tags origami.Tags) []tag {
	list := []tag{}
	for key, v := range tags {
		list = append(list, tag{&key, &v})
	}
	return list
}

type tagResourceInput struct {
	KeyID *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Tags  []tag   `json:"Tags" valid:"required"`
}

func (h *Handler) tagResource(ctx context.Context, a kms.Access, in *tagResourceInput) (*nothing, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return &nothing{}, h.kms.TagResource(ctx, a, *in.KeyID, tags)
}

type untagResourceInput struct {
	KeyID *string  `json:"KeyId" valid:"required,min=1,max=2048"`
	Keys  []string `json:"TagKeys" valid:"required" each:"min=1,max=128"`
}

func (h *Handler) untagResource(ctx context.Context, a kms.Access, in *untagResourceInput) (*nothing, error) {
	return &nothing{}, h.kms.UntagResource(ctx, a, *in.KeyID, in.Keys)
}

type listResourceTagsInput struct {
	KeyID  *string `json:"KeyId" valid:"required,min=1,max=2048"`
	Limit  *int32  `json:"Limit" valid:"min=1,max=1000"`
	Marker *string `json:"Marker" valid:"min=1,max=1024"`
}

type listResourceTagsOutput struct {
	Tags       []tag   `json:"Tags"`
	NextMarker *string `json:"NextMarker"`
	Truncated  *bool   `json:"Truncated"`
}

func (h *Handler) listResourceTags(ctx context.Context, a kms.Access, in *listResourceTagsInput) (*listResourceTagsOutput, error) {
	after, err := parseMarker("tags", in.Marker)
	if err != nil {
		return nil, err
	}
	found, more, err := h.kms.ListResourceTags(ctx, a, *in.KeyID, after, limitOf(in.Limit, defaultShortLimit))
	if err != nil {
		return nil, err
	}
	out := &listResourceTagsOutput{Tags: []tag{}, Truncated: &more}
	for _, t := range found {
		out.Tags = append(out.Tags, tag{&t.Key, &t.Value})
		after = t.Key
	}
	out.NextMarker = formatMarker("tags", after, more)
	return out, nil
}
