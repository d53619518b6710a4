package ec2server

import (
	"context"
	"slices"
	"strconv"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/metadb"
	"origami/internal/vpc"
)

// DescribeAccountAttributes says what the caller's account may do in the
// region: which networks it has, and its limits where this service has any.
func (s *Server) DescribeAccountAttributes(ctx context.Context, who origami.Caller, in *ec2api.DescribeAccountAttributesInput) (*ec2api.DescribeAccountAttributesOutput, error) {
	if err := s.vpc.EnsureDefault(ctx, who); err != nil {
		return nil, err
	}
	defaultVPC := "none"
	err := s.db.View(ctx, func(tx *metadb.Tx) error {
		v, err := s.vpc.DefaultVPC(tx, who)
		if isCode(err, origami.CodeVPCIDNotSpecified) {
			return nil
		}
		if err == nil {
			defaultVPC = string(v.ID)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &ec2api.DescribeAccountAttributesOutput{}
	for _, a := range [][2]string{
		{"supported-platforms", "VPC"},
		{"default-vpc", defaultVPC},
		{"vpc-max-security-groups-per-interface", strconv.Itoa(vpc.MaxInstanceGroups)},
	} {
		if len(in.AttributeNames) > 0 && !slices.Contains(in.AttributeNames, a[0]) {
			continue
		}
		out.AccountAttributes = append(out.AccountAttributes, ec2api.AccountAttribute{
			AttributeName: ptr(a[0]), AttributeValues: []ec2api.AccountAttributeValue{{AttributeValue: ptr(a[1])}},
		})
	}
	return out, nil
}
