package ec2server_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TestRegions lists regions and zones.
//
//origami:proves DescribeRegions DescribeAvailabilityZones
func TestRegions(t *testing.T) {
	t.Parallel()
	i := open(t)
	region := func(name string) types.Region {
		return types.Region{RegionName: &name, Endpoint: p("ec2." + name + ".amazonaws.com"), OptInStatus: p("opt-in-not-required")}
	}
	zone := func(region, name, id string) types.AvailabilityZone {
		return types.AvailabilityZone{
			RegionName: &region, ZoneName: &name, ZoneId: &id, ZoneType: p("availability-zone"), GroupName: p(region + "-zg-1"),
			NetworkBorderGroup: &region, OptInStatus: "opt-in-not-required", State: "available",
		}
	}
	same(t, do(t, i.a.DescribeRegions, &ec2.DescribeRegionsInput{AllRegions: p(true)}).Regions, []types.Region{region("eu-west-1"), region("us-east-1")})
	same(t, do(t, i.a.DescribeRegions, &ec2.DescribeRegionsInput{RegionNames: []string{"us-east-1"}}).Regions, []types.Region{region("us-east-1")})
	fails(t, i.a.DescribeRegions, &ec2.DescribeRegionsInput{RegionNames: []string{"us-east-1", "mars-1"}}, "InvalidParameterValue", "Invalid region provided: [mars-1]")
	fails(t, i.a.DescribeRegions, &ec2.DescribeRegionsInput{DryRun: p(true)}, "DryRunOperation", "…")

	same(t, do(t, i.a.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{}).AvailabilityZones,
		[]types.AvailabilityZone{zone("eu-west-1", "eu-west-1a", "euw1-az1"), zone("eu-west-1", "eu-west-1b", "euw1-az2"), zone("eu-west-1", "eu-west-1c", "euw1-az3")})
	same(t, do(t, i.a.in(abroad).DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-east-1b"}, AllAvailabilityZones: p(true)}).AvailabilityZones,
		[]types.AvailabilityZone{zone("us-east-1", "us-east-1b", "use1-az2")})
	same(t, do(t, i.a.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{ZoneIds: []string{"euw1-az3"}}).AvailabilityZones,
		[]types.AvailabilityZone{zone("eu-west-1", "eu-west-1c", "euw1-az3")})
	fails(t, i.a.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-east-1a"}}, "InvalidParameterValue", "Invalid availability zone: [us-east-1a]")
	fails(t, i.a.DescribeAvailabilityZones, &ec2.DescribeAvailabilityZonesInput{ZoneIds: []string{"use1-az1"}}, "InvalidParameterValue", "Invalid availability zone-id: [use1-az1]")
}

// TestNetworks describes the network that every account has from the start,
// of its own in every region.
//
//origami:proves DescribeVpcs DescribeSubnets
func TestNetworks(t *testing.T) {
	t.Parallel()
	i := open(t)
	owner := p(string(i.a.id))
	vpcs := do(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{}).Vpcs
	if len(vpcs) != 1 {
		t.Fatalf("got %d VPCs, want 1", len(vpcs))
	}
	vpc := vpcs[0].VpcId
	association := "vpc-cidr-assoc-" + (*vpc)[len("vpc-"):]
	same(t, vpcs[0], types.Vpc{
		VpcId: vpc, CidrBlock: p("172.31.0.0/16"), DhcpOptionsId: p("default"), InstanceTenancy: "default", IsDefault: p(true), OwnerId: owner, State: "available",
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{{AssociationId: &association, CidrBlock: p("172.31.0.0/16"), CidrBlockState: &types.VpcCidrBlockState{State: "associated"}}},
	})
	same(t, do(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{*vpc}}).Vpcs, vpcs)

	subnets := do(t, i.a.DescribeSubnets, &ec2.DescribeSubnetsInput{}).Subnets
	if len(subnets) != 3 {
		t.Fatalf("got %d subnets, want 3", len(subnets))
	}
	for n, cidr := range []string{"172.31.0.0/20", "172.31.16.0/20", "172.31.32.0/20"} {
		letter := string(rune('a' + n))
		got := subnet(t, i.a.Client, letter)
		same(t, got, types.Subnet{
			SubnetId: got.SubnetId, SubnetArn: p("arn:aws:ec2:eu-west-1:" + *owner + ":subnet/" + *got.SubnetId), VpcId: vpc, OwnerId: owner, CidrBlock: &cidr,
			AvailabilityZone: p("eu-west-1" + letter), AvailabilityZoneId: p("euw1-az" + string(rune('1'+n))), AvailableIpAddressCount: p(int32(4091)),
			DefaultForAz: p(true), MapPublicIpOnLaunch: p(true), State: "available",
			AssignIpv6AddressOnCreation: p(false), EnableDns64: p(false), Ipv6Native: p(false), MapCustomerOwnedIpOnLaunch: p(false),
		})
	}
	i.a.started(t, nil)
	if got := *subnet(t, i.a.Client, "a").AvailableIpAddressCount; got != 4090 {
		t.Errorf("with an instance the subnet has %d free addresses, want 4090", got)
	}

	bobs := *do(t, i.b.DescribeVpcs, &ec2.DescribeVpcsInput{}).Vpcs[0].VpcId
	bobsSubnet := *subnet(t, i.b.Client, "a").SubnetId
	fails(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{bobs}}, "InvalidVpcID.NotFound", "The vpc ID '"+bobs+"' does not exist")
	fails(t, i.a.in(abroad).DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{*vpc}}, "InvalidVpcID.NotFound", "The vpc ID '"+*vpc+"' does not exist")
	fails(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{"vpc"}}, "InvalidVpcID.Malformed", `Invalid id: "vpc" (expecting "vpc-...")`)
	fails(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{*vpc}, MaxResults: p(int32(5))}, "InvalidParameterCombination", "The parameter vpcSet cannot be used with the parameter maxResults")
	fails(t, i.a.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{bobsSubnet}}, "InvalidSubnetID.NotFound", "The subnet ID '"+bobsSubnet+"' does not exist")
	fails(t, i.a.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{"subnet-x"}}, "InvalidSubnetID.Malformed", `Invalid id: "subnet-x" (expecting "subnet-...")`)
	fails(t, i.a.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{*subnets[0].SubnetId}, MaxResults: p(int32(5))}, "InvalidParameterCombination", "The parameter subnetSet cannot be used with the parameter maxResults")
	if got := do(t, i.a.in(abroad).DescribeSubnets, &ec2.DescribeSubnetsInput{}).Subnets; len(got) != 3 || *got[0].VpcId == *vpc {
		t.Errorf("abroad there is %+v, want three subnets of another VPC", got)
	}
}
