package ec2server

import (
	"fmt"
	"net/netip"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/vpc"
)

// parsePermissions reads rules of a security group. A permission is one
// protocol and range of ports with any number of other ends, and so as many
// rules.
func parsePermissions(in []ec2api.IpPermission) ([]vpc.RuleSpec, error) {
	var out []vpc.RuleSpec
	for _, p := range in {
		n := len(out)
		base := vpc.RuleSpec{Protocol: deref(p.IpProtocol), From: p.FromPort, To: p.ToPort}
		for _, r := range p.IpRanges {
			spec := base
			spec.CIDR, spec.Description = deref(r.CidrIp), r.Description
			out = append(out, spec)
		}
		for _, r := range p.Ipv6Ranges {
			spec := base
			spec.CIDRv6, spec.Description = deref(r.CidrIpv6), r.Description
			out = append(out, spec)
		}
		for _, g := range p.UserIdGroupPairs {
			spec := base
			spec.GroupName, spec.GroupOwner, spec.Description = deref(g.GroupName), origami.AccountID(deref(g.UserId)), g.Description
			if id := deref(g.GroupId); id != "" {
				var err error
				if spec.Group, err = origami.ParseSecurityGroupID(id); err != nil {
					return nil, err
				}
			}
			out = append(out, spec)
		}
		if len(out) == n {
			out = append(out, base) // a rule without another end, which is refused below
		}
	}
	return out, nil
}

// onePermission reads the rule that a request describes in the old way, by
// parameters of its own.
func onePermission(protocol *string, from, to *int32, cidr, group, owner *string) ([]vpc.RuleSpec, error) {
	if deref(protocol) == "" && deref(cidr) == "" && deref(group) == "" {
		return nil, nil
	}
	if deref(cidr) != "" && deref(group) != "" {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination,
			"The parameter CidrIp cannot be used with the parameter SourceSecurityGroupName")
	}
	spec := vpc.RuleSpec{
		Protocol: deref(protocol), From: from, To: to, CIDR: deref(cidr),
		GroupName: deref(group), GroupOwner: origami.AccountID(deref(owner)),
	}
	if spec.Protocol == "" && spec.GroupName != "" {
		spec.Protocol = "-1" // a whole group, as in the first version of the API
	}
	return []vpc.RuleSpec{spec}, nil
}

// either combines the two ways to describe rules, of which a request uses one.
func either(permissions, old []vpc.RuleSpec) ([]vpc.RuleSpec, error) {
	if len(permissions) > 0 && len(old) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination,
			"The parameter ipPermissions cannot be used with the parameter ipProtocol")
	}
	return append(permissions, old...), nil
}

// wirePermissions groups rules of one direction by protocol and ports, in the
// order in which they first occur.
func wirePermissions(rules []*origami.SecurityGroupRule, egress bool) []ec2api.IpPermission {
	type ports struct {
		protocol string
		from, to int
	}
	var out []ec2api.IpPermission
	at := make(map[ports]int)
	for _, r := range rules {
		if r.Egress != egress {
			continue
		}
		k := ports{r.Protocol, r.FromPort, r.ToPort}
		n, ok := at[k]
		if !ok {
			n = len(out)
			at[k] = n
			p := ec2api.IpPermission{IpProtocol: ptr(r.Protocol)}
			if hasPorts(r) {
				p.FromPort, p.ToPort = ptr(int32(r.FromPort)), ptr(int32(r.ToPort))
			}
			out = append(out, p)
		}
		p, about := &out[n], text(r.Description)
		switch {
		case r.Peer != "":
			p.UserIdGroupPairs = append(p.UserIdGroupPairs, ec2api.UserIdGroupPair{GroupId: text(r.Peer), UserId: text(r.Owner), Description: about})
		case r.CIDR.Addr().Is4():
			p.IpRanges = append(p.IpRanges, ec2api.IpRange{CidrIp: ptr(r.CIDR.String()), Description: about})
		default:
			p.Ipv6Ranges = append(p.Ipv6Ranges, ec2api.Ipv6Range{CidrIpv6: ptr(r.CIDR.String()), Description: about})
		}
	}
	return out
}

// hasPorts reports whether a rule shows ports. Those about all protocols or
// about one without ports do not.
func hasPorts(r *origami.SecurityGroupRule) bool {
	switch r.Protocol {
	case "tcp", "udp", "icmp", "icmpv6":
		return true
	}
	return false
}

// wireRule writes a rule by itself. Here rules without ports show -1.
func wireRule(r *origami.SecurityGroupRule, tags origami.Tags) ec2api.SecurityGroupRule {
	v4, v6 := wireCIDR(r.CIDR)
	out := ec2api.SecurityGroupRule{
		CidrIpv4: v4, CidrIpv6: v6, Description: text(r.Description), FromPort: ptr(int32(r.FromPort)), ToPort: ptr(int32(r.ToPort)),
		GroupId: text(r.Group), GroupOwnerId: text(r.Owner), IpProtocol: ptr(r.Protocol), IsEgress: ptr(r.Egress),
		SecurityGroupRuleArn: ptr(fmt.Sprintf("arn:aws:ec2:%s:%s:security-group-rule/%s", r.Region, r.Owner, r.ID)),
		SecurityGroupRuleId:  text(r.ID), Tags: wireTags(tags),
	}
	if r.Peer != "" {
		out.ReferencedGroupInfo = &ec2api.ReferencedSecurityGroup{GroupId: text(r.Peer), UserId: text(r.Owner)}
	}
	return out
}

// wireCIDR writes the prefix of a rule as what it is.
func wireCIDR(p netip.Prefix) (v4, v6 *string) {
	switch {
	case !p.IsValid():
		return nil, nil
	case p.Addr().Is4():
		return ptr(p.String()), nil
	}
	return nil, ptr(p.String())
}
