package iamserver

import (
	"origami"
)

type tagsOutput struct {
	Tags        []tag   `xml:"Tags>member"`
	IsTruncated *bool   `xml:"IsTruncated"`
	Marker      *string `xml:"Marker"`
}

func (c *call) listTags(tags origami.Tags, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	items, truncated, next, err := page(c, wireTags(tags), func(t tag) string { return *t.Key })
	return &tagsOutput{items, truncated, next}, err
}

func tagIdentity(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	return nil, c.iam.TagIdentity(c.ctx, c.who.Account, c.kind, c.name(), tags, c.TagKeys)
}

func identityTags(c *call) (any, error) {
	i, err := c.iam.Identity(c.ctx, c.who.Account, c.kind, c.name())
	if err != nil {
		return nil, err
	}
	return c.listTags(i.Tags, nil)
}

func tagPolicy(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	return nil, c.iam.TagPolicy(c.ctx, c.who.Account, *c.PolicyARN, tags, c.TagKeys)
}

func policyTags(c *call) (any, error) {
	p, _, _, err := c.iam.Policy(c.ctx, c.who.Account, *c.PolicyARN)
	if err != nil {
		return nil, err
	}
	return c.listTags(p.Tags, nil)
}

func tagProfile(c *call) (any, error) {
	tags, err := c.tags()
	if err != nil {
		return nil, err
	}
	return nil, c.iam.TagInstanceProfile(c.ctx, c.who.Account, *c.InstanceProfileName, tags, c.TagKeys)
}

func profileTags(c *call) (any, error) {
	p, err := c.iam.InstanceProfile(c.ctx, c.who.Account, *c.InstanceProfileName)
	if err != nil {
		return nil, err
	}
	return c.listTags(p.Tags, nil)
}
