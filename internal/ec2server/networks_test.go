package ec2server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"origami"
)

const missingVPC = "vpc-0123456789abcdef0"

// defaultVPC is the ID of an account's default VPC.
func (a *account) defaultVPC(t *testing.T) string {
	t.Helper()
	out := do(t, a.DescribeVpcs, &ec2.DescribeVpcsInput{Filters: filter("is-default", "true")})
	if len(out.Vpcs) != 1 {
		t.Fatalf("got %d default VPCs, want 1", len(out.Vpcs))
	}
	return *out.Vpcs[0].VpcId
}

func filter(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

func tagged(kind types.ResourceType, key, value string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: &key, Value: &value}}}}
}

// TestVpcs makes, shows and deletes VPCs.
//
//origami:proves CreateVpc DescribeVpcs DeleteVpc
func TestVpcs(t *testing.T) {
	t.Parallel()
	i := open(t)
	made := do(t, i.a.CreateVpc, &ec2.CreateVpcInput{CidrBlock: p("10.1.2.3/16"), TagSpecifications: tagged("vpc", "Name", "web")}).Vpc
	id := *made.VpcId
	want := types.Vpc{
		CidrBlock: p("10.1.0.0/16"), DhcpOptionsId: p("default"), InstanceTenancy: "default", IsDefault: p(false), OwnerId: p(string(i.a.id)),
		State: "available", VpcId: &id, Tags: []types.Tag{{Key: p("Name"), Value: p("web")}},
		CidrBlockAssociationSet: []types.VpcCidrBlockAssociation{{
			AssociationId: p("vpc-cidr-assoc-" + id[4:]), CidrBlock: p("10.1.0.0/16"), CidrBlockState: &types.VpcCidrBlockState{State: "associated"},
		}},
	}
	same(t, *made, want)
	same(t, do(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{VpcIds: []string{id}}).Vpcs, []types.Vpc{want})
	same(t, do(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{Filters: filter("tag:Name", "w*")}).Vpcs, []types.Vpc{want})
	if n := len(do(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{}).Vpcs); n != 2 {
		t.Errorf("got %d VPCs, want 2 with the default one", n)
	}
	groups := do(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{Filters: filter("vpc-id", id)}).SecurityGroups
	if len(groups) != 1 || *groups[0].GroupName != "default" || len(groups[0].IpPermissions) != 1 || len(groups[0].IpPermissionsEgress) != 1 {
		t.Errorf("got groups %+v of the new VPC, want its default one", groups)
	}

	for cidr, want := range map[string]string{
		"":               "MissingParameter: The request must contain the parameter cidrBlock",
		"10.0.0.0/15":    "InvalidVpc.Range: The CIDR '10.0.0.0/15' is invalid.",
		"10.0.0.0/29":    "InvalidVpc.Range: The CIDR '10.0.0.0/29' is invalid.",
		"127.0.0.0/16":   "InvalidVpc.Range: The CIDR '127.0.0.0/16' is invalid.",
		"169.254.0.0/16": "InvalidVpc.Range: The CIDR '169.254.0.0/16' is invalid.",
		"224.0.0.0/16":   "InvalidVpc.Range: The CIDR '224.0.0.0/16' is invalid.",
		"10.0.0.0":       "InvalidParameterValue: Value (10.0.0.0) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
		"fd00::/56":      "InvalidParameterValue: Value (fd00::/56) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
		"10.0.0.256/16":  "InvalidParameterValue: Value (10.0.0.256/16) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
	} {
		code, message, _ := strings.Cut(want, ": ")
		in := &ec2.CreateVpcInput{CidrBlock: &cidr}
		if cidr == "" {
			in.CidrBlock = nil
		}
		fails(t, i.a.CreateVpc, in, code, message)
	}

	fails(t, i.b.DeleteVpc, &ec2.DeleteVpcInput{VpcId: &id}, "InvalidVpcID.NotFound", "The vpc ID '"+id+"' does not exist")
	sub := do(t, i.a.CreateSubnet, &ec2.CreateSubnetInput{VpcId: &id, CidrBlock: p("10.1.1.0/24")}).Subnet
	inUse := "The vpc '" + id + "' has dependencies and cannot be deleted."
	fails(t, i.a.DeleteVpc, &ec2.DeleteVpcInput{VpcId: &id}, "DependencyViolation", inUse)
	do(t, i.a.DeleteSubnet, &ec2.DeleteSubnetInput{SubnetId: sub.SubnetId})
	g := do(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{VpcId: &id, GroupName: p("g"), Description: p("d")})
	fails(t, i.a.DeleteVpc, &ec2.DeleteVpcInput{VpcId: &id}, "DependencyViolation", inUse)
	do(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: g.GroupId})
	do(t, i.a.DeleteVpc, &ec2.DeleteVpcInput{VpcId: &id})
	fails(t, i.a.DeleteVpc, &ec2.DeleteVpcInput{VpcId: &id}, "InvalidVpcID.NotFound", "The vpc ID '"+id+"' does not exist")
	fails(t, i.a.DeleteVpc, &ec2.DeleteVpcInput{VpcId: p("vpc-x")}, "InvalidVpcID.Malformed", "Invalid id: …")
	if left := do(t, i.a.DescribeSecurityGroups, &ec2.DescribeSecurityGroupsInput{Filters: filter("vpc-id", id)}).SecurityGroups; len(left) != 0 {
		t.Errorf("the groups %+v outlive their VPC", left)
	}
}

