package ec2server

import (
	"context"
	"iter"
	"slices"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// versionView is a version of a launch template with its template.
type versionView struct {
	*origami.LaunchTemplateVersion
	template *origami.LaunchTemplate
	wire     *ec2api.LaunchTemplateVersion
}

// versionProperties are the filters of DescribeLaunchTemplateVersions.
var versionProperties = properties[versionView]{
	"create-time":        func(v versionView) []string { return timestamp(v.Created) },
	"ebs-optimized":      func(v versionView) []string { return given(v.data().EbsOptimized, boolean) },
	"image-id":           func(v versionView) []string { return one(deref(v.data().ImageId)) },
	"instance-type":      func(v versionView) []string { return one(deref(v.data().InstanceType)) },
	"is-default-version": func(v versionView) []string { return boolean(v.Number == v.template.Default) },
	"kernel-id":          func(v versionView) []string { return one(deref(v.data().KernelId)) },
	"ram-disk-id":        func(v versionView) []string { return one(deref(v.data().RamDiskId)) },
	"http-endpoint":      func(v versionView) []string { return one(deref(v.metadata().HttpEndpoint)) },
	"http-tokens":        func(v versionView) []string { return one(deref(v.metadata().HttpTokens)) },
	"network-card-index": func(v versionView) []string { return nil },
}

func (v versionView) data() *ec2api.ResponseLaunchTemplateData { return v.wire.LaunchTemplateData }

func (v versionView) metadata() *ec2api.LaunchTemplateInstanceMetadataOptions {
	if o := v.data().MetadataOptions; o != nil {
		return o
	}
	return new(ec2api.LaunchTemplateInstanceMetadataOptions)
}

// given is the value of what may be absent.
func given[T any](p *T, values func(T) []string) []string {
	if p == nil {
		return nil
	}
	return values(*p)
}

// DescribeLaunchTemplateVersions lists versions: of one template, or, asked for
// $Latest and $Default alone, of all of the caller's.
func (s *Server) DescribeLaunchTemplateVersions(ctx context.Context, who origami.Caller, in *ec2api.DescribeLaunchTemplateVersionsInput) (*ec2api.DescribeLaunchTemplateVersionsOutput, error) {
	p, err := s.page(who, "DescribeLaunchTemplateVersions", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := versionProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	if err := untagged(versionProperties, filters); err != nil {
		return nil, err
	}
	if len(in.Versions) > 0 && (in.MinVersion != nil || in.MaxVersion != nil) {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Versions cannot be named together with MinVersion or MaxVersion.")
	}
	out := &ec2api.DescribeLaunchTemplateVersionsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		templates, err := s.versionedTemplates(tx, who, in)
		if err != nil {
			return err
		}
		wanted, err := wantedVersions(tx, templates, in)
		if err != nil {
			return err
		}
		q := metadb.Query{Region: who.Region, Viewer: who.Account, After: p.after, Expect: p.expect()}
		if len(templates) == 1 {
			for id := range templates {
				q.Filters = []origami.Filter{{Name: "launch-template-id", Values: []string{string(id)}}}
			}
		}
		keep := func(v tagged[versionView]) bool {
			return wanted(v.noun) && versionProperties.match(filters, v.noun, nil)
		}
		found, next, err := collect(tx, who, p, versionViews(tx.LaunchTemplateVersions(q), templates), func(v versionView) string { return v.Key() }, keep)
		for _, v := range found {
			out.LaunchTemplateVersions = append(out.LaunchTemplateVersions, *v.noun.wire)
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// versionViews completes each version of a list.
func versionViews(seq iter.Seq2[*origami.LaunchTemplateVersion, error], templates map[origami.LaunchTemplateID]*origami.LaunchTemplate) iter.Seq2[versionView, error] {
	return func(yield func(versionView, error) bool) {
		for v, err := range seq {
			view := versionView{LaunchTemplateVersion: v}
			if err == nil {
				if view.template = templates[v.Template]; view.template == nil {
					continue
				}
				view.wire, err = wireTemplateVersion(view.template, v)
			}
			if !yield(view, err) || err != nil {
				return
			}
		}
	}
}

// versionedTemplates are the templates that a request is about.
func (s *Server) versionedTemplates(tx *metadb.Tx, who origami.Caller, in *ec2api.DescribeLaunchTemplateVersionsInput) (map[origami.LaunchTemplateID]*origami.LaunchTemplate, error) {
	templates := make(map[origami.LaunchTemplateID]*origami.LaunchTemplate)
	if in.LaunchTemplateId != nil || in.LaunchTemplateName != nil {
		t, err := s.instances.Template(tx, who, instance.TemplateRef{ID: deref(in.LaunchTemplateId), Name: deref(in.LaunchTemplateName)})
		if err != nil {
			return nil, err
		}
		templates[t.ID] = t
		return templates, nil
	}
	for _, v := range in.Versions {
		if v != "$Latest" && v != "$Default" {
			return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Without a launch template, only the versions $Latest and $Default can be described.")
		}
	}
	if len(in.Versions) == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "Either the ID or the name of the launch template must be specified.")
	}
	for t, err := range tx.LaunchTemplates(metadb.Query{Region: who.Region, Viewer: who.Account}) {
		if err != nil {
			return nil, err
		}
		templates[t.ID] = t
	}
	return templates, nil
}

// wantedVersions tells which versions a request is about. Those of one
// template that are named by number must exist.
func wantedVersions(tx *metadb.Tx, templates map[origami.LaunchTemplateID]*origami.LaunchTemplate, in *ec2api.DescribeLaunchTemplateVersionsInput) (func(versionView) bool, error) {
	numbers := make(map[origami.LaunchTemplateID][]int64)
	least, most := make(map[origami.LaunchTemplateID]int64), make(map[origami.LaunchTemplateID]int64)
	for id, t := range templates {
		for _, name := range in.Versions {
			n, err := instance.VersionNumber(t, name)
			if err != nil {
				return nil, err
			}
			if _, err := tx.LaunchTemplateVersion(t, n); err != nil {
				return nil, err
			}
			numbers[id] = append(numbers[id], n)
		}
		for _, end := range []struct {
			name *string
			to   map[origami.LaunchTemplateID]int64
		}{{in.MinVersion, least}, {in.MaxVersion, most}} {
			if end.name == nil {
				continue
			}
			n, err := instance.VersionNumber(t, *end.name)
			if err != nil {
				return nil, err
			}
			end.to[id] = n
		}
	}
	return func(v versionView) bool {
		if len(in.Versions) > 0 {
			return slices.Contains(numbers[v.Template], v.Number)
		}
		return (in.MinVersion == nil || v.Number >= least[v.Template]) && (in.MaxVersion == nil || v.Number <= most[v.Template])
	}, nil
}
