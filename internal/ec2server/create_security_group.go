package ec2server

import (
	"context"
	"fmt"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/vpc"
)

// CreateSecurityGroup makes a security group. Packer sends an empty VpcId when
// it means the default VPC.
func (s *Server) CreateSecurityGroup(ctx context.Context, who origami.Caller, in *ec2api.CreateSecurityGroupInput) (*ec2api.CreateSecurityGroupOutput, error) {
	spec := vpc.GroupSpec{Name: deref(in.GroupName), Description: deref(in.Description)}
	if id := deref(in.VpcId); id != "" {
		var err error
		if spec.VPC, err = origami.ParseVPCID(id); err != nil {
			return nil, err
		}
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "security-group")
	if err != nil {
		return nil, err
	}
	spec.Tags = tags["security-group"]
	g, err := s.vpc.CreateGroup(ctx, who, spec)
	if err != nil {
		return nil, err
	}
	return &ec2api.CreateSecurityGroupOutput{
		GroupId: text(g.ID), SecurityGroupArn: text(groupARN(g)), Tags: wireTags(spec.Tags),
	}, nil
}

func groupARN(g *origami.SecurityGroup) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:security-group/%s", g.Region, g.Owner, g.ID)
}

// DeleteSecurityGroup deletes a security group that nothing uses.
func (s *Server) DeleteSecurityGroup(ctx context.Context, who origami.Caller, in *ec2api.DeleteSecurityGroupInput) (*ec2api.DeleteSecurityGroupOutput, error) {
	ref, err := parseGroupRef(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	id, err := s.vpc.DeleteGroup(ctx, who, ref)
	if err != nil {
		return nil, err
	}
	return &ec2api.DeleteSecurityGroupOutput{GroupId: text(id), Return: done()}, nil
}

// parseGroupRef reads which group a request is about.
func parseGroupRef(id, name *string) (vpc.GroupRef, error) {
	ref := vpc.GroupRef{Name: deref(name)}
	if deref(id) == "" {
		return ref, nil
	}
	var err error
	ref.ID, err = origami.ParseSecurityGroupID(*id)
	return ref, err
}
