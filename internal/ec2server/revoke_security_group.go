package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/vpc"
)

// RevokeSecurityGroupIngress removes rules about traffic to the instances of a
// group, by what they say or by their IDs.
func (s *Server) RevokeSecurityGroupIngress(ctx context.Context, who origami.Caller, in *ec2api.RevokeSecurityGroupIngressInput) (*ec2api.RevokeSecurityGroupIngressOutput, error) {
	ref, err := parseGroupRef(in.GroupId, in.GroupName)
	if err != nil {
		return nil, err
	}
	old, err := onePermission(in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId)
	if err != nil {
		return nil, err
	}
	gone, unknown, err := s.revokeRules(ctx, who, ref, false, in.SecurityGroupRuleIds, in.IpPermissions, old)
	if err != nil {
		return nil, err
	}
	return &ec2api.RevokeSecurityGroupIngressOutput{
		Return: done(), RevokedSecurityGroupRules: wireRevoked(gone), UnknownIpPermissions: wirePermissions(unknown, false),
	}, nil
}

// RevokeSecurityGroupEgress removes rules about traffic from the instances of
// a group, by what they say or by their IDs.
func (s *Server) RevokeSecurityGroupEgress(ctx context.Context, who origami.Caller, in *ec2api.RevokeSecurityGroupEgressInput) (*ec2api.RevokeSecurityGroupEgressOutput, error) {
	ref, err := parseGroupRef(in.GroupId, nil)
	if err != nil {
		return nil, err
	}
	gone, unknown, err := s.revokeRules(ctx, who, ref, true, in.SecurityGroupRuleIds, in.IpPermissions, nil)
	if err != nil {
		return nil, err
	}
	return &ec2api.RevokeSecurityGroupEgressOutput{
		Return: done(), RevokedSecurityGroupRules: wireRevoked(gone), UnknownIpPermissions: wirePermissions(unknown, true),
	}, nil
}

func (s *Server) revokeRules(ctx context.Context, who origami.Caller, ref vpc.GroupRef, egress bool, ids []string, permissions []ec2api.IpPermission, old []vpc.RuleSpec) (gone, unknown []*origami.SecurityGroupRule, err error) {
	specs, err := parsePermissions(permissions)
	if err != nil {
		return nil, nil, err
	}
	if specs, err = either(specs, old); err != nil {
		return nil, nil, err
	}
	if len(ids) == 0 {
		return s.vpc.Revoke(ctx, who, ref, egress, specs)
	}
	if len(specs) > 0 {
		return nil, nil, origami.Errorf(origami.CodeInvalidParameterCombination,
			"The parameter ipPermissions cannot be used with the parameter securityGroupRuleIds")
	}
	parsed, err := parseRuleIDs(ids)
	if err != nil {
		return nil, nil, err
	}
	gone, err = s.vpc.RevokeByID(ctx, who, ref, egress, parsed)
	return gone, nil, err
}

func parseRuleIDs(in []string) ([]origami.SecurityGroupRuleID, error) {
	out := make([]origami.SecurityGroupRuleID, len(in))
	for i, text := range in {
		id, err := origami.ParseSecurityGroupRuleID(text)
		if err != nil {
			return nil, err
		}
		out[i] = id
	}
	return out, nil
}

func wireRevoked(rules []*origami.SecurityGroupRule) []ec2api.RevokedSecurityGroupRule {
	var out []ec2api.RevokedSecurityGroupRule
	for _, r := range rules {
		v4, v6 := wireCIDR(r.CIDR)
		out = append(out, ec2api.RevokedSecurityGroupRule{
			CidrIpv4: v4, CidrIpv6: v6, Description: text(r.Description), FromPort: ptr(int32(r.FromPort)), ToPort: ptr(int32(r.ToPort)),
			GroupId: text(r.Group), IpProtocol: ptr(r.Protocol), IsEgress: ptr(r.Egress),
			ReferencedGroupId: text(r.Peer), SecurityGroupRuleId: text(r.ID),
		})
	}
	return out
}
