package ec2server

import (
	"context"
	"fmt"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// vpcProperties are the filters of DescribeVpcs.
var vpcProperties = properties[*origami.VPC]{
	"cidr":                                  func(v *origami.VPC) []string { return one(v.CIDR.String()) },
	"cidr-block":                            func(v *origami.VPC) []string { return one(v.CIDR.String()) },
	"cidr-block-association.association-id": func(v *origami.VPC) []string { return one(associationID(v)) },
	"cidr-block-association.cidr-block":     func(v *origami.VPC) []string { return one(v.CIDR.String()) },
	"cidr-block-association.state":          func(*origami.VPC) []string { return one("associated") },
	"dhcp-options-id":                       func(*origami.VPC) []string { return one("default") },
	"is-default":                            func(v *origami.VPC) []string { return boolean(v.Default) },
	"isDefault":                             func(v *origami.VPC) []string { return boolean(v.Default) },
	"owner-id":                              func(v *origami.VPC) []string { return one(v.Owner) },
	"state":                                 func(*origami.VPC) []string { return one("available") },
	"vpc-id":                                func(v *origami.VPC) []string { return one(v.ID) },
}

// associationID names the association of a VPC with its one CIDR block.
func associationID(v *origami.VPC) string { return "vpc-cidr-assoc-" + string(v.ID[len("vpc-"):]) }

// DescribeVpcs lists the caller's VPCs. The default one exists from the start.
func (s *Server) DescribeVpcs(ctx context.Context, who origami.Caller, in *ec2api.DescribeVpcsInput) (*ec2api.DescribeVpcsOutput, error) {
	if in.MaxResults != nil && len(in.VpcIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter vpcSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeVpcs", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := vpcProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
	for _, id := range in.VpcIds {
		if _, err := origami.ParseVPCID(id); err != nil {
			return nil, err
		}
		q.IDs = append(q.IDs, id)
	}
	if err := s.vpc.EnsureDefault(ctx, who); err != nil {
		return nil, err
	}
	out := &ec2api.DescribeVpcsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for _, id := range q.IDs {
			if _, err := tx.VPC(who.Region, who.Account, origami.VPCID(id)); err != nil {
				return err
			}
		}
		match := func(v tagged[*origami.VPC]) bool { return vpcProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, tx.VPCs(q), func(v *origami.VPC) string { return string(v.ID) }, match)
		for _, v := range found {
			out.Vpcs = append(out.Vpcs, wireVPC(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

func wireVPC(v *origami.VPC, tags origami.Tags) ec2api.Vpc {
	return ec2api.Vpc{
		CidrBlock: text(v.CIDR.String()),
		CidrBlockAssociationSet: []ec2api.VpcCidrBlockAssociation{{
			AssociationId: text(associationID(v)), CidrBlock: text(v.CIDR.String()),
			CidrBlockState: &ec2api.VpcCidrBlockState{State: ptr("associated")},
		}},
		DhcpOptionsId: ptr("default"), InstanceTenancy: ptr("default"), IsDefault: ptr(v.Default),
		OwnerId: text(v.Owner), State: ptr("available"), Tags: wireTags(tags), VpcId: text(v.ID),
	}
}

// subnetView is a subnet with the number of its free addresses.
type subnetView struct {
	*origami.Subnet
	free int32
}

// subnetProperties are the filters of DescribeSubnets.
var subnetProperties = properties[subnetView]{
	"availability-zone":          func(v subnetView) []string { return one(v.Zone) },
	"availabilityZone":           func(v subnetView) []string { return one(v.Zone) },
	"availability-zone-id":       func(v subnetView) []string { return one(zoneID(v.Region, v.Zone)) },
	"availabilityZoneId":         func(v subnetView) []string { return one(zoneID(v.Region, v.Zone)) },
	"available-ip-address-count": func(v subnetView) []string { return number(v.free) },
	"cidr":                       func(v subnetView) []string { return one(v.CIDR.String()) },
	"cidr-block":                 func(v subnetView) []string { return one(v.CIDR.String()) },
	"cidrBlock":                  func(v subnetView) []string { return one(v.CIDR.String()) },
	"default-for-az":             func(v subnetView) []string { return boolean(v.Default) },
	"defaultForAz":               func(v subnetView) []string { return boolean(v.Default) },
	"ipv6-native":                func(subnetView) []string { return boolean(false) },
	"map-public-ip-on-launch":    func(v subnetView) []string { return boolean(v.MapPublicIP) },
	"owner-id":                   func(v subnetView) []string { return one(v.Owner) },
	"state":                      func(subnetView) []string { return one("available") },
	"subnet-arn":                 func(v subnetView) []string { return one(subnetARN(v.Subnet)) },
	"subnet-id":                  func(v subnetView) []string { return one(v.ID) },
	"vpc-id":                     func(v subnetView) []string { return one(v.VPC) },
}

func subnetARN(s *origami.Subnet) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:subnet/%s", s.Region, s.Owner, s.ID)
}

// DescribeSubnets lists the caller's subnets.
func (s *Server) DescribeSubnets(ctx context.Context, who origami.Caller, in *ec2api.DescribeSubnetsInput) (*ec2api.DescribeSubnetsOutput, error) {
	if in.MaxResults != nil && len(in.SubnetIds) > 0 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "The parameter subnetSet cannot be used with the parameter maxResults")
	}
	p, err := s.page(who, "DescribeSubnets", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := subnetProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	q := metadb.Query{Region: who.Region, Viewer: who.Account, Filters: filters, After: p.after, Expect: p.expect()}
	for _, id := range in.SubnetIds {
		if _, err := origami.ParseSubnetID(id); err != nil {
			return nil, err
		}
		q.IDs = append(q.IDs, id)
	}
	if err := s.vpc.EnsureDefault(ctx, who); err != nil {
		return nil, err
	}
	out := &ec2api.DescribeSubnetsOutput{}
	err = s.db.View(ctx, func(tx *metadb.Tx) error {
		for _, id := range q.IDs {
			if _, err := tx.Subnet(who.Region, who.Account, origami.SubnetID(id)); err != nil {
				return err
			}
		}
		used, err := addressesInUse(tx, who)
		if err != nil {
			return err
		}
		seq := func(yield func(subnetView, error) bool) {
			for sub, err := range tx.Subnets(q) {
				v := subnetView{Subnet: sub}
				if err == nil {
					v.free = freeAddresses(sub, used[sub.ID])
				}
				if !yield(v, err) {
					return
				}
			}
		}
		match := func(v tagged[subnetView]) bool { return subnetProperties.match(filters, v.noun, v.tags) }
		found, next, err := collect(tx, who, p, seq, func(v subnetView) string { return string(v.ID) }, match)
		for _, v := range found {
			out.Subnets = append(out.Subnets, wireSubnet(v.noun, v.tags))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// freeAddresses is how many addresses a subnet has left. Five of each are never
// given out.
func freeAddresses(sub *origami.Subnet, used int32) int32 {
	return int32(1<<(32-sub.CIDR.Bits())) - 5 - used
}

// subnetExists checks that a subnet is the caller's.
func (s *Server) subnetExists(ctx context.Context, who origami.Caller, id origami.SubnetID) error {
	return s.db.View(ctx, func(tx *metadb.Tx) error {
		_, err := tx.Subnet(who.Region, who.Account, id)
		return err
	})
}

// addressesInUse counts the addresses that instances have, by subnet.
func addressesInUse(tx *metadb.Tx, who origami.Caller) (map[origami.SubnetID]int32, error) {
	used := make(map[origami.SubnetID]int32)
	for i, err := range tx.Instances(metadb.Query{Region: who.Region, Viewer: who.Account}) {
		if err != nil {
			return nil, err
		}
		if i.PrivateIP.IsValid() {
			used[i.Subnet]++
		}
	}
	return used, nil
}

func wireSubnet(v subnetView, tags origami.Tags) ec2api.Subnet {
	return ec2api.Subnet{
		AssignIpv6AddressOnCreation: ptr(false), AvailabilityZone: text(v.Zone), AvailabilityZoneId: text(zoneID(v.Region, v.Zone)),
		AvailableIpAddressCount: ptr(v.free), CidrBlock: text(v.CIDR.String()), DefaultForAz: ptr(v.Default),
		EnableDns64: ptr(false), Ipv6Native: ptr(false), MapCustomerOwnedIpOnLaunch: ptr(false), MapPublicIpOnLaunch: ptr(v.MapPublicIP),
		OwnerId: text(v.Owner), State: ptr("available"), SubnetArn: text(subnetARN(v.Subnet)), SubnetId: text(v.ID), VpcId: text(v.VPC),
		Tags: wireTags(tags),
	}
}
