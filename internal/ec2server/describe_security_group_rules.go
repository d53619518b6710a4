package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// securityGroupRuleProperties are the filters of DescribeSecurityGroupRules.
var securityGroupRuleProperties = properties[*origami.SecurityGroupRule]{
	"group-id":               func(r *origami.SecurityGroupRule) []string { return one(r.Group) },
	"security-group-rule-id": func(r *origami.SecurityGroupRule) []string { return one(r.ID) },
}

// DescribeSecurityGroupRules lists the rules of the caller's security groups.
func (s *Server) DescribeSecurityGroupRules(ctx context.Context, who origami.Caller, in *ec2api.DescribeSecurityGroupRulesInput) (*ec2api.DescribeSecurityGroupRulesOutput, error) {
	if in.MaxResults != nil && len(in.SecurityGroupRuleIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter securityGroupRuleIds cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeSecurityGroupRules", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := securityGroupRuleProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	ids, err := parseRuleIDs(in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	if err := s.vpc.EnsureDefault(ctx, who); err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, IDs: in.SecurityGroupRuleIds, Filters: filters, After: p.after, Expect: p.expect()}
	out := &ec2api.DescribeSecurityGroupRulesOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for _, id := range ids {
			if _, err := tx.SecurityGroupRule(who.Region, who.Account, id); err != nil {
				return err
			}
		}
		match := func(v tagged[*origami.SecurityGroupRule]) bool {
			return securityGroupRuleProperties.match(filters, v.noun, v.tags)
		}
		found, next, err := collect(tx, who, p, tx.SecurityGroupRules(q), func(r *origami.SecurityGroupRule) string { return string(r.ID) }, match)
		for _, v := range found {
			out.SecurityGroupRules = append(out.SecurityGroupRules, wireRule(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}
