package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
)

// CreateVpc makes a VPC with its default security group.
func (s *Server) CreateVpc(ctx context.Context, who origami.Caller, in *ec2api.CreateVpcInput) (*ec2api.CreateVpcOutput, error) {
	if in.CidrBlock == nil {
		return nil, origami.Errorf(origami.CodeMissingParameter, "The request must contain the parameter cidrBlock")
	}
	tags, err := parseTagSpecifications(in.TagSpecifications, "vpc")
	if err != nil {
		return nil, err
	}
	v, err := s.vpc.Create(ctx, who, *in.CidrBlock, tags["vpc"])
	if err != nil {
		return nil, err
	}
	return &ec2api.CreateVpcOutput{Vpc: ptr(wireVPC(v, tags["vpc"]))}, nil
}

// CreateDefaultVpc makes a default VPC again, with its subnets, for an account
// that deleted its own.
func (s *Server) CreateDefaultVpc(ctx context.Context, who origami.Caller, _ *ec2api.CreateDefaultVpcInput) (*ec2api.CreateDefaultVpcOutput, error) {
	v, err := s.vpc.CreateDefault(ctx, who)
	if err != nil {
		return nil, err
	}
	return &ec2api.CreateDefaultVpcOutput{Vpc: ptr(wireVPC(v, nil))}, nil
}

// DeleteVpc deletes a VPC that has nothing in it but its default group.
func (s *Server) DeleteVpc(ctx context.Context, who origami.Caller, in *ec2api.DeleteVpcInput) (*ec2api.DeleteVpcOutput, error) {
	id, err := origami.ParseVPCID(deref(in.VpcId))
	if err != nil {
		return nil, err
	}
	return &ec2api.DeleteVpcOutput{}, s.vpc.Delete(ctx, who, id)
}
