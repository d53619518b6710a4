package origami

import "net/netip"

// VPC is a virtual network of an account in a region.
type VPC struct {
	ID      VPCID
	Region  Region
	Owner   AccountID
	CIDR    netip.Prefix
	Default bool
	// DefaultGroup is the security group of instances that name none.
	DefaultGroup SecurityGroupID
	DNSHostnames bool // instances with a public address have a public name
}

// Subnet is the part of a VPC that lies in one zone.
type Subnet struct {
	ID          SubnetID
	Region      Region
	Owner       AccountID
	VPC         VPCID
	Zone        string
	CIDR        netip.Prefix
	Default     bool // the default subnet of its zone
	MapPublicIP bool // instances get a public address at launch
}

// SecurityGroup is a named set of rules about traffic of instances.
type SecurityGroup struct {
	ID          SecurityGroupID
	Region      Region
	Owner       AccountID
	VPC         VPCID
	Name        string
	Description string
}

// SecurityGroupRule allows traffic to the instances of a group, or from them.
type SecurityGroupRule struct {
	ID     SecurityGroupRuleID
	Region Region
	Owner  AccountID // of the group
	Group  SecurityGroupID
	Egress bool // traffic from the instances, else traffic to them

	// Protocol is "tcp", "udp", "icmp" or "icmpv6", the decimal number of
	// another protocol, or "-1" for all.
	Protocol string
	// FromPort and ToPort are a range of ports; of ICMP they are type and
	// code, -1 meaning any. They are -1 for protocols that have neither.
	FromPort, ToPort int

	// Who is at the other end: the addresses of CIDR, of IPv4 or IPv6, or the
	// instances of the group Peer. Exactly one of the two is set.
	CIDR netip.Prefix
	Peer SecurityGroupID

	Description string
}