// TestDefaultVpc deletes the default VPC, which nobody makes again but its
// owner.
//
//origami:proves CreateDefaultVpc DescribeAccountAttributes
func TestDefaultVpc(t *testing.T) {
	t.Parallel()
	i := open(t)
	fails(t, i.a.CreateDefaultVpc, &ec2.CreateDefaultVpcInput{}, "DefaultVpcAlreadyExists", "A Default VPC already exists for this account in this region.")
	id := i.a.defaultVPC(t)
	wantAttributes(t, i.a, id)
	subnets := do(t, i.a.DescribeSubnets, &ec2.DescribeSubnetsInput{Filters: filter("vpc-id", id)}).Subnets
	var cidrs []string
	for _, s := range subnets {
		cidrs = append(cidrs, *s.AvailabilityZone+" "+*s.CidrBlock)
		do(t, i.a.DeleteSubnet, &ec2.DeleteSubnetInput{SubnetId: s.SubnetId})
	}
	if want := 3; len(cidrs) != want {
		t.Errorf("got subnets %v, want %d", cidrs, want)
	}
	do(t, i.a.DeleteVpc, &ec2.DeleteVpcInput{VpcId: &id})
	if left := do(t, i.a.DescribeVpcs, &ec2.DescribeVpcsInput{}).Vpcs; len(left) != 0 {
		t.Errorf("after its deletion there is %s", *left[0].VpcId)
	}
	wantAttributes(t, i.a, "none")
	fails(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: p("g"), Description: p("d")}, "VPCIdNotSpecified", "No default VPC for this user")
	again := do(t, i.a.CreateDefaultVpc, &ec2.CreateDefaultVpcInput{}).Vpc
	if got := i.a.defaultVPC(t); got != *again.VpcId || got == id {
		t.Errorf("the default VPC is %s, want the new one, %s", got, *again.VpcId)
	}
	if n := len(do(t, i.a.DescribeSubnets, &ec2.DescribeSubnetsInput{Filters: filter("vpc-id", *again.VpcId)}).Subnets); n != 3 {
		t.Errorf("it has %d subnets, want 3", n)
	}
	if other := i.b.defaultVPC(t); other == id {
		t.Error("two accounts have the same default VPC")
	}
}

