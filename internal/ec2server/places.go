package ec2server

import (
	"context"
	"slices"

	"origami"
	"origami/internal/ec2api"
	"origami/internal/vpc"
)

// regionProperties are the filters of DescribeRegions.
var regionProperties = properties[origami.Region]{
	"endpoint":      func(r origami.Region) []string { return one(regionEndpoint(r)) },
	"opt-in-status": func(origami.Region) []string { return one("opt-in-not-required") },
	"region-name":   func(r origami.Region) []string { return one(r) },
}

// regionEndpoint is the host name that EC2 has in a region. Clients that have
// an endpoint configured use that instead.
func regionEndpoint(r origami.Region) string { return "ec2." + string(r) + ".amazonaws.com" }

// DescribeRegions lists the regions of this installation.
func (s *Server) DescribeRegions(_ context.Context, _ origami.Caller, in *ec2api.DescribeRegionsInput) (*ec2api.DescribeRegionsOutput, error) {
	filters, err := regionProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	for _, name := range in.RegionNames {
		if !slices.Contains(s.regions, origami.Region(name)) {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid region provided: [%s]", name)
		}
	}
	out := &ec2api.DescribeRegionsOutput{}
	for _, r := range s.regions {
		if len(in.RegionNames) > 0 && !slices.Contains(in.RegionNames, string(r)) || !regionProperties.match(filters, r, nil) {
			continue
		}
		out.Regions = append(out.Regions, ec2api.Region{
			RegionName: text(r), Endpoint: text(regionEndpoint(r)), OptInStatus: ptr("opt-in-not-required"),
		})
	}
	return out, nil
}

// zoneProperties are the filters of DescribeAvailabilityZones.
var zoneProperties = properties[origami.Zone]{
	"group-name":       func(z origami.Zone) []string { return one(zoneGroup(z)) },
	"message":          func(origami.Zone) []string { return nil },
	"opt-in-status":    func(origami.Zone) []string { return one("opt-in-not-required") },
	"parent-zone-id":   func(origami.Zone) []string { return nil },
	"parent-zone-name": func(origami.Zone) []string { return nil },
	"region-name":      func(z origami.Zone) []string { return one(z.Region) },
	"state":            func(origami.Zone) []string { return one("available") },
	"zone-id":          func(z origami.Zone) []string { return one(z.ID) },
	"zone-name":        func(z origami.Zone) []string { return one(z.Name) },
	"zone-type":        func(origami.Zone) []string { return one("availability-zone") },
}

func zoneGroup(z origami.Zone) string { return string(z.Region) + "-zg-1" }

// DescribeAvailabilityZones lists the zones of the region.
func (s *Server) DescribeAvailabilityZones(_ context.Context, who origami.Caller, in *ec2api.DescribeAvailabilityZonesInput) (*ec2api.DescribeAvailabilityZonesOutput, error) {
	filters, err := zoneProperties.parse(in.Filters)
	if err != nil {
		return nil, err
	}
	zones := vpc.Zones(who.Region)
	for _, name := range in.ZoneNames {
		if !slices.ContainsFunc(zones, func(z origami.Zone) bool { return z.Name == name }) {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid availability zone: [%s]", name)
		}
	}
	for _, id := range in.ZoneIds {
		if !slices.ContainsFunc(zones, func(z origami.Zone) bool { return z.ID == id }) {
			return nil, origami.Errorf(origami.CodeInvalidParameterValue, "Invalid availability zone-id: [%s]", id)
		}
	}
	out := &ec2api.DescribeAvailabilityZonesOutput{}
	for _, z := range zones {
		if len(in.ZoneNames) > 0 && !slices.Contains(in.ZoneNames, z.Name) ||
			len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, z.ID) || !zoneProperties.match(filters, z, nil) {
			continue
		}
		out.AvailabilityZones = append(out.AvailabilityZones, ec2api.AvailabilityZone{
			GroupName: text(zoneGroup(z)), NetworkBorderGroup: text(z.Region), OptInStatus: ptr("opt-in-not-required"),
			RegionName: text(z.Region), State: ptr("available"), ZoneId: text(z.ID), ZoneName: text(z.Name), ZoneType: ptr("availability-zone"),
		})
	}
	return out, nil
}
