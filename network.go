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
