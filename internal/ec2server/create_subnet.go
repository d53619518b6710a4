package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/vpc"
)

// CreateSubnet makes a subnet of a VPC.
func (s *Server) CreateSubnet(ctx context.Context, who origami.Caller, in *ec2api.CreateSubnetInput) (*ec2api.CreateSubnetOutput, error) {
	id, err := origami.ParseVPCID(deref(in.VpcId))
	if err != nil {
		return nil, err
	}
	if in.CidrBlock == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter cidrBlock")
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "subnet")
	if err != nil {
		return nil, err
	}
	sub, err := s.vpc.CreateSubnet(ctx, who, vpc.SubnetSpec{
		VPC: id, CIDR: *in.CidrBlock, Zone: deref(in.AvailabilityZone), ZoneID: deref(in.AvailabilityZoneId), Tags: tags["subnet"],
	})
	if err != nil {
		return nil, err
	}
	return &ec2api.CreateSubnetOutput{Subnet: ptr(wireSubnet(subnetView{sub, freeAddresses(sub, 0)}, tags["subnet"]))}, nil
}

// DeleteSubnet deletes a subnet that has no instances.
func (s *Server) DeleteSubnet(ctx context.Context, who origami.Caller, in *ec2api.DeleteSubnetInput) (*ec2api.DeleteSubnetOutput, error) {
	id, err := origami.ParseSubnetID(deref(in.SubnetId))
	if err != nil {
		return nil, err
	}
	return &ec2api.DeleteSubnetOutput{}, s.vpc.DeleteSubnet(ctx, who, id)
}

// ModifySubnetAttribute says whether instances launched into a subnet get
// public addresses.
func (s *Server) ModifySubnetAttribute(ctx context.Context, who origami.Caller, in *ec2api.ModifySubnetAttributeInput) (*ec2api.ModifySubnetAttributeOutput, error) {
	id, err := origami.ParseSubnetID(deref(in.SubnetId))
	if err != nil {
		return nil, err
	}
	given := 0
	for _, a := range []*ec2api.AttributeBooleanValue{in.MapPublicIpOnLaunch, in.AssignIpv6AddressOnCreation, in.EnableDns64} {
		if a != nil && a.Value != nil {
			given++
		}
	}
	if given != 1 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Exactly one attribute must be specified.")
	}
	on := in.MapPublicIpOnLaunch
	if on == nil {
		// The others have the only value that they can have.
		return &ec2api.ModifySubnetAttributeOutput{}, s.subnetExists(ctx, who, id)
	}
	return &ec2api.ModifySubnetAttributeOutput{}, s.vpc.SetMapPublicIP(ctx, who, id, deref(on.Value))
}
