package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/vpc"
)

// AuthorizeSecurityGroupIngress adds rules about traffic to the instances of a
// group.
func (s *Server) AuthorizeSecurityGroupIngress(ctx context.Context, who origami.Caller, in *ec2api.AuthorizeSecurityGroupIngressInput) (*ec2api.AuthorizeSecurityGroupIngressOutput, error) {
	ref, err := parseGroupRef(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	old, err := onePermission(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId)
	if err != nil {
		return nil, err
	}
	rules, err := s.authorizeRules(ctx, who, ref, false, in.IpPermissions, old, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &ec2api.AuthorizeSecurityGroupIngressOutput{Return: done(), SecurityGroupRules: rules}, nil
}

// AuthorizeSecurityGroupEgress adds rules about traffic from the instances of
// a group.
func (s *Server) AuthorizeSecurityGroupEgress(ctx context.Context, who origami.Caller, in *ec2api.AuthorizeSecurityGroupEgressInput) (*ec2api.AuthorizeSecurityGroupEgressOutput, error) {
	ref, err := parseGroupRef(in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	rules, err := s.authorizeRules(ctx, who, ref, true, in.IpPermissions, nil, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &ec2api.AuthorizeSecurityGroupEgressOutput{Return: done(), SecurityGroupRules: rules}, nil
}

func (s *Server) authorizeRules(ctx context.Context, who origami.Caller, ref vpc.GroupRef, egress bool, permissions []ec2api.IpPermission, old []vpc.RuleSpec, tagSpecs []ec2api.TagSpecification) ([]ec2api.SecurityGroupRule, error) {
	specs, err := parsePermissions(permissions)
	if err != nil {
		return nil, err
	}
	if specs, err = either(specs, old); err != nil {
		return nil, err
	}
	tags, err := parseTagSpecifications(tagSpecs, "security-group-rule")
	if err != nil {
		return nil, err
	}
	added, err := s.vpc.Authorize(ctx, who, ref, egress, specs, tags["security-group-rule"])
	if err != nil {
		return nil, err
	}
	out := make([]ec2api.SecurityGroupRule, len(added))
	for i, r := range added {
		out[i] = wireRule(r, tags["security-group-rule"])
	}
	return out, nil
}
