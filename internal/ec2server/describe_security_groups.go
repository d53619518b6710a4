package ec2server

import (
	"context"
	"slices"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
	"origami/internal/vpc"
)

// groupView is a security group with its rules, and the names of the groups
// that these refer to.
type groupView struct {
	*origami.SecurityGroup
	rules []*origami.SecurityGroupRule
	names map[origami.SecurityGroupID]string
}

// groupProperties are the filters of DescribeSecurityGroups.
var groupProperties = withRules(properties[groupView]{
	"description": func(g groupView) []string { return one(g.Description) },
	"group-id":    func(g groupView) []string { return one(g.ID) },
	"group-name":  func(g groupView) []string { return one(g.Name) },
	"owner-id":    func(g groupView) []string { return one(g.Owner) },
	"vpc-id":      func(g groupView) []string { return one(g.VPC) },
})

// ruleProperties are what groups can be filtered by of their rules.
var ruleProperties = map[string]func(groupView, *origami.SecurityGroupRule) []string{
	"cidr": func(_ groupView, r *origami.SecurityGroupRule) []string {
		v4, _ := wireCIDR(r.CIDR)
		return one(deref(v4))
	},
	"from-port": func(_ groupView, r *origami.SecurityGroupRule) []string {
		if !hasPorts(r) {
			return nil
		}
		return number(r.FromPort)
	},
	"group-id":   func(_ groupView, r *origami.SecurityGroupRule) []string { return one(r.Peer) },
	"group-name": func(g groupView, r *origami.SecurityGroupRule) []string { return one(g.names[r.Peer]) },
	"ipv6-cidr": func(_ groupView, r *origami.SecurityGroupRule) []string {
		_, v6 := wireCIDR(r.CIDR)
		return one(deref(v6))
	},
	"prefix-list-id": func(groupView, *origami.SecurityGroupRule) []string { return nil },
	"protocol":       func(_ groupView, r *origami.SecurityGroupRule) []string { return one(r.Protocol) },
	"to-port": func(_ groupView, r *origami.SecurityGroupRule) []string {
		if !hasPorts(r) {
			return nil
		}
		return number(r.ToPort)
	},
	"user-id": func(_ groupView, r *origami.SecurityGroupRule) []string {
		if r.Peer == "" {
			return nil
		}
		return one(r.Owner)
	},
}

// withRules adds the filters by rules of either direction.
func withRules(p properties[groupView]) properties[groupView] {
	for name, values := range ruleProperties {
		of := func(egress bool) func(groupView) []string {
			return func(g groupView) []string {
				return each(g.rules, func(r *origami.SecurityGroupRule) []string {
					if r.Egress != egress {
						return nil
					}
					return values(g, r)
				})
			}
		}
		p["ip-permission."+name], p["egress.ip-permission."+name] = of(false), of(true)
	}
	return p
}

// DescribeSecurityGroups lists the caller's security groups. Names are those
// of groups in the default VPC.
func (s *Server) DescribeSecurityGroups(ctx context.Context, who origami.Caller, in *ec2api.DescribeSecurityGroupsInput) (*ec2api.DescribeSecurityGroupsOutput, error) {
	if in.MaxResults != nil && len(in.GroupIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter groupIds cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeSecurityGroups", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := groupProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	for _, id := range in.GroupIds {
		if _, err := origami.ParseSecurityGroupID(id); err != nil {
			return nil, err
		}
	}
	if err := s.vpc.EnsureDefault(ctx, who); err != nil {
		return nil, err
	}
	out := &ec2api.DescribeSecurityGroupsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		ids, err := s.groupIDs(tx, who, in)
		if err != nil {
			return err
		}
		q := metadb.Query{Region: who.Region, Viewer: who.Account, IDs: ids, Filters: filters, After: p.after, Expect: p.expect()}
		match := func(v tagged[groupView]) bool { return groupProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, viewGroups(tx, who, q), func(g groupView) string { return string(g.ID) }, match)
		for _, v := range found {
			out.SecurityGroups = append(out.SecurityGroups, wireGroup(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// groupIDs are the groups that a request names, each of which must exist.
func (s *Server) groupIDs(tx *metadb.Tx, who origami.Caller, in *ec2api.DescribeSecurityGroupsInput) ([]string, error) {
	for _, id := range in.GroupIds {
		if _, err := tx.SecurityGroup(who.Region, who.Account, origami.SecurityGroupID(id)); err != nil {
			return nil, err
		}
	}
	ids := slices.Clone(in.GroupIds)
	if len(in.GroupNames) == 0 {
		return ids, nil
	}
	v, err := s.vpc.DefaultVPC(tx, who)
	if err != nil {
		return nil, err
	}
	for _, name := range in.GroupNames {
		g, err := vpc.GroupByName(tx, who, v.ID, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, string(g.ID))
	}
	return ids, nil
}

// viewGroups reads groups with their rules.
func viewGroups(tx *metadb.Tx, who origami.Caller, q metadb.Query) func(yield func(groupView, error) bool) {
	names := make(map[origami.SecurityGroupID]string)
	return func(yield func(groupView, error) bool) {
		for g, err := range tx.SecurityGroups(q) {
			v := groupView{SecurityGroup: g, names: names}
			if err == nil {
				v.rules, err = tx.RulesOf(g.Region, g.ID)
			}
			for _, r := range v.rules {
				if _, ok := names[r.Peer]; ok || r.Peer == "" || err != nil {
					continue
				}
				var peer *origami.SecurityGroup
				if peer, err = tx.SecurityGroup(who.Region, who.Account, r.Peer); err == nil {
					names[r.Peer] = peer.Name
				}
			}
			if !yield(v, err) {
				return
			}
		}
	}
}

func wireGroup(g groupView, tags origami.Tags) ec2api.SecurityGroup {
	return ec2api.SecurityGroup{
		Description: text(g.Description), GroupId: text(g.ID), GroupName: text(g.Name), OwnerId: text(g.Owner),
		IpPermissions: wirePermissions(g.rules, false), IpPermissionsEgress: wirePermissions(g.rules, true),
		SecurityGroupArn: text(groupARN(g.SecurityGroup)), Tags: wireTags(tags), VpcId: text(g.VPC),
	}
}
