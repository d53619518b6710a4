package ec2server

import (
	"context"
	"slices"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// templateProperties are the filters of DescribeLaunchTemplates.
var templateProperties = properties[*origami.LaunchTemplate]{
	"create-time":          func(t *origami.LaunchTemplate) []string { return timestamp(t.Created) },
	"launch-template-name": func(t *origami.LaunchTemplate) []string { return one(t.Name) },
}

// DescribeLaunchTemplates lists the caller's launch templates.
func (s *Server) DescribeLaunchTemplates(ctx context.Context, who origami.Caller, in *ec2api.DescribeLaunchTemplatesInput) (*ec2api.DescribeLaunchTemplatesOutput, error) {
	p, err := s.page(who, "DescribeLaunchTemplates", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := templateProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeLaunchTemplatesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
		if q.IDs, err = s.namedTemplates(tx, who, in); err != nil {
			return err
		}
		match := func(v tagged[*origami.LaunchTemplate]) bool { return templateProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, tx.LaunchTemplates(q), func(t *origami.LaunchTemplate) string { return string(t.ID) }, match)
		for _, v := range found {
			out.LaunchTemplates = append(out.LaunchTemplates, *wireTemplate(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// namedTemplates are the IDs of the templates that a request names, by ID or
// by name. All of them must exist.
func (s *Server) namedTemplates(tx *metadb.Tx, who origami.Caller, in *ec2api.DescribeLaunchTemplatesInput) ([]string, error) {
	var ids []string
	add := func(ref instance.TemplateRef) error {
		t, err := s.instances.Template(tx, who, ref)
		if err == nil && !slices.Contains(ids, string(t.ID)) {
			ids = append(ids, string(t.ID))
		}
		if isCode(err, "InvalidLaunchTemplateName.NotFoundException") {
			err = origami.Errorf("InvalidLaunchTemplateName.NotFoundException", "At least one of the launch templates specified in the request does not exist.")
		}
		return err
	}
	for _, id := range in.LaunchTemplateIds {
		if err := add(instance.TemplateRef{ID: id}); err != nil {
			return nil, err
		}
	}
	for _, name := range in.LaunchTemplateNames {
		if err := add(instance.TemplateRef{Name: name}); err != nil {
			return nil, err
		}
	}
	return ids, nil
}
