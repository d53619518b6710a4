package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// ModifyLaunchTemplate chooses the default version of a launch template.
func (s *Server) ModifyLaunchTemplate(ctx context.Context, who origami.Caller, in *ec2api.ModifyLaunchTemplateInput) (*ec2api.ModifyLaunchTemplateOutput, error) {
	if in.DefaultVersion == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter SetDefaultVersion")
	}
	ref := instance.TemplateRef{ID: deref(in.LaunchTemplateId), Name: deref(in.LaunchTemplateName)}
	t, err := s.instances.SetDefaultVersion(ctx, who, ref, *in.DefaultVersion, deref(in.ClientToken), fingerprint(in))
	if err != nil {
		return nil, err
	}
	tags, err := s.tagsOf(ctx, who, string(t.ID))
	return &ec2api.ModifyLaunchTemplateOutput{LaunchTemplate: wireTemplate(t, tags)}, err
}

// tagsOf reads the caller's tags of one resource.
func (s *Server) tagsOf(ctx context.Context, who origami.Caller, id string) (origami.Tags, error) {
	var tags origami.Tags
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		all, err := tx.Tags(who.Region, who.Account, id)
		tags = all[id]
		return err
	})
	return tags, err
}

// DeleteLaunchTemplate removes a launch template with all of its versions.
func (s *Server) DeleteLaunchTemplate(ctx context.Context, who origami.Caller, in *ec2api.DeleteLaunchTemplateInput) (*ec2api.DeleteLaunchTemplateOutput, error) {
	ref := instance.TemplateRef{ID: deref(in.LaunchTemplateId), Name: deref(in.LaunchTemplateName)}
	t, err := s.instances.DeleteTemplate(ctx, who, ref)
	if err != nil {
		return nil, err
	}
	return &ec2api.DeleteLaunchTemplateOutput{LaunchTemplate: wireTemplate(t, nil)}, nil
}

// maxDeletedVersions is how many versions one request may delete.
const maxDeletedVersions = 200

// DeleteLaunchTemplateVersions removes versions of a launch template, each for
// itself.
func (s *Server) DeleteLaunchTemplateVersions(ctx context.Context, who origami.Caller, in *ec2api.DeleteLaunchTemplateVersionsInput) (*ec2api.DeleteLaunchTemplateVersionsOutput, error) {
	if len(in.Versions) == 0 {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter LaunchTemplateVersion")
	}
	if len(in.Versions) > maxDeletedVersions {
		return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The request names %d versions. At most %d can be deleted at once.", len(in.Versions), maxDeletedVersions)
	}
	ref := instance.TemplateRef{ID: deref(in.LaunchTemplateId), Name: deref(in.LaunchTemplateName)}
	t, deleted, err := s.instances.DeleteTemplateVersions(ctx, who, ref, in.Versions)
	if err != nil {
		return nil, err
	}
	out := &ec2api.DeleteLaunchTemplateVersionsOutput{}
	for _, d := range deleted {
		if d.Err == nil {
			out.SuccessfullyDeletedLaunchTemplateVersions = append(out.SuccessfullyDeletedLaunchTemplateVersions,
				ec2api.DeleteLaunchTemplateVersionsResponseSuccessItem{
					LaunchTemplateId: text(t.ID), LaunchTemplateName: text(t.Name), VersionNumber: ptr(d.Number),
				})
			continue
		}
		out.UnsuccessfullyDeletedLaunchTemplateVersions = append(out.UnsuccessfullyDeletedLaunchTemplateVersions,
			ec2api.DeleteLaunchTemplateVersionsResponseErrorItem{
				LaunchTemplateId: text(t.ID), LaunchTemplateName: text(t.Name), VersionNumber: ptr(d.Number),
				ResponseError: &ec2api.ResponseError{Code: text(d.Err.Code), Message: text(d.Err.Message)},
			})
	}
	return out, nil
}
