package ec2server

import (
	"context"
	"slices"

	"origami"
	"origami/internal/ami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DescribeImageReferences lists the caller's resources that refer to images.
func (s *Server) DescribeImageReferences(ctx context.Context, who origami.Caller, in *ec2api.DescribeImageReferencesInput) (*ec2api.DescribeImageReferencesOutput, error) {
	p, err := s.page(who, "DescribeImageReferences", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	var ids []origami.ImageID
	for _, i := range in.ImageIds {
		id, err := origami.ParseImageID(i)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	uses, err := parseReferenceUses(in)
	if err != nil {
		return nil, err
	}
	var found []ami.Reference
	err = s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		found, err = s.ami.References(tx, who, ids, uses)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeImageReferencesOutput{}
	found, out.NextToken = pageOf(p, slices.Values(found), ami.Reference.Key, func(ami.Reference) bool { return true })
	for _, r := range found {
		out.ImageReferences = append(out.ImageReferences, ec2api.ImageReference{ImageId: text(r.Image), ResourceType: text(r.Resource), Arn: text(r.ARN)})
	}
	return out, nil
}

// parseReferenceUses reads which resources a request asks about. Options of a
// resource type that it names go before the defaults of all types.
func parseReferenceUses(in *ec2api.DescribeImageReferencesInput) ([]origami.ImageUse, error) {
	var out []origami.ImageUse
	named := func(kind string) bool {
		return slices.ContainsFunc(out, func(u origami.ImageUse) bool { return u.Resource == kind })
	}
	for _, r := range in.ResourceTypes {
		kind := deref(r.ResourceType)
		if kind == "" {
			return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter ResourceType.ResourceType")
		}
		if named(kind) {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The resource type '%s' is there twice.", kind)
		}
		var options []ami.UseOption
		for _, o := range r.ResourceTypeOptions {
			options = append(options, ami.UseOption{Name: deref(o.OptionName), Values: o.OptionValues})
		}
		u, err := ami.ReferenceUse(kind, options)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	if deref(in.IncludeAllResourceTypes) {
		for _, u := range ami.AllReferences() {
			if !named(u.Resource) {
				out = append(out, u)
			}
		}
	}
	if len(out) == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter ResourceType or IncludeAllResourceTypes")
	}
	return out, nil
}
