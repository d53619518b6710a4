package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/vpc"
)

// ModifySecurityGroupRules replaces what rules of a group say.
func (s *Server) ModifySecurityGroupRules(ctx context.Context, who origami.Caller, in *ec2api.ModifySecurityGroupRulesInput) (*ec2api.ModifySecurityGroupRulesOutput, error) {
	group, err := origami.ParseSecurityGroupID(deref(in.GroupId))
	if err != nil {
		return nil, err
	}
	var updates []vpc.RuleUpdate
	for _, u := range in.SecurityGroupRules {
		id, err := origami.ParseSecurityGroupRuleID(deref(u.SecurityGroupRuleId))
		if err != nil {
			return nil, err
		}
		r := u.SecurityGroupRule
		if r == nil {
			return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter SecurityGroupRule")
		}
		spec, err := parseRuleRequest(r)
		if err != nil {
			return nil, err
		}
		updates = append(updates, vpc.RuleUpdate{ID: id, Spec: spec})
	}
	if err := s.vpc.ModifyRules(ctx, who, group, updates); err != nil {
		return nil, err
	}
	return &ec2api.ModifySecurityGroupRulesOutput{Return: done()}, nil
}

// parseRuleRequest reads a rule with exactly one other end.
func parseRuleRequest(r *ec2api.SecurityGroupRuleRequest) (vpc.RuleSpec, error) {
	spec := vpc.RuleSpec{
		Protocol: deref(r.IpProtocol), From: r.FromPort, To: r.ToPort,
		CIDR: deref(r.CidrIpv4), CIDRv6: deref(r.CidrIpv6), Description: r.Description,
	}
	ends := 0
	for _, end := range []*string{r.CidrIpv4, r.CidrIpv6, r.ReferencedGroupId} {
		if deref(end) != "" {
			ends++
		}
	}
	if ends != 1 {
		return spec, origami.Errorf(origami.CodeInvalidParameterCombination,
			"Exactly one of CidrIpv4, CidrIpv6 and ReferencedGroupId must be specified.")
	}
	if id := deref(r.ReferencedGroupId); id != "" {
		var err error
		spec.Group, err = origami.ParseSecurityGroupID(id)
		return spec, err
	}
	return spec, nil
}

// UpdateSecurityGroupRuleDescriptionsIngress changes descriptions of rules
// about traffic to the instances of a group.
func (s *Server) UpdateSecurityGroupRuleDescriptionsIngress(ctx context.Context, who origami.Caller, in *ec2api.UpdateSecurityGroupRuleDescriptionsIngressInput) (*ec2api.UpdateSecurityGroupRuleDescriptionsIngressOutput, error) {
	ref, err := parseGroupRef(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if err := s.describeRules(ctx, who, ref, false, in.IpPermissions, in.SecurityGroupRuleDescriptions); err != nil {
		return nil, err
	}
	return &ec2api.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: done()}, nil
}

// UpdateSecurityGroupRuleDescriptionsEgress changes descriptions of rules
// about traffic from the instances of a group.
func (s *Server) UpdateSecurityGroupRuleDescriptionsEgress(ctx context.Context, who origami.Caller, in *ec2api.UpdateSecurityGroupRuleDescriptionsEgressInput) (*ec2api.UpdateSecurityGroupRuleDescriptionsEgressOutput, error) {
	ref, err := parseGroupRef(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	if err := s.describeRules(ctx, who, ref, true, in.IpPermissions, in.SecurityGroupRuleDescriptions); err != nil {
		return nil, err
	}
	return &ec2api.UpdateSecurityGroupRuleDescriptionsEgressOutput{Return: done()}, nil
}

func (s *Server) describeRules(ctx context.Context, who origami.Caller, ref vpc.GroupRef, egress bool, permissions []ec2api.IpPermission, byID []ec2api.SecurityGroupRuleDescription) error {
	specs, err := parsePermissions(permissions)
	if err != nil {
		return err
	}
	if len(byID) == 0 {
		return s.vpc.DescribeRulesAs(ctx, who, ref, egress, specs)
	}
	if len(specs) > 0 {
		return origami.Errorf(origami.CodeInvalidParameterCombination,
			"The parameter ipPermissions cannot be used with the parameter securityGroupRuleDescriptions")
	}
	texts := make(map[origami.SecurityGroupRuleID]string, len(byID))
	for _, d := range byID {
		id, err := origami.ParseSecurityGroupRuleID(deref(d.SecurityGroupRuleId))
		if err != nil {
			return err
		}
		texts[id] = deref(d.Description)
	}
	return s.vpc.DescribeRulesByID(ctx, who, ref, egress, texts)
}