func wantAttributes(t *testing.T, a *account, vpc string) {
	t.Helper()
	attribute := func(name, value string) types.AccountAttribute {
		return types.AccountAttribute{AttributeName: &name, AttributeValues: []types.AccountAttributeValue{{AttributeValue: &value}}}
	}
	same(t, do(t, a.DescribeAccountAttributes, &ec2.DescribeAccountAttributesInput{}).AccountAttributes, []types.AccountAttribute{
		attribute("supported-platforms", "VPC"), attribute("default-vpc", vpc), attribute("vpc-max-security-groups-per-interface", "5"),
	})
	one := do(t, a.DescribeAccountAttributes, &ec2.DescribeAccountAttributesInput{AttributeNames: []types.AccountAttributeName{"default-vpc"}})
	same(t, one.AccountAttributes, []types.AccountAttribute{attribute("default-vpc", vpc)})
}

// TestVpcAttributes reads back what was written.
//
//origami:proves ModifyVpcAttribute DescribeVpcAttribute
func TestVpcAttributes(t *testing.T) {
	t.Parallel()
	i := open(t)
	id := do(t, i.a.CreateVpc, &ec2.CreateVpcInput{CidrBlock: p("10.0.0.0/16")}).Vpc.VpcId
	hostnames := func(vpc *string) bool {
		t.Helper()
		return *do(t, i.a.DescribeVpcAttribute, &ec2.DescribeVpcAttributeInput{VpcId: vpc, Attribute: "enableDnsHostnames"}).EnableDnsHostnames.Value
	}
	if hostnames(id) {
		t.Error("a new VPC has public names")
	}
	if def := i.a.defaultVPC(t); !hostnames(&def) {
		t.Error("a default VPC has no public names")
	}
	on, off := &types.AttributeBooleanValue{Value: p(true)}, &types.AttributeBooleanValue{Value: p(false)}
	do(t, i.a.ModifyVpcAttribute, &ec2.ModifyVpcAttributeInput{VpcId: id, EnableDnsHostnames: on})
	if !hostnames(id) {
		t.Error("public names are off after they were turned on")
	}
	do(t, i.a.ModifyVpcAttribute, &ec2.ModifyVpcAttributeInput{VpcId: id, EnableDnsSupport: on})
	fails(t, i.a.ModifyVpcAttribute, &ec2.ModifyVpcAttributeInput{VpcId: id, EnableDnsSupport: off}, "UnsupportedOperation",
		"The value 'false' of the parameter EnableDnsSupport.Value is not supported by this service.")
	fails(t, i.a.ModifyVpcAttribute, &ec2.ModifyVpcAttributeInput{VpcId: id}, "InvalidParameterCombination", "Exactly one attribute must be specified.")
	fails(t, i.a.ModifyVpcAttribute, &ec2.ModifyVpcAttributeInput{VpcId: id, EnableDnsSupport: on, EnableDnsHostnames: on},
		"InvalidParameterCombination", "Exactly one attribute must be specified.")
	if got := do(t, i.a.DescribeVpcAttribute, &ec2.DescribeVpcAttributeInput{VpcId: id, Attribute: "enableDnsSupport"}); !*got.EnableDnsSupport.Value {
		t.Error("the resolver is off")
	}
	missing := "The vpc ID '" + *id + "' does not exist"
	fails(t, i.b.DescribeVpcAttribute, &ec2.DescribeVpcAttributeInput{VpcId: id, Attribute: "enableDnsSupport"}, "InvalidVpcID.NotFound", missing)
	fails(t, i.b.ModifyVpcAttribute, &ec2.ModifyVpcAttributeInput{VpcId: id, EnableDnsHostnames: off}, "InvalidVpcID.NotFound", missing)
	fails(t, i.b.ModifyVpcAttribute, &ec2.ModifyVpcAttributeInput{VpcId: id, EnableDnsSupport: on}, "InvalidVpcID.NotFound", missing)
}

