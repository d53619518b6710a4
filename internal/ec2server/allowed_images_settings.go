package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// EnableAllowedImagesSettings applies the criteria of Allowed AMIs, or shows
// what they would do.
func (s *Server) EnableAllowedImagesSettings(ctx context.Context, who origami.Caller, in *ec2api.EnableAllowedImagesSettingsInput) (*ec2api.EnableAllowedImagesSettingsOutput, error) {
	state := origami.AllowedImagesState(deref(in.AllowedImagesSettingsState))
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.SetAllowedImages(tx, who, state) })
	return &ec2api.EnableAllowedImagesSettingsOutput{AllowedImagesSettingsState: text(state)}, err
}

// DisableAllowedImagesSettings allows all images. The criteria stay.
func (s *Server) DisableAllowedImagesSettings(ctx context.Context, who origami.Caller, in *ec2api.DisableAllowedImagesSettingsInput) (*ec2api.DisableAllowedImagesSettingsOutput, error) {
	state := origami.AllowedImagesDisabled
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.SetAllowedImages(tx, who, state) })
	return &ec2api.DisableAllowedImagesSettingsOutput{AllowedImagesSettingsState: text(state)}, err
}

// GetAllowedImagesSettings tells the state and the criteria of Allowed AMIs.
func (s *Server) GetAllowedImagesSettings(ctx context.Context, who origami.Caller, in *ec2api.GetAllowedImagesSettingsInput) (*ec2api.GetAllowedImagesSettingsOutput, error) {
	out := &ec2api.GetAllowedImagesSettingsOutput{ManagedBy: ptr(managedBy)}
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		a, err := s.ami.AllowedImages(tx, who)
		out.State = text(a.State)
		for _, c := range a.Criteria {
			out.ImageCriteria = append(out.ImageCriteria, wireCriterion(c))
		}
		return err
	})
	return out, err
}

// ReplaceImageCriteriaInAllowedImagesSettings replaces all criteria of Allowed
// AMIs.
func (s *Server) ReplaceImageCriteriaInAllowedImagesSettings(ctx context.Context, who origami.Caller, in *ec2api.ReplaceImageCriteriaInAllowedImagesSettingsInput) (*ec2api.ReplaceImageCriteriaInAllowedImagesSettingsOutput, error) {
	var criteria []origami.ImageCriterion
	for _, c := range in.ImageCriteria {
		criteria = append(criteria, parseCriterion(c))
	}
	err := s.db.Update(ctx, func(tx *metadb.Tx) error { return s.ami.ReplaceImageCriteria(tx, who, criteria) })
	return &ec2api.ReplaceImageCriteriaInAllowedImagesSettingsOutput{ReturnValue: done()}, err
}

func parseCriterion(in ec2api.ImageCriterionRequest) origami.ImageCriterion {
	c := origami.ImageCriterion{Providers: in.ImageProviders, ProductCodes: in.MarketplaceProductCodes, Names: in.ImageNames}
	if d := in.CreationDateCondition; d != nil && d.MaximumDaysSinceCreated != nil {
		c.MaxDaysOld = ptr(int64(*d.MaximumDaysSinceCreated))
	}
	if d := in.DeprecationTimeCondition; d != nil && d.MaximumDaysSinceDeprecated != nil {
		c.MaxDaysRetired = ptr(int64(*d.MaximumDaysSinceDeprecated))
	}
	return c
}

func wireCriterion(c origami.ImageCriterion) ec2api.ImageCriterion {
	out := ec2api.ImageCriterion{ImageProviders: c.Providers, MarketplaceProductCodes: c.ProductCodes, ImageNames: c.Names}
	if c.MaxDaysOld != nil {
		out.CreationDateCondition = &ec2api.CreationDateCondition{MaximumDaysSinceCreated: ptr(int32(*c.MaxDaysOld))}
	}
	if c.MaxDaysRetired != nil {
		out.DeprecationTimeCondition = &ec2api.DeprecationTimeCondition{MaximumDaysSinceDeprecated: ptr(int32(*c.MaxDaysRetired))}
	}
	return out
}
