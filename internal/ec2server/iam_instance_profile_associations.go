package ec2server

import (
	"context"
	"slices"
	"strings"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/metadb"
)

// AssociateIamInstanceProfile gives an instance an instance profile. The answer
// says that the change is under way, as EC2's does; the guest's next request to
// the metadata service meets it.
func (s *Server) AssociateIamInstanceProfile(ctx context.Context, who origami.Caller, in *ec2api.AssociateIamInstanceProfileInput) (*ec2api.AssociateIamInstanceProfileOutput, error) {
	id, err := origami.ParseInstanceID(deref(in.InstanceId))
	if err != nil {
		return nil, err
	}
	p, err := s.newProfile(ctx, who, in.IamInstanceProfile)
	if err != nil {
		return nil, err
	}
	i, err := s.instances.AssociateProfile(ctx, who, id, p)
	if err != nil {
		return nil, err
	}
	return &ec2api.AssociateIamInstanceProfileOutput{IamInstanceProfileAssociation: wireProfileAssociation(i, "associating")}, nil
}

// ReplaceIamInstanceProfileAssociation gives the instance of an association
// another instance profile.
func (s *Server) ReplaceIamInstanceProfileAssociation(ctx context.Context, who origami.Caller, in *ec2api.ReplaceIamInstanceProfileAssociationInput) (*ec2api.ReplaceIamInstanceProfileAssociationOutput, error) {
	id, err := origami.ParseProfileAssociationID(deref(in.AssociationId))
	if err != nil {
		return nil, err
	}
	p, err := s.newProfile(ctx, who, in.IamInstanceProfile)
	if err != nil {
		return nil, err
	}
	i, err := s.instances.ReplaceProfile(ctx, who, id, p)
	if err != nil {
		return nil, err
	}
	return &ec2api.ReplaceIamInstanceProfileAssociationOutput{IamInstanceProfileAssociation: wireProfileAssociation(i, "associating")}, nil
}

// DisassociateIamInstanceProfile takes the instance profile of an association
// from its instance.
func (s *Server) DisassociateIamInstanceProfile(ctx context.Context, who origami.Caller, in *ec2api.DisassociateIamInstanceProfileInput) (*ec2api.DisassociateIamInstanceProfileOutput, error) {
	id, err := origami.ParseProfileAssociationID(deref(in.AssociationId))
	if err != nil {
		return nil, err
	}
	was, err := s.instances.DisassociateProfile(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return &ec2api.DisassociateIamInstanceProfileOutput{IamInstanceProfileAssociation: wireProfileAssociation(was, "disassociating")}, nil
}

// newProfile finds the instance profile that an instance shall have.
func (s *Server) newProfile(ctx context.Context, who origami.Caller, spec *ec2api.IamInstanceProfileSpecification) (*origami.InstanceProfile, error) {
	var p *origami.InstanceProfile
	err := s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		p, err = findProfile(tx, who, spec)
		return err
	})
	if err == nil && p == nil {
		err = origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter IamInstanceProfile.Arn or IamInstanceProfile.Name")
	}
	return p, err
}

// profileAssociationProperties are the filters of
// DescribeIamInstanceProfileAssociations.
var profileAssociationProperties = properties[*origami.Instance]{
	"instance-id": func(i *origami.Instance) []string { return one(i.ID) },
	"state":       func(*origami.Instance) []string { return one("associated") },
}

// DescribeIamInstanceProfileAssociations lists which of the caller's instances
// have which instance profiles.
func (s *Server) DescribeIamInstanceProfileAssociations(ctx context.Context, who origami.Caller, in *ec2api.DescribeIamInstanceProfileAssociationsInput) (*ec2api.DescribeIamInstanceProfileAssociationsOutput, error) {
	p, err := s.page(who, "DescribeIamInstanceProfileAssociations", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := profileAssociationProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	for _, f := range filters {
		if _, ok := profileAssociationProperties[f.Name]; !ok { // associations have no tags
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "The filter '%.128s' is invalid", f.Name)
		}
	}
	for _, id := range in.AssociationIds {
		if _, err := origami.ParseProfileAssociationID(id); err != nil {
			return nil, err
		}
	}
	var all []*origami.Instance
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		all = nil
		for i, err := range tx.Instances(metadb.Query{Region: who.Region, Viewer: who.Account}) {
			if err != nil {
				return err
			}
			if instance.Associated(i) {
				all = append(all, i)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	key := func(i *origami.Instance) string { return string(i.ProfileAssociation) }
	for _, id := range in.AssociationIds {
		if !slices.ContainsFunc(all, func(i *origami.Instance) bool { return key(i) == id }) {
			return nil, instance.NoAssociation(id)
		}
	}
	slices.SortFunc(all, func(a, b *origami.Instance) int { return strings.Compare(key(a), key(b)) })
	keep := func(i *origami.Instance) bool {
		return (len(in.AssociationIds) == 0 || slices.Contains(in.AssociationIds, key(i))) && profileAssociationProperties.match(filters, i, nil)
	}
	found, next := pageOf(p, slices.Values(all), key, keep)
	out := &ec2api.DescribeIamInstanceProfileAssociationsOutput{NextToken: next}
	for _, i := range found {
		out.IamInstanceProfileAssociations = append(out.IamInstanceProfileAssociations, *wireProfileAssociation(i, "associated"))
	}
	return out, nil
}

// wireProfileAssociation writes the association of an instance with its
// instance profile.
func wireProfileAssociation(i *origami.Instance, state string) *ec2api.IamInstanceProfileAssociation {
	return &ec2api.IamInstanceProfileAssociation{
		AssociationId:      text(i.ProfileAssociation),
		IamInstanceProfile: &ec2api.IamInstanceProfile{Arn: text(i.Profile), Id: text(i.ProfileID)},
		InstanceId:         text(i.ID), State: &state, Timestamp: instant(i.ProfileSince),
	}
}