// TestSubnets makes, shows, changes and deletes subnets.
//
//origami:proves CreateSubnet DescribeSubnets DeleteSubnet ModifySubnetAttribute
func TestSubnets(t *testing.T) {
	t.Parallel()
	i := open(t)
	vpc := do(t, i.a.CreateVpc, &ec2.CreateVpcInput{CidrBlock: p("10.0.0.0/16")}).Vpc.VpcId
	made := do(t, i.a.CreateSubnet, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: p("10.0.1.77/24"), AvailabilityZone: p("eu-west-1b"), TagSpecifications: tagged("subnet", "a", "b")}).Subnet
	id := *made.SubnetId
	want := types.Subnet{
		AssignIpv6AddressOnCreation: p(false), AvailabilityZone: p("eu-west-1b"), AvailabilityZoneId: p("euw1-az2"), AvailableIpAddressCount: p(int32(251)),
		CidrBlock: p("10.0.1.0/24"), DefaultForAz: p(false), EnableDns64: p(false), Ipv6Native: p(false), MapCustomerOwnedIpOnLaunch: p(false),
		MapPublicIpOnLaunch: p(false), OwnerId: p(string(i.a.id)), State: "available", SubnetId: &id, VpcId: vpc,
		SubnetArn: p(fmt.Sprintf("arn:aws:ec2:eu-west-1:%s:subnet/%s", i.a.id, id)), Tags: []types.Tag{{Key: p("a"), Value: p("b")}},
	}
	same(t, *made, want)
	same(t, do(t, i.a.DescribeSubnets, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}}).Subnets, []types.Subnet{want})
	byID := do(t, i.a.CreateSubnet, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: p("10.0.2.0/28"), AvailabilityZoneId: p("euw1-az3")}).Subnet
	if got := *byID.AvailabilityZone; got != "eu-west-1c" {
		t.Errorf("got zone %s, want eu-west-1c", got)
	}
	free := do(t, i.a.CreateSubnet, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: p("10.0.3.0/28")}).Subnet
	if got := *free.AvailabilityZone; got != "eu-west-1a" {
		t.Errorf("got zone %s, want the one without subnets", got)
	}

	for _, c := range []struct{ vpc, cidr, zone, want string }{
		{*vpc, "10.0.1.128/25", "", "InvalidSubnet.Conflict: The CIDR '10.0.1.128/25' conflicts with another subnet"},
		{*vpc, "10.0.0.0/16", "", "InvalidSubnet.Conflict: The CIDR '10.0.0.0/16' conflicts with another subnet"},
		{*vpc, "10.1.0.0/24", "", "InvalidSubnet.Range: The CIDR '10.1.0.0/24' is invalid."},
		{*vpc, "10.0.0.0/15", "", "InvalidSubnet.Range: The CIDR '10.0.0.0/15' is invalid."},
		{*vpc, "10.0.9.0/29", "", "InvalidSubnet.Range: The CIDR '10.0.9.0/29' is invalid."},
		{*vpc, "ten", "", "InvalidParameterValue: Value (ten) for parameter cidrBlock is invalid. This is not a valid CIDR block."},
		{*vpc, "10.0.9.0/24", "eu-west-1x", "InvalidParameterValue: Value (eu-west-1x) for parameter availabilityZone is invalid. " +
			"Subnets can currently only be created in the following availability zones: eu-west-1a, eu-west-1b, eu-west-1c."},
		{missingVPC, "10.0.9.0/24", "", "InvalidVpcID.NotFound: The vpc ID '" + missingVPC + "' does not exist"},
	} {
		in := &ec2.CreateSubnetInput{VpcId: &c.vpc, CidrBlock: &c.cidr}
		if c.zone != "" {
			in.AvailabilityZone = &c.zone
		}
		code, message, _ := strings.Cut(c.want, ": ")
		fails(t, i.a.CreateSubnet, in, code, message)
	}
	foreign := "The subnet ID '" + id + "' does not exist"
	on := &types.AttributeBooleanValue{Value: p(true)}
	fails(t, i.b.CreateSubnet, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: p("10.0.9.0/24")}, "InvalidVpcID.NotFound", "The vpc ID '"+*vpc+"' does not exist")
	fails(t, i.b.ModifySubnetAttribute, &ec2.ModifySubnetAttributeInput{SubnetId: &id, MapPublicIpOnLaunch: on}, "InvalidSubnetID.NotFound", foreign)
	fails(t, i.b.DeleteSubnet, &ec2.DeleteSubnetInput{SubnetId: &id}, "InvalidSubnetID.NotFound", foreign)

	do(t, i.a.ModifySubnetAttribute, &ec2.ModifySubnetAttributeInput{SubnetId: &id, MapPublicIpOnLaunch: on})
	want.MapPublicIpOnLaunch = p(true)
	same(t, do(t, i.a.DescribeSubnets, &ec2.DescribeSubnetsInput{Filters: filter("map-public-ip-on-launch", "true"), SubnetIds: []string{id}}).Subnets, []types.Subnet{want})
	fails(t, i.a.ModifySubnetAttribute, &ec2.ModifySubnetAttributeInput{SubnetId: &id}, "InvalidParameterCombination", "Exactly one attribute must be specified.")
	fails(t, i.a.ModifySubnetAttribute, &ec2.ModifySubnetAttributeInput{SubnetId: &id, AssignIpv6AddressOnCreation: on}, "UnsupportedOperation",
		"The value 'true' of the parameter AssignIpv6AddressOnCreation.Value is not supported by this service.")
	do(t, i.a.DeleteSubnet, &ec2.DeleteSubnetInput{SubnetId: &id})
	fails(t, i.a.DeleteSubnet, &ec2.DeleteSubnetInput{SubnetId: &id}, "InvalidSubnetID.NotFound", foreign)
}

