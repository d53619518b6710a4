package ec2server

import (
	"context"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
)

// DescribeVpcAttribute shows one attribute of a VPC.
func (s *Server) DescribeVpcAttribute(ctx context.Context, who origami.Caller, in *ec2api.DescribeVpcAttributeInput) (*ec2api.DescribeVpcAttributeOutput, error) {
	id, err := origami.ParseVPCID(deref(in.VpcId))
	if err != nil {
		return nil, err
	}
	var v *origami.VPC
	err = s.db.View(ctx, func(tx *metadb.Tx) (err error) {
		v, err = tx.VPC(who.Region, who.Account, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeVpcAttributeOutput{VpcId: text(v.ID)}
	is := func(on bool) *ec2api.AttributeBooleanValue { return &ec2api.AttributeBooleanValue{Value: ptr(on)} }
	switch deref(in.Attribute) {
	case "enableDnsHostnames":
		out.EnableDnsHostnames = is(v.DNSHostnames)
	case "enableDnsSupport":
		out.EnableDnsSupport = is(true) // every subnet has its resolver
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = is(false)
	}
	return out, nil
}

// ModifyVpcAttribute changes one attribute of a VPC.
func (s *Server) ModifyVpcAttribute(ctx context.Context, who origami.Caller, in *ec2api.ModifyVpcAttributeInput) (*ec2api.ModifyVpcAttributeOutput, error) {
	id, err := origami.ParseVPCID(deref(in.VpcId))
	if err != nil {
		return nil, err
	}
	given := 0
	for _, a := range []*ec2api.AttributeBooleanValue{in.EnableDnsHostnames, in.EnableDnsSupport, in.EnableNetworkAddressUsageMetrics} {
		if a != nil && a.Value != nil {
			given++
		}
	}
	if given != 1 {
		return nil, origami.Errorf(origami.CodeInvalidParameterCombination, "Exactly one attribute must be specified.")
	}
	if a := in.EnableDnsHostnames; a != nil {
		return &ec2api.ModifyVpcAttributeOutput{}, s.vpc.SetDNSHostnames(ctx, who, id, deref(a.Value))
	}
	// The others have the only value that they can have.
	return &ec2api.ModifyVpcAttributeOutput{}, s.db.View(ctx, func(tx *metadb.Tx) error {
		_, err := tx.VPC(who.Region, who.Account, id)
		return err
	})
}
