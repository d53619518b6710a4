package iamserver

import (
	"cmp"
	"errors"
	"strings"

	"origami"
	"origami/internal/iam"
	"origami/internal/optional"
	"origami/internal/policy"
)

// subject finds what an operation does something to: its ARN and its tags.
type subject func(c *call) (string, origami.Tags, error)

// permit asks whether the caller may do the operation. Nothing is looked up for
// the root of an account.
func (c *call) permit(op operation) error {
	action := "iam:" + c.op
	if op.about == nil || iam.Root(c.who) {
		return c.iam.Authorize(c.ctx, c.who, action)
	}
	arn, tags, err := op.about(c)
	var e *origami.Error
	if err != nil && !errors.As(err, &e) {
		return err
	}
	r := iam.Resource{ARN: arn, Keys: policy.Keys{}}
	for k, v := range tags {
		r.Keys.Set("aws:ResourceTag/"+k, v)
		r.Keys.Set("iam:ResourceTag/"+k, v)
	}
	for _, t := range c.Tags {
		r.Keys.Set("aws:RequestTag/"+*t.Key, *t.Value)
		r.Keys.Set("aws:TagKeys", *t.Key)
	}
	r.Keys.Set("aws:TagKeys", c.TagKeys...)
	if c.PolicyARN != nil {
		r.Keys.Set("iam:PolicyARN", *c.PolicyARN)
	}
	if c.PermissionsBoundary != nil {
		r.Keys.Set("iam:PermissionsBoundary", *c.PermissionsBoundary)
	}
	if c.kind == origami.KindUser || c.kind == origami.KindRole {
		if i, err := c.iam.Identity(c.ctx, c.who.Account, c.kind, c.name()); err == nil && i.Boundary != "" && c.PermissionsBoundary == nil {
			r.Keys.Set("iam:PermissionsBoundary", i.Boundary)
		}
	}
	if err := c.iam.Authorize(c.ctx, c.who, action, r); err != nil {
		return err
	}
	if kind, made := strings.CutPrefix(c.op, "Create"); made && len(c.Tags) > 0 {
		return c.iam.Authorize(c.ctx, c.who, "iam:Tag"+kind, r)
	}
	if c.NewPath != nil || c.NewUserName != nil || c.NewGroupName != nil {
		r.ARN = c.renamed(arn)
		return c.iam.Authorize(c.ctx, c.who, action, r)
	}
	return nil
}

// renamed is the ARN that a user or a group of an ARN shall have. Who renames
// needs the right to change both.
func (c *call) renamed(arn string) string {
	_, path, _ := strings.Cut(arn, "/")
	path = "/" + path
	end := strings.LastIndexByte(path, '/') + 1
	path, name := path[:end], path[end:]
	return c.arn(string(c.kind), cmp.Or(optional.Value(c.NewPath), path),
		cmp.Or(optional.Value(c.NewUserName), optional.Value(c.NewGroupName), name))
}

// arn names something of the caller's account.
func (c *call) arn(kind, path, name string) string {
	if path == "" {
		path = "/"
	}
	return "arn:aws:iam::" + string(c.who.Account) + ":" + kind + path + name
}

// anIdentity is an identity that is there, or would be without a path.
func anIdentity(c *call) (string, origami.Tags, error) {
	name := c.name()
	i, err := c.iam.Identity(c.ctx, c.who.Account, c.kind, name)
	if err != nil {
		return c.arn(string(c.kind), "", name), nil, err
	}
	return i.ARN(), i.Tags, nil
}

// newIdentity is an identity to be made.
func newIdentity(c *call) (string, origami.Tags, error) {
	return c.arn(string(c.kind), optional.Value(c.Path), c.name()), nil, nil
}

// aPolicy is a managed policy.
func aPolicy(c *call) (string, origami.Tags, error) {
	p, _, _, err := c.iam.Policy(c.ctx, c.who.Account, *c.PolicyARN)
	if err != nil {
		return *c.PolicyARN, nil, err
	}
	return p.ARN(), p.Tags, nil
}

func newPolicy(c *call) (string, origami.Tags, error) {
	return c.arn("policy", optional.Value(c.Path), *c.PolicyName), nil, nil
}

// aProfile is an instance profile.
func aProfile(c *call) (string, origami.Tags, error) {
	p, err := c.iam.InstanceProfile(c.ctx, c.who.Account, *c.InstanceProfileName)
	if err != nil {
		return c.arn("instance-profile", "", *c.InstanceProfileName), nil, err
	}
	return p.ARN(), p.Tags, nil
}

func newProfile(c *call) (string, origami.Tags, error) {
	return c.arn("instance-profile", optional.Value(c.Path), *c.InstanceProfileName), nil, nil
}

// known lists the operations of IAM that are not served.
var known = func() map[string]bool {
	out := make(map[string]bool)
	for name := range strings.FieldsSeq(unserved) {
		out[name] = true
	}
	return out
}()