// TestNetworkOfInstances launches into networks of the caller's own.
//
//origami:proves RunInstances DeleteSubnet DeleteSecurityGroup
func TestNetworkOfInstances(t *testing.T) {
	t.Parallel()
	i := open(t)
	image := i.a.register(t, i.a.Client, "web", i.a.snapshot(t, home, "web"))
	vpc := do(t, i.a.CreateVpc, &ec2.CreateVpcInput{CidrBlock: p("10.0.0.0/16")}).Vpc.VpcId
	sub := do(t, i.a.CreateSubnet, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: p("10.0.1.0/24")}).Subnet.SubnetId
	group := do(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: p("web"), Description: p("d")}).GroupId
	elsewhere := do(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{GroupName: p("other"), Description: p("d")}).GroupId
	run := func(change func(*ec2.RunInstancesInput)) *ec2.RunInstancesInput {
		in := &ec2.RunInstancesInput{ImageId: &image, MinCount: p(int32(1)), MaxCount: p(int32(1)), InstanceType: "t3.micro", SubnetId: sub}
		change(in)
		return in
	}
	fails(t, i.a.RunInstances, run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{*elsewhere} }),
		"InvalidParameter", "Security group "+*elsewhere+" and subnet "+*sub+" belong to different networks.")
	fails(t, i.a.RunInstances, run(func(in *ec2.RunInstancesInput) { in.SecurityGroups = []string{"web"} }),
		"InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet")
	fails(t, i.a.RunInstances, run(func(in *ec2.RunInstancesInput) { in.SubnetId, in.SecurityGroups = nil, []string{"web"} }),
		"InvalidGroup.NotFound", "The security group 'web' does not exist in default VPC '"+i.a.defaultVPC(t)+"'")
	fails(t, i.a.RunInstances, run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{"sg-0123456789abcdef0"} }),
		"InvalidGroup.NotFound", "The security group 'sg-0123456789abcdef0' does not exist")

	launched := do(t, i.a.RunInstances, run(func(in *ec2.RunInstancesInput) { in.SecurityGroupIds = []string{*group, *group} })).Instances[0]
	same(t, launched.SecurityGroups, []types.GroupIdentifier{{GroupId: group, GroupName: p("web")}})
	if launched.PublicIpAddress != nil {
		t.Errorf("got public address %s in a subnet that gives none", *launched.PublicIpAddress)
	}
	byDefault := do(t, i.a.RunInstances, run(func(*ec2.RunInstancesInput) {})).Instances[0]
	if got := *byDefault.SecurityGroups[0].GroupName; got != "default" || *byDefault.VpcId != *vpc {
		t.Errorf("got group %s of VPC %s, want the default one of %s", got, *byDefault.VpcId, *vpc)
	}
	named := do(t, i.a.RunInstances, run(func(in *ec2.RunInstancesInput) { in.SubnetId, in.SecurityGroups = nil, []string{"other"} })).Instances[0]
	same(t, named.SecurityGroups, []types.GroupIdentifier{{GroupId: elsewhere, GroupName: p("other")}})

	public := do(t, i.a.RunInstances, run(func(in *ec2.RunInstancesInput) {
		in.SubnetId = nil
		in.NetworkInterfaces = []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: p(int32(0)), SubnetId: sub, AssociatePublicIpAddress: p(true)}}
	})).Instances[0]
	if *public.PublicDnsName != "" || public.PublicIpAddress == nil {
		t.Errorf("got public name %q, want an address and no name", *public.PublicDnsName)
	}
	do(t, i.a.ModifyVpcAttribute, &ec2.ModifyVpcAttributeInput{VpcId: vpc, EnableDnsHostnames: &types.AttributeBooleanValue{Value: p(true)}})
	shownPublic := do(t, i.a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{*public.InstanceId}}).Reservations[0].Instances[0]
	if *shownPublic.PublicDnsName == "" {
		t.Error("no public name after the VPC was given public names")
	}

	fails(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: group}, "DependencyViolation", "resource "+*group+" has a dependent object")
	fails(t, i.a.DeleteSubnet, &ec2.DeleteSubnetInput{SubnetId: sub}, "DependencyViolation", "The subnet '"+*sub+"' has dependencies and cannot be deleted.")

	other := do(t, i.a.CreateSecurityGroup, &ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: p("db"), Description: p("d")}).GroupId
	set := func(groups ...string) error {
		var ids []origami.SecurityGroupID
		for _, g := range groups {
			ids = append(ids, origami.SecurityGroupID(g))
		}
		return i.instances.SetGroups(t.Context(), i.a.caller(home), origami.InstanceID(*launched.InstanceId), ids)
	}
	for want, groups := range map[string][]string{
		"InvalidParameter: Security group " + *elsewhere + " and subnet " + *sub + " belong to different networks.": {*elsewhere},
		"InvalidParameterValue: An instance must have at least one security group.":                                 nil,
	} {
		if err := set(groups...); err == nil || err.Error() != want {
			t.Errorf("set groups %v: got %v, want %s", groups, err, want)
		}
	}
	if err := set(*other); err != nil {
		t.Fatal(err)
	}
	shown := do(t, i.a.DescribeInstances, &ec2.DescribeInstancesInput{InstanceIds: []string{*launched.InstanceId}}).Reservations[0].Instances[0]
	same(t, shown.SecurityGroups, []types.GroupIdentifier{{GroupId: other, GroupName: p("db")}})
	do(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: group})

	do(t, i.a.TerminateInstances, &ec2.TerminateInstancesInput{InstanceIds: []string{*launched.InstanceId, *byDefault.InstanceId, *public.InstanceId}})
	await(t, "the subnet to be free", func() bool {
		_, err := i.a.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: sub})
		return err == nil
	})
	do(t, i.a.DeleteSecurityGroup, &ec2.DeleteSecurityGroupInput{GroupId: other})
	do(t, i.a.DeleteVpc, &ec2.DeleteVpcInput{VpcId: vpc})
}
