package ec2server

import (
	"context"
	"iter"
	"slices"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/instance"
	"origami/internal/vpc"
)

// offering is an instance type at a place.
type offering struct{ kind, location, instanceType string }

// offeringProperties are the filters of DescribeInstanceTypeOfferings.
var offeringProperties = properties[offering]{
	"instance-type": func(o offering) []string { return one(o.instanceType) },
	"location":      func(o offering) []string { return one(o.location) },
}

// DescribeInstanceTypeOfferings lists where instance types are offered: all of
// them, in every zone of the region.
func (s *Server) DescribeInstanceTypeOfferings(_ context.Context, who origami.Caller, in *ec2api.DescribeInstanceTypeOfferingsInput) (*ec2api.DescribeInstanceTypeOfferingsOutput, error) {
	p, err := s.page(who, "DescribeInstanceTypeOfferings", in, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	filters, err := offeringProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	if err := untagged(offeringProperties, filters); err != nil {
		return nil, err
	}
	kind := deref(in.LocationType)
	var locations []string
	switch kind {
	case "", "region":
		kind, locations = "region", []string{string(who.Region)}
	case "availability-zone", "availability-zone-id":
		for _, z := range vpc.Zones(who.Region) {
			if kind == "availability-zone" {
				locations = append(locations, z.Name)
			} else {
				locations = append(locations, z.ID)
			}
		}
	default: // there are no outposts
	}
	slices.Sort(locations)
	keep := func(o offering) bool { return offeringProperties.match(filters, o, nil) }
	found, next := pageOf(p, offerings(kind, locations), func(o offering) string { return o.instanceType + " " + o.location }, keep)
	out := &ec2api.DescribeInstanceTypeOfferingsOutput{NextToken: next}
	for _, o := range found {
		out.InstanceTypeOfferings = append(out.InstanceTypeOfferings, ec2api.InstanceTypeOffering{
			InstanceType: text(o.instanceType), Location: text(o.location), LocationType: text(o.kind),
		})
	}
	return out, nil
}

// offerings yields every type at every location, by type and location.
func offerings(kind string, locations []string) iter.Seq[offering] {
	return func(yield func(offering) bool) {
		for t := range instance.Types() {
			for _, l := range locations {
				if !yield(offering{kind, l, t.Name}) {
					return
				}
			}
		}
	}
}
